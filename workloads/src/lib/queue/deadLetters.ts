import type { Redis } from "ioredis";
import { redisKey } from "../redisKeys";
import { scriptsOf, unqueuedDeadLimit } from "./scripts";

/** An object that a person must look at. */
export interface DeadLetter {
  readonly path: string;
  readonly code: string;
  readonly reason: string;
  readonly attempts: number;
  /** First failure and end, ms since 1970. */
  readonly sinceMs: number;
  readonly deadMs: number;
}

/** Dead letters of a bucket, in no order, in bounded memory. */
export async function* deadLetters(redis: Redis, bucket: string): AsyncGenerator<DeadLetter> {
  let cursor = "0";
  do {
    const [next, flat] = await redis.hscan(redisKey.dead(bucket), cursor, "COUNT", 500);
    cursor = next;
    for (let i = 0; i < flat.length; i += 2)
      yield { path: flat[i]!, ...(JSON.parse(flat[i + 1]!) as Omit<DeadLetter, "path">) };
  } while (cursor !== "0");
}

export function countDead(redis: Redis, bucket: string): Promise<number> {
  return redis.hlen(redisKey.dead(bucket));
}

/**
 * Makes dead letters of objects that never reached the queue (unknown bucket, unreadable path). A bucket that nobody
 * ingests must not fill Redis: past `limit` (default 100,000) they are not kept. The objects stay in the bucket, where
 * reconcile finds them once it has an ingester.
 * @returns how many were not kept.
 */
export async function buryObjects(
  redis: Redis,
  bucket: string,
  items: readonly { path: string; code: string; reason: string }[],
  limit = unqueuedDeadLimit,
): Promise<number> {
  if (items.length === 0) return 0;
  return (await scriptsOf(redis).bury(redisKey.dead(bucket), Date.now(), limit, JSON.stringify(items))) as number;
}

/** Puts dead letters back, first in the queue, as if they had never failed. @returns those that were there. */
export async function reviveDead(redis: Redis, bucket: string, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const keys = [redisKey.dead(bucket), redisKey.queue(bucket), redisKey.followUp(bucket)];
  return (await scriptsOf(redis).revive(...keys, Date.now(), ...paths)) as string[];
}

/** Forgets dead letters for good. @returns how many were there. */
export async function dropDead(redis: Redis, bucket: string, paths: readonly string[]): Promise<number> {
  return paths.length === 0 ? 0 : redis.hdel(redisKey.dead(bucket), ...paths);
}
