import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { pythonRegexp, RegexpError } from "../../../workloads/src/lib/pythonRegexp";

/** What Python itself says: for each [pattern, text] the span of the first match, or null; "error" for a bad pattern. */
function python(cases: [string, string][]): (number[] | null | "error")[] {
  const program = `
import json, re, sys
out = []
for pattern, text in json.load(sys.stdin):
    try:
        found = re.search(pattern, text)
        out.append(found and [len(text[:found.start()].encode("utf-16-le")) // 2, len(text[:found.end()].encode("utf-16-le")) // 2])
    except re.error:
        out.append("error")
json.dump(out, sys.stdout)`;
  const input = JSON.stringify(cases);
  return JSON.parse(execFileSync("python3", ["-W", "ignore", "-c", program], { input, encoding: "utf8" }));
}

function ours(pattern: string, text: string): number[] | null | "error" {
  try {
    const found = pythonRegexp(pattern).exec(text);
    return found && [found.index, found.index + found[0].length];
  } catch (error) {
    if (error instanceof RegexpError) return "error";
    throw error;
  }
}

const paths = [
  "embargo@rubin-summit/LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R22_S11.fits",
  "embargo@rubin-summit/LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R00_SG0_guider.fits",
  "embargo@rubin-summit/LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R22_S11.json",
  "rubin-pp-dev/LSSTCam/20260603/MC_O_20260603_000258/é_R22.fits\n",
  "rubin-pp-dev/LSSTCam/२०२६०६०३/ж/ж.fits",
  "rubinobs-lfa-cp/FiberSpectrograph:1/fiberSpecBroad/2024/05/28/x.fits",
  "rubinobs-lfa-cp/GenericCamera/1/2024/05/28/GC1_O_20240528_000123.fits",
  "rubinobs-lfa-cp/GenericCamera/1/2024/05/28/movie.fits",
  "a]b{}-c\n.fits",
  "",
];
const patterns = [
  "fits$",
  "\\.fits$",
  "\\d\\.fits$",
  "LSSTCam/\\d{8}/\\w*/[\\w.]*\\.fits$",
  "(FiberSpectrograph:.*\\.fits$|GenericCamera/.*_\\d{6}\\.fits$)",
  "^embargo@",
  "\\Aembargo.*\\.fits\\Z",
  "(?P<raft>R\\d\\d)_(?P<slot>S\\d\\d)",
  "(?P<d>\\d{8})/.*(?P=d)",
  "(?i)lsstcam.*FITS$",
  "(?s)b.*fits",
  "b.*fits",
  "(?m)^.fits",
  "\\bfits\\b",
  "\\Bits",
  "[]b]{2}",
  "[^]/]+$",
  "[\\w-]+@",
  "[-a]b",
  "a]",
  "{}",
  "{,2}x",
  "\\d{,3}_",
  "[^\\W\\d]+",
  "[\\S]+@",
  "(ab",
  "[ab",
  "\\",
  "\\_\\-\\:",
  "(\\d)\\1",
  "\\x2efits",
  "(?!.*guider).*fits",
];

test("finds exactly what Python's re.search finds, for the patterns of all environments and odd ones", () => {
  const cases = patterns.flatMap((pattern) => paths.map((path) => [pattern, path] as [string, string]));
  expect(cases.map(([pattern, path]) => [pattern, path, ours(pattern, path)])).toEqual(
    python(cases).map((found, index) => [...(cases[index] as [string, string]), found]),
  );
});

test("finds what Python finds, for random patterns and texts", () => {
  const atom = fc.constantFrom(
    ..."ab1_.-/ é²\n".split("").map((char) => char.replace(/[.]/, "\\.")),
    ".",
    "\\w",
    "\\d",
    "\\s",
    "\\W",
    "\\D",
    "\\S",
    "\\b",
    "^",
    "$",
    "[a-b]",
    "[^\\d]",
    "[\\w.]",
    "[\\W_]",
    "[^a\\S]",
  );
  const repeated = fc.tuple(atom, fc.constantFrom("", "", "*", "+", "?", "{2}", "{,2}", "*?")).map(([a, q]) => {
    return /^(\\b|\^|\$)$/.test(a) ? a : a + q;
  });
  const pattern = fc.array(repeated, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(""));
  const textOf = fc
    .array(fc.constantFrom(..."ab1_.-/ é²٣\n\r\u2028\x1c".split("")), { maxLength: 8 })
    .map((chars) => chars.join(""));
  const cases = fc.sample(fc.tuple(pattern, textOf), { numRuns: 4000, seed: 42 });
  const expected = python(cases);
  const wrong = cases.map(([p, t], i) => ({ p, t, ours: ours(p, t), python: expected[i] }));
  expect(wrong.filter((item) => JSON.stringify(item.ours) !== JSON.stringify(item.python))).toEqual([]);
});

test("names the pattern and the reason when it cannot be used", () => {
  expect(() => pythonRegexp("a(?>b)")).toThrow(
    'Cannot use "a(?>b)" as a regular expression: "(?>b" is not supported. Write it as Python\'s re.search would take it.',
  );
  expect(() => pythonRegexp("(?x) a")).toThrow('only the flags i, m, s and u may lead, not "x"');
  expect(() => pythonRegexp("a++")).toThrow("possessive repeats are not supported");
});
