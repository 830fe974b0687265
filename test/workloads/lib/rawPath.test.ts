import fc from "fast-check";
import { cameras } from "../../../workloads/src/lib/cameras";
import { parseRawPath, type RawName, RawPathError, rawKey } from "../../../workloads/src/lib/rawPath";

const detectorOf = (key: string) => parseRawPath(key).detector;

test("detector ids of LSSTCam: nine a raft in the order of rafts, then guiders and wavefront sensors of the corners", () => {
  const rafts = "01 02 03 10 11 12 13 14 20 21 22 23 24 30 31 32 33 34 41 42 43".split(" ");
  const names = rafts.flatMap((raft) => [..."012"].flatMap((x) => [..."012"].map((y) => `R${raft}_S${x}${y}`)));
  const corners = ["00", "04", "40", "44"].flatMap((raft) => ["SG0", "SG1", "SW0", "SW1"].map((s) => `R${raft}_${s}`));
  const id = "MC_O_20250926_000042";
  expect([...names, ...corners].map((name) => detectorOf(`LSSTCam/20250926/${id}/${id}_${name}.fits`))).toEqual(
    Array.from({ length: 205 }, (_, index) => index),
  );
});

// Key, and what the pipelines read from it.
test.each([
  ["LATISS/20220321/AT_O_20220321_000002/AT_O_20220321_000002_R00_S00.fits", "LATISS", 0, 2022032100002],
  ["LSSTComCam/20220321/CC_O_20220321_000003/CC_O_20220321_000003_R22_S11.fits", "LSSTComCam", 4, 2022032100003],
  ["ComCam/20220321/CC_C_20220321_000003/CC_C_20220321_000003_R22_S11.fits.fz", "LSSTComCam", 4, 2022032100003],
  ["LSSTComCamSim/20240402/CC_S_20240402_000007/CC_S_20240402_000007_R22_S22.fits", "LSSTComCamSim", 8, 2024040200007],
  ["TS8/20220321/TS_C_20220321_000003/TS_C_20220321_000003_R22_S02.fits", "LSST-TS8", 2, 2022032100003],
  ["LSSTCam/20220321/MC_O_20220321_000004/MC_O_20220321_000004_R11_S20.fits", "LSSTCam", 42, 2022032100004],
  ["LSSTCam/20250926/MC_O_20250926_42/MC_O_20250926_42_R00_SG0.fits", "LSSTCam", 189, 2025092600042],
  ["LSSTCam-imSim/20220321/2080088/2080088_k2022_42_R11_S20.fits", "LSSTCam-imSim", 42, 2080088],
  ["LSSTCam-imSim/20220321/0080088/0080088_a_b_42_R11_S20.fits", "LSSTCam-imSim", 42, 80088],
  ["HSC/42/2022032100001/0/404/k2022/HSC-2022032100001-0-404-k2022-42.fz", "HSC", 42, 404],
  ["DECam/62/group/1/0404/g/x.fits", "DECam", 62, 404],
] as const)("%s", (key, instrument, detector, exposureId) => {
  const path = parseRawPath(key);
  expect([path.camera.name, path.detector, path.exposureId]).toEqual([instrument, detector, exposureId]);
});

test("controllers tell exposures of one number apart", () => {
  const ids = [..."OCHPQ"].map((controller) => `MC_${controller}_20250926_000042`);
  const paths = ids.map((id) => parseRawPath(`LSSTCam/20250926/${id}/${id}_R22_S11.fits`));
  expect(new Set(paths.map(({ exposureId }) => exposureId))).toEqual(new Set([2025092600042]));
  expect(paths.map(({ obsId }) => obsId)).toEqual(ids);
});

test("group and snap are in the key, or in the sidecar that it names", () => {
  expect(parseRawPath("HSC/42/2022032100001/1/404/k2022/a.fits")).toMatchObject({ group: "2022032100001", snap: 1 });
  expect(parseRawPath("HSC/42/2022032100001/1/404/k2022/a.fits").sidecar).toBeUndefined();
  const stem = "LSSTComCam/20220321/CC_C_20220321_000003/CC_C_20220321_000003_R22_S11";
  expect(parseRawPath(`${stem}.fits.fz`)).toMatchObject({ sidecar: `${stem}.json`, folder: "" });
});

test("a camera's files may stand in a folder, and say so", () => {
  const path = parseRawPath("unobserved/HSC/0/0059134/0/0059134/HSC-G/x.fits");
  expect(path).toMatchObject({ folder: "unobserved", detector: 0, group: "0059134", exposureId: 59134 });
  expect(path.camera.name).toBe("HSC");
});

test.each([
  ["LSSTCam/20250926/MC_O_20250926_000042/MC_O_20250926_000042_R00_SG0_guider.fits", "RAW_PATH"],
  ["LSSTCam/20250926/MC_O_20250926_000042/MC_O_20250926_000042_R22_S11.json", "RAW_PATH"],
  ["LSSTCam/20250926/MC_O_20250926_000042/MC_O_20250926_000043_R22_S11.fits", "RAW_PATH"],
  ["LSSTCam/20250926/MC_O_20250926_100000/MC_O_20250926_100000_R22_S11.fits", "RAW_PATH"],
  ["LSSTCam/20250926/MC_O_20250926/MC_O_20250926_R22_S11.fits", "RAW_PATH"],
  ["HSC/42/2022032100001/0/four/k2022/a.fits", "RAW_PATH"],
  ["HSC/42//0/404/k2022/a.fits", "RAW_PATH"],
  ["HSC/42/2022032100001/0/99999999999999999999/k2022/a.fits", "RAW_PATH"],
  ["LSSTCam/20250926/MC_O_20250926_000042/MC_O_20250926_000042_R22_S33.fits", "UNKNOWN_DETECTOR"],
  ["LSSTCam/20250926/MC_O_20250926_000042/MC_O_20250926_000042_R99_S00.fits", "UNKNOWN_DETECTOR"],
  ["LSSTCam-imSim/20220321/2080088/2080088_k2022_43_R11_S20.fits", "UNKNOWN_DETECTOR"],
  ["HSC/112/2022032100001/0/404/k2022/a.fits", "UNKNOWN_DETECTOR"],
  ["DECam/0/2022032100001/0/404/k2022/a.fits", "UNKNOWN_DETECTOR"],
  ["NoCam/20250926/MC_O_20250926_000042/MC_O_20250926_000042_R22_S11.fits", "UNKNOWN_CAMERA"],
  ["NoCam/42/2022032100001/0/404/k2022/a.fits", "UNKNOWN_CAMERA"],
  ["LSSTCam", "UNKNOWN_CAMERA"],
  ["", "UNKNOWN_CAMERA"],
])("%s is %s", (key, code) => {
  expect(() => parseRawPath(key)).toThrow(expect.objectContaining({ code }));
});

test("a key of very many segments is refused before the pattern looks for longer than anyone waits", () => {
  expect(() => parseRawPath(`HSC/${"1/".repeat(400)}`)).toThrow("it has too many characters or segments");
});

test("whatever a key is, it is read or refused by name", () => {
  const part = fc.constantFrom("LSSTCam", "LSSTCam-imSim", "HSC", "x", "1", "20260603", "MC_O_20260603_000042", "_R22_S11.fits", "_1_R01_S01.f", ".fits", "_", "\0", "é"); // prettier-ignore
  const key = fc.array(fc.oneof(part, fc.constant("/")), { maxLength: 40 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(key, (text) => {
      try {
        const { camera, detector, exposureId } = parseRawPath(text);
        expect([camera.detectorIds.includes(detector), Number.isSafeInteger(exposureId)]).toEqual([true, true]);
      } catch (error) {
        if (!(error instanceof RawPathError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test("the error names the key and says what to do", () => {
  expect(() => parseRawPath("LSSTCam/1/a_b/a_b_R99_S00.fits")).toThrow(
    'Cannot read raw file "LSSTCam/1/a_b/a_b_R99_S00.fits": LSSTCam has no sensor R99_S00. ' +
      "Rename the object, or keep it out of the bucket of raw files.",
  );
});

describe("names", () => {
  const name = { group: "2022-03-21T00:00:00.000088", snap: 0, physicalFilter: "k2022" };
  test.each<[Partial<RawName>, string]>([
    [{ instrument: "LATISS", detector: 0, exposureId: 2022032100002 }, "LATISS/20220321/AT_O_20220321_000002/AT_O_20220321_000002_R00_S00.fits"], // prettier-ignore
    [{ instrument: "LSSTComCam", detector: 4, exposureId: 2022032100003 }, "LSSTComCam/20220321/CC_O_20220321_000003/CC_O_20220321_000003_R22_S11.fits"], // prettier-ignore
    [{ instrument: "LSSTCam", detector: 42, exposureId: 2022032100004 }, "LSSTCam/20220321/MC_O_20220321_000004/MC_O_20220321_000004_R11_S20.fits"], // prettier-ignore
    [{ instrument: "LSSTCam-imSim", detector: 42, exposureId: 2080088 }, "LSSTCam-imSim/20220321/2080088/2080088_k2022_42_R11_S20.fits"], // prettier-ignore
    [{ instrument: "HSC", detector: 42, exposureId: 404, group: "2022032100001" }, "HSC/42/2022032100001/0/404/k2022/HSC-2022032100001-0-404-k2022-42.fz"], // prettier-ignore
  ])("of %j", (of, key) => expect(rawKey({ ...name, ...of } as RawName)).toBe(key));

  test("of every detector of every camera are read as what they were made of", () => {
    for (const { name: instrument, family, detectorIds } of cameras.values())
      for (const detector of detectorIds) {
        const exposureId = family === "lsst" ? 2025092600042 : 404;
        const path = parseRawPath(rawKey({ ...name, instrument, detector, exposureId }));
        expect([path.camera.name, path.detector, path.exposureId]).toEqual([instrument, detector, exposureId]);
      }
  });

  test("of what does not exist are refused", () => {
    const of = { ...name, instrument: "LATISS", detector: 1, exposureId: 2022032100002 };
    expect(() => rawKey(of)).toThrow('There is no detector 1 of a camera "LATISS".');
  });
});
