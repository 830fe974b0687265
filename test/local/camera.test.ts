import { describe, expect, it } from "@jest/globals";
import { exposureOf, filesOf, fitsKey, instrumentNamed, instruments, sidecarKey } from "../../local/camera";
import { blockBytes, formatCard } from "../../workloads/src/lib/fits";
import { parseObjectPath } from "../../workloads/src/lib/objectPath";

/** Reads a FITS file by the standard, not by our writer: 80-character cards up to END, data in blocks of 2,880 bytes. */
function readFits(file: Buffer): { header: Record<string, string>; data: Buffer }[] {
  const units: { header: Record<string, string>; data: Buffer }[] = [];
  for (let at = 0; at < file.length;) {
    const header: Record<string, string> = {};
    for (;;) {
      const card = file.toString("latin1", at, at + 80);
      at += 80;
      if (card.startsWith("END ")) break;
      if (!card.startsWith("COMMENT") && card[8] !== "=") throw new Error(`bad card: ${card}`);
      const text = /^'((?:[^']|'')*)'/.exec(card.slice(10));
      header[card.slice(0, 8).trim()] = text
        ? (text[1] as string).replaceAll("''", "'").trimEnd()
        : (card.slice(10).split("/")[0] as string).trim();
    }
    at = Math.ceil(at / 2880) * 2880;
    const axes = Array.from({ length: Number(header.NAXIS) }, (_, axis) => Number(header[`NAXIS${axis + 1}`]));
    const bytes = axes.length === 0 ? 0 : (axes.reduce((size, axis) => size * axis, 1) * Number(header.BITPIX)) / 8;
    units.push({ header, data: file.subarray(at, at + bytes) });
    at += Math.ceil(bytes / 2880) * 2880;
  }
  return units;
}

describe("the camera", () => {
  it.each([
    { name: "LATISS", science: 1, wavefront: 0, guider: 0 },
    { name: "LSSTComCam", science: 9, wavefront: 0, guider: 0 },
    { name: "LSSTCam", science: 189, wavefront: 8, guider: 8 },
  ])("plays $name with its detectors, numbered without a gap", ({ name, science, wavefront, guider }) => {
    const { detectors } = instrumentNamed(name);
    const of = (purpose: string) => detectors.filter((detector) => detector.purpose === purpose).length;
    expect([of("SCIENCE"), of("WAVEFRONT"), of("GUIDER")]).toEqual([science, wavefront, guider]);
    expect(detectors.map(({ id }) => id)).toEqual(detectors.map((_, index) => index));
    expect(new Set(detectors.map((detector) => detector.name)).size).toBe(detectors.length);
  });

  it.each([
    ["R22_S11", 94, "LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R22_S11.fits"],
    ["R00_SG0", 189, "LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R00_SG0_guider.fits"],
    ["R44_SW1", 204, "LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R44_SW1.fits"],
  ])("names the file of %s, detector %d, as the raw buckets do", (name, id, key) => {
    const instrument = instrumentNamed("LSSTCam");
    const detector = instrument.detectors.find((candidate) => candidate.name === name)!;
    expect(detector.id).toBe(id);
    expect(fitsKey(exposureOf(instrument, "20260603", 258), detector)).toBe(key);
    expect(parseObjectPath(`embargo@rubin-summit/${key}`)).toMatchObject({ seqNum: "000258", dayObs: "20260603" });
    expect(sidecarKey(key)).toBe(key.replace(".fits", ".json"));
  });

  it("writes FITS files that follow the standard, and the same header beside them", () => {
    for (const instrument of instruments) {
      const detector = instrument.detectors.at(-1)!;
      const { fits, sidecar } = filesOf(exposureOf(instrument, "20260603", 258), detector);
      expect(fits.length % blockBytes).toBe(0);
      const [primary, image, ...rest] = readFits(fits);
      expect(rest).toEqual([]);
      const json = JSON.parse(sidecar.toString()) as Record<string, unknown>;
      const { SIMPLE, BITPIX, NAXIS, EXTEND, ...cards } = primary!.header;
      expect([SIMPLE, BITPIX, NAXIS, EXTEND]).toEqual(["T", "8", "0", "T"]);
      const asText = (value: unknown) => (value === true ? "T" : value === false ? "F" : String(value));
      expect(Object.fromEntries(Object.entries(json).map(([key, value]) => [key, asText(value)]))).toEqual(cards);
      expect(json).toMatchObject({
        INSTRUME: instrument.name,
        OBSID: `${instrument.code}_O_20260603_000258`,
        RAFTBAY: detector.raft,
        CCDSLOT: detector.sensor,
        DAYOBS: "20260603",
        SEQNUM: 258,
        CURINDEX: 1,
      });
      expect(image!.header).toMatchObject({ XTENSION: "IMAGE", BITPIX: "16", NAXIS: "2", BZERO: "32768" });
      const pixels = Array.from({ length: image!.data.length / 2 }, (_, i) => image!.data.readInt16BE(2 * i) + 32768);
      expect(Math.min(...pixels)).toBeGreaterThanOrEqual(1000);
      expect(Math.max(...pixels)).toBeLessThan(1016);
    }
  });

  it("gives each exposure a time of its day of observation, in TAI", () => {
    for (const seqNum of [1, 258, 2541, 99_999]) {
      const exposure = exposureOf(instrumentNamed("LATISS"), "20260603", seqNum);
      expect(exposure.begin.getTime()).toBeGreaterThanOrEqual(Date.parse("2026-06-03T12:00:00Z"));
      expect(exposure.begin.getTime() + 30_000).toBeLessThan(Date.parse("2026-06-04T12:00:00Z"));
      expect(Date.parse(`${exposure.groupId}Z`) - exposure.begin.getTime()).toBe(37_000);
      expect(exposure.exposureId).toBe(2026060300000 + seqNum);
    }
  });

  it.each([
    ["20260231", 1, 'dayObs "20260231" is not a date written YYYYMMDD.'],
    ["2026-06-03", 1, 'dayObs "2026-06-03" is not a date written YYYYMMDD.'],
    ["20260603", 0, "seqNum 0 is not a whole number from 1 to 99999."],
    ["20260603", 100_000, "seqNum 100000 is not a whole number from 1 to 99999."],
  ])("refuses %s, %d", (dayObs, seqNum, message) => {
    expect(() => exposureOf(instrumentNamed("LATISS"), dayObs, seqNum)).toThrow(message);
  });

  it.each([
    [["OBJECT", "Barnard's star"] as const, "OBJECT  = 'Barnard''s star'"],
    [["SEQNUM", 258, "number"] as const, "SEQNUM  =                  258 / number"],
    [["SIMPLE", true] as const, "SIMPLE  =                    T"],
    [["SMALL", 1.5e-7] as const, "SMALL   =               1.5E-7"],
  ])("writes %j as a card", (card, text) => expect(formatCard(card)).toBe(text.padEnd(80)));

  it.each([
    [["TOOLONGKEY", 1] as const, "TOOLONGKEY"],
    [["OBJECT", "é"] as const, "printable ASCII"],
    [["OBJECT", "x".repeat(69)] as const, "does not fit"],
    [["RA", NaN] as const, "finite"],
  ])("refuses %j", (card, message) => expect(() => formatCard(card)).toThrow(message));
});
