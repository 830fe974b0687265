/** Every function, subset, offset and layout against brute force in numpy. */
import { askNumpy, type Case, expectToAgree, type Expected, makeCase, summaryOf } from "./oracleCases";
import { MemoryEfd } from "./oracleClient";
import { originNs } from "./windowStand";

const cases: Case[] = [
  makeCase("a window", 1, 120),
  makeCase("another window", 2, 150),
  makeCase("a record that is read in several parts", 3, 1_100),
  makeCase("every legacy switch", 4, 120, { rms: true, startOffset: true, zeroVisits: true, buckets: true }),
];
let expected: Expected[];

beforeAll(async () => {
  expected = await askNumpy(cases);
});

it.each(cases.map((given, index) => ({ ...given, index })))(
  "agrees with numpy: $about",
  async ({ index, ...given }) => {
    expectToAgree(await summaryOf(given, new MemoryEfd(originNs, given.topics)), expected[index]!);
  },
);
