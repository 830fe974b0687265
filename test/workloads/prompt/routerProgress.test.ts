import { Progress } from "../../../workloads/src/notification-router/progress";

const at = (nextOffset: bigint, partition = 0) => ({ topic: "t", partition, nextOffset });

test("an offset is told once everything before it is done, in whatever order batches end", () => {
  const progress = new Progress();
  const batches = [0n, 10n, 20n].map((offset) => progress.begin("t", 0, offset, offset + 10n, 40n));
  const other = progress.begin("t", 1, 5n, 6n, 6n);
  batches[1]!.open();
  for (const batch of batches) batch.close();
  expect(progress.commitable).toEqual([at(10n)]);
  expect(progress.lag).toBe(30 + 1);
  other.close();
  batches[1]!.close();
  expect(progress.commitable).toEqual([at(30n), at(6n, 1)]);
  progress.committed([at(10n), at(6n, 1)]);
  expect(progress.commitable).toEqual([at(30n)]);
  progress.committed([at(30n)]);
  expect(progress.commitable).toEqual([]);
  expect(progress.lag).toBe(10);
});

test("what was begun before partitions were shared out anew is never told", () => {
  const progress = new Progress();
  const before = progress.begin("t", 0, 0n, 10n, 10n);
  progress.clear();
  const after = progress.begin("t", 0, 0n, 5n, 10n);
  before.close();
  expect(progress.commitable).toEqual([]);
  after.close();
  expect(progress.commitable).toEqual([at(5n)]);
});
