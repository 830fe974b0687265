import type { Redis } from "ioredis";
import { redisKey } from "../redisKeys";
import { scriptsOf } from "./scripts";

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

/** Makes dead letters of objects that never reached the queue (unknown bucket, unreadable path). */
export async function buryObjects(
  redis: Redis,
  bucket: string,
  items: readonly { path: string; code: string; reason: string }[],
): Promise<void> {
  if (items.length > 0) await scriptsOf(redis).bury(redisKey.dead(bucket), Date.now(), JSON.stringify(items));
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
