import fc from "fast-check";
import { Progress } from "../../../workloads/src/fan-out/progress";

const offsets = fc
  .uniqueArray(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 30, size: "max" })
  .map((list) => list.sort((one, other) => one - other));

test("what is done with counts up to the first that is not, in whatever order events end", () => {
  fc.assert(
    fc.property(
      offsets.chain((begun) => fc.tuple(fc.constant(begun), fc.shuffledSubarray(begun))),
      ([begun, ended]) => {
        const progress = new Progress("t", 0);
        expect(progress.isDue).toBe(false);
        for (const offset of begun) expect(progress.begin(BigInt(offset))).toBe(true);
        for (const offset of ended) progress.end(BigInt(offset));
        const open = begun.filter((offset) => !ended.includes(offset));
        const nextOffset = BigInt(open[0] ?? begun.at(-1)! + 1);
        expect(progress.done).toEqual({ topic: "t", partition: 0, nextOffset });
        progress.committed(nextOffset);
        expect(progress.isDue).toBe(false);
      },
    ),
  );
});

test("a batch that comes again begins nothing twice; a partition that ends before it is another one", () => {
  const progress = new Progress("t", 0);
  for (const offset of [5n, 6n]) expect(progress.begin(offset)).toBe(true);
  for (const offset of [5n, 6n]) expect(progress.begin(offset)).toBe(false);
  progress.end(6n);
  expect([progress.isPast(7n), progress.isPast(6n)]).toEqual([false, true]);
});
