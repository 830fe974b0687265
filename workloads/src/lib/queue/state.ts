import type { Redis } from "ioredis";
import { redisKey } from "../redisKeys";
import { registeredWorkers } from "./recovery";

/** What stands in Redis for one bucket. */
export interface BucketState {
  readonly bucket: string;
  readonly queued: number;
  /** Age of the oldest queued object since its receipt, seconds; 0 when there is none. */
  readonly oldestQueuedSeconds: number;
  readonly retrying: number;
  readonly dead: number;
  readonly followUps: number;
  readonly workers: readonly { readonly pod: string; readonly held: number; readonly leased: boolean }[];
}

/** Counts of a bucket; each is O(1) in the length of the queue. */
export async function bucketState(redis: Redis, bucket: string): Promise<BucketState> {
  const [queued, oldest, retrying, dead, followUps, registered] = await Promise.all([
    redis.llen(redisKey.queue(bucket)),
    redis.lindex(redisKey.queue(bucket), -1),
    redis.zcard(redisKey.retry(bucket)),
    redis.hlen(redisKey.dead(bucket)),
    redis.zcard(redisKey.followUp(bucket)),
    registeredWorkers(redis),
  ]);
  const received = oldest === null ? null : await redis.hget(redisKey.file(oldest), "recv_time");
  const workers = await Promise.all(
    registered
      .filter((worker) => worker.bucket === bucket)
      .map(async ({ pod }) => ({
        pod,
        held: await redis.llen(redisKey.worker(bucket, pod)),
        leased: (await redis.exists(redisKey.lease(bucket, pod))) === 1,
      })),
  );
  const oldestQueuedSeconds = received === null ? 0 : Math.max(0, Date.now() / 1000 - Number(received));
  return { bucket, queued, oldestQueuedSeconds, retrying, dead, followUps, workers };
}

/** Buckets that Redis knows anything of: a walk over all keys, so ask seldom. */
export async function bucketsInUse(redis: Redis): Promise<string[]> {
  const found = new Set((await registeredWorkers(redis)).map((worker) => worker.bucket));
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    for (const key of keys) {
      const match = /^(?:QUEUE|RETRY|DEAD|REC|FOLLOWUP):(.+)$/.exec(key);
      if (match) found.add(match[1] as string);
    }
  } while (cursor !== "0");
  return [...found].sort();
}
