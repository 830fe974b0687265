import type { Redis } from "ioredis";
import { registeredWorkers } from "../lib/queue";
import { redisKey } from "../lib/redisKeys";
import { PathSet } from "./pathSet";

const chunk = 5_000;

/**
 * Everything of a bucket that is on its way or that a person must look at: queued, in hand, waiting for a retry, dead. Read
 * in the direction in which work moves, so that what moves meanwhile is met twice rather than never; what is missed all the
 * same is queued a second time, which the Butler answers with "already ingested".
 */
export async function pendingPaths(redis: Redis, bucket: string): Promise<PathSet> {
  const paths = new PathSet();
  await addList(redis, redisKey.queue(bucket), paths);
  for (let round = 0; round < 2; round++) {
    for (const worker of await registeredWorkers(redis)) {
      if (worker.bucket === bucket) await addList(redis, redisKey.worker(bucket, worker.pod), paths);
    }
    await scan((cursor) => redis.zscan(redisKey.retry(bucket), cursor, "COUNT", chunk), paths);
  }
  await scan((cursor) => redis.hscan(redisKey.dead(bucket), cursor, "COUNT", chunk), paths);
  for (const path of await redis.lrange(redisKey.queue(bucket), -chunk, -1)) paths.add(path);
  return paths;
}

/** From the left: what is pushed meanwhile shifts the others to the right, so none is passed over. */
async function addList(redis: Redis, key: string, paths: PathSet): Promise<void> {
  for (let first = 0; ; first += chunk) {
    const part = await redis.lrange(key, first, first + chunk - 1);
    for (const path of part) paths.add(path);
    if (part.length < chunk) return;
  }
}

/** Members of a sorted set, or fields of a hash: every second element of a scan's answer. */
async function scan(step: (cursor: string) => Promise<[string, string[]]>, paths: PathSet): Promise<void> {
  let cursor = "0";
  do {
    const [next, flat] = await step(cursor);
    cursor = next;
    for (let i = 0; i < flat.length; i += 2) paths.add(flat[i] as string);
  } while (cursor !== "0");
}
