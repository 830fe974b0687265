import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { exposureOf, filesOf, instrumentNamed } from "../../../local/camera";
import { ensureButlerPython } from "../../../local/services/butler";
import { type CardValue, formatCard, rewriteFits } from "../../../workloads/src/lib/fits";
import { testFolder } from "../../support/network";

const folder = testFolder("fits");
afterAll(() => folder.remove());

const instrument = instrumentNamed("LSSTComCam");
const exposure = exposureOf(instrument, "20260603", 7);
const { fits: plain } = filesOf(exposure, instrument.detectors[0]!);

type Unit = { cards: [string, CardValue, string][]; data: string | null };
async function readByAstropy(files: readonly Buffer[]): Promise<Unit[][]> {
  const paths = files.map((file, index) => {
    const path = join(folder.dir, `${index}.fits`);
    writeFileSync(path, file);
    return path;
  });
  const words = [resolve(__dirname, "read_fits.py"), ...paths];
  const { stdout } = await promisify(execFile)(await ensureButlerPython(), words, { maxBuffer: 64 << 20 });
  const units = JSON.parse(stdout) as Record<string, Unit[]>;
  return paths.map((path) => units[path]!);
}
const valuesOf = ({ cards }: Unit) => Object.fromEntries(cards.map(([keyword, value]) => [keyword, value]));

/** A primary header alone, of the cards given and as many of `FILL…` as wanted. */
function primaryOf(cards: readonly string[], fill: number): Buffer {
  const head = [formatCard(["SIMPLE", true]), formatCard(["BITPIX", 8]), formatCard(["NAXIS", 0])];
  const filling = Array.from({ length: fill }, (_, index) => formatCard([`FILL${index}`, index]));
  const text = [...head, ...cards.map((card) => card.padEnd(80)), ...filling, "END".padEnd(80)].join("");
  return Buffer.from(text.padEnd(Math.ceil(text.length / 2880) * 2880), "latin1");
}

describe("rewriteFits", () => {
  it("changes what it is told and nothing else, whatever the values and however full the header: astropy reads it", async () => {
    const keyword = fc.stringMatching(/^[A-Z][A-Z0-9]{1,7}$/).filter((word) => !/^(END|NAXIS|SIMPLE|BITPIX|EXTEND|FILL|XTENS|[PG]COUNT|BSCALE|BZERO|BLANK|BLOCKED|EXTVER|INHERIT|CONTINUE|COMMENT|HISTORY|HIERARCH|DATASUM|CHECKSUM|GROUPS|BUNIT|C[DRTUP]|PC|W|L[OA]N|EQUI|RADE|DATE|MJD|TIME|T[A-Z]*\d)/.test(word)); // prettier-ignore
    const text = fc.stringMatching(/^[ -~]{0,30}$/).map((value) => value.trimEnd());
    const value = fc.oneof(text, fc.integer(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((one) => one || 0)); // prettier-ignore
    const values = fc.dictionary(keyword, value, { maxKeys: 40 }).map((found) => ({ ...found }));
    const cases = fc.sample(fc.tuple(values, fc.integer({ min: 0, max: 110 }), values), { numRuns: 60, seed: 7 });
    const files = cases.map(([before, fill, changes]) =>
      rewriteFits(
        primaryOf(
          Object.entries(before).map(([name, one]) => formatCard([name, one, "was there"])),
          fill,
        ),
        changes,
      ),
    );
    const read = await readByAstropy([...files, plain, rewriteFits(plain, { OBSID: "it's another", SEQNUM: 9, EXTNAME: "other", NEW: 1.5 })]); // prettier-ignore
    const [before, after] = read.slice(-2) as [Unit[], Unit[]];
    cases.forEach(([own, fill, changes], index) => {
      const [unit] = read[index]!;
      expect(files[index]!.length % 2880).toBe(0);
      expect(valuesOf(unit!)).toMatchObject({ ...own, ...changes });
      expect(unit!.cards.length).toBe(3 + fill + new Set([...Object.keys(own), ...Object.keys(changes)]).size);
      for (const [name, , comment] of unit!.cards) if (name in own && name in changes && comment !== "") expect(comment).toBe("was there"); // prettier-ignore
    });
    const expected = { ...valuesOf(before[0]!), OBSID: "it's another", SEQNUM: 9, EXTNAME: "other", NEW: 1.5 };
    expect(valuesOf(after[0]!)).toEqual(expected);
    expect(after[0]!.cards.find(([name]) => name === "OBSID")![2]).toBe("name of this exposure");
    expect(after[1]).toEqual({ ...before[1], cards: before[1]!.cards.map(([name, own, about]) => [name, name === "EXTNAME" ? "other" : own, about]) }); // prettier-ignore
  });

  it("drops the sum over a header that changed, and what went on in the next cards", async () => {
    const long = [
      "LONG    = 'begins here and goes on in&'",
      "CONTINUE  ' the next card'",
      "CHECKSUM= 'hcHjjc9ghcEghc9g'",
    ];
    const file = primaryOf(long, 1);
    const [[unit]] = (await readByAstropy([rewriteFits(file, { LONG: "short" })])) as [Unit[]];
    expect(unit!.cards.map(([name, value]) => [name, value])).toEqual([
      ["SIMPLE", true],
      ["BITPIX", 8],
      ["NAXIS", 0],
      ["LONG", "short"],
      ["FILL0", 0],
    ]);
    expect(rewriteFits(file, {})).toEqual(file);
    expect(rewriteFits(file, { FILL0: 0 })).toEqual(file);
  });

  it("refuses what is no whole FITS file", () => {
    expect(() => rewriteFits(Buffer.alloc(0), {})).toThrow("it is empty");
    expect(() => rewriteFits(Buffer.from("{}".padEnd(2880)), {})).toThrow("its HDU 0 does not begin with SIMPLE");
    expect(() => rewriteFits(plain.subarray(0, 2880), {})).toThrow("the header of its HDU 0 has no END");
    expect(() => rewriteFits(plain.subarray(0, plain.length - 2880), {})).toThrow(
      `it ends within its HDU 1: ${plain.length - 2880} of ${plain.length} bytes`,
    );
    expect(() => rewriteFits(plain, { NAME: "ü" })).toThrow('NAME="ü": a FITS value is printable ASCII.');
  });
});
