import type { Redis } from "ioredis";
import { dayObsOf } from "../lib/objectPath";
import { fileLifetimeSeconds } from "../lib/queue";
import { redisKey } from "../lib/redisKeys";
import { type Census, takeCensus } from "./keys";

/**
 * Keeps the Redis small: statistics of days before `lifetimeDays`, and keys that should expire but never got a time to
 * live (older images set none).
 * @param now - The present.
 */
export async function keepHouse(redis: Redis, lifetimeDays: number, now = new Date()): Promise<Census> {
  const oldest = dayObsOf(new Date(now.getTime() - lifetimeDays * 86_400_000));
  const census = await takeCensus(redis, (keys) => limitLifetimes(redis, keys, lifetimeDays));
  const hashes = [...census.statistics.map(({ key }) => key), ...census.buckets.map(redisKey.received)];
  for (const hash of hashes) {
    // a field is `<dayObs>` or `<dayObs>:<what>`; one that is no day can never be told old, so it goes too
    const old = (await redis.hkeys(hash)).filter((field) => !/^\d{8}(:|$)/.test(field) || field.slice(0, 8) < oldest);
    for (let first = 0; first < old.length; first += 500) await redis.hdel(hash, ...old.slice(first, first + 500));
  }
  return census;
}

async function limitLifetimes(redis: Redis, keys: readonly string[], lifetimeDays: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (const key of keys) {
    if (key.startsWith("FILE:")) pipeline.expire(key, fileLifetimeSeconds, "NX");
    if (key.startsWith("MAXSEQ:")) pipeline.expire(key, lifetimeDays * 86_400, "NX");
  }
  if (pipeline.length > 0) await pipeline.exec();
}
