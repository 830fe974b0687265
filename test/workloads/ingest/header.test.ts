import { makeFits } from "../../../local/camera/fits";
import { objectUri } from "../../../workloads/src/lib/butler/butler";
import { readFitsHeader } from "../../../workloads/src/lib/fits";
import { groupKey } from "../../../workloads/src/ingest/groups";
import { parseSidecar } from "../../../workloads/src/lib/sidecar";

const cards = (...lines: string[]) =>
  Buffer.from(["SIMPLE  =                    T", ...lines, "END"].map((line) => line.padEnd(80)).join(""));

describe("FITS header", () => {
  it("reads what the camera writes", () => {
    const image = { name: "Segment00", width: 2, height: 2, pixels: new Uint16Array(4) };
    const fits = makeFits(
      [
        ["INSTRUME", "LSSTCam"],
        ["SEQNUM", 258],
        ["EXPTIME", 30.5],
        ["SIMULATE", true],
      ],
      image,
    );
    expect(readFitsHeader(fits)).toMatchObject({ INSTRUME: "LSSTCam", SEQNUM: 258, EXPTIME: 30.5, SIMULATE: true });
  });
  it.each([
    { about: "quotes", lines: ["OBJECT  = 'O''Neill  '  / a name"], expected: { OBJECT: "O'Neill" } },
    { about: "a slash inside quotes", lines: ["FILTER  = 'r/i     '"], expected: { FILTER: "r/i" } },
    { about: "CONTINUE", lines: ["PROGRAM = 'one &'", "CONTINUE  'and two'"], expected: { PROGRAM: "one and two" } },
    { about: "HIERARCH", lines: ["HIERARCH ESO INS ID = 'x'"], expected: { "ESO INS ID": "x" } },
    { about: "D exponents", lines: ["MJD     = 6.1D4"], expected: { MJD: 61_000 } },
    { about: "no value", lines: ["RA      =                      / undefined"], expected: { RA: null } },
    { about: "comments", lines: ["COMMENT = 'not a value'", "HISTORY x"], expected: {} },
    { about: "the first of two", lines: ["A       = 1", "A       = 2"], expected: { A: 1 } },
  ])("reads $about", ({ lines, expected, about }) => {
    const header = readFitsHeader(cards(...lines))!;
    expect(header).toMatchObject(expected);
    if (about === "comments") expect(header).not.toHaveProperty("HISTORY");
  });
  it("tells an unfinished header from something else", () => {
    expect(readFitsHeader(cards("A       = 1").subarray(0, 160))).toBeUndefined();
    expect(() => readFitsHeader(Buffer.from("not a FITS file"))).toThrow("it does not begin with SIMPLE");
  });
});

describe("sidecar", () => {
  it("takes NaN and Infinity, which Python writes, as nothing, and leaves text alone", () => {
    expect(parseSidecar('{"A": NaN, "B": [-Infinity, 1], "C": "x: NaN, y"}')).toEqual({
      A: null,
      B: [null, 1],
      C: "x: NaN, y",
    });
  });
  it.each(["[]", "null", "3", "{", ""])("refuses %p", (text) => expect(() => parseSidecar(text)).toThrow());
});

describe("GROUP key", () => {
  const header = { INSTRUME: "lsstCam", GROUPID: "g", CURINDEX: 1, RAFTBAY: "R22", CCDSLOT: "S11" };
  it.each([
    ["LSST_CAM spelt otherwise", { ...header, INSTRUME: "COMCAM" }, "GROUP:LSSTComCam:g:0:R22_S11"],
    ["the second snap", { ...header, CURINDEX: "2" }, "GROUP:LSSTCam:g:1:R22_S11"],
    ["an unknown instrument", { ...header, INSTRUME: "LSST-TS8" }, "GROUP:LSST-TS8:g:0:R22_S11"],
    ["no group", { ...header, GROUPID: "" }, undefined],
    ["no raft", { ...header, RAFTBAY: undefined }, { missing: ["RAFTBAY"] }],
    ["no index", { ...header, CURINDEX: "first" }, { missing: ["CURINDEX"] }],
  ])("%s", (_about, given, expected) => expect(groupKey(given)).toEqual(expected));
});

it("quotes what a URI gives a meaning, and nothing else", () => {
  expect(objectUri("embargo@rubin-summit/a b#1?x=100%&é+.fits")).toBe(
    "s3://embargo@rubin-summit/a%20b%231%3Fx=100%25&%C3%A9+.fits",
  );
  expect(objectUri("rubinobs-lfa-cp/FiberSpectrograph:1/x.fits")).toBe(
    "s3://rubinobs-lfa-cp/FiberSpectrograph:1/x.fits",
  );
});
