import type { Redis } from "ioredis";

/** Kinds of statistics that are kept by day of observation in a hash of one bucket and instrument. */
export const statisticKinds = ["RECINSTR", "INGEST", "FAIL", "LATENCY"] as const;
export type StatisticKind = (typeof statisticKinds)[number];

/** A hash of statistics. */
export interface StatisticKey {
  readonly key: string;
  readonly kind: StatisticKind;
  readonly bucket: string;
  readonly instrument: string;
}

/** What one walk over the keys of the Redis finds. */
export interface Census {
  /** Buckets that anything is known of, sorted. */
  readonly buckets: readonly string[];
  readonly statistics: readonly StatisticKey[];
}

const bucketKey = /^(?:QUEUE|RETRY|DEAD|REC|FOLLOWUP):(.+)$/;
const statisticKey = new RegExp(`^(${statisticKinds.join("|")}):(.+)$`);

/**
 * Walks over all keys in small steps (SCAN): cost grows with their number, so ask about once a minute.
 * @param visit - Sees the keys of each step, for work that needs all of them.
 */
export async function takeCensus(redis: Redis, visit?: (keys: string[]) => Promise<void>): Promise<Census> {
  const buckets = new Set<string>();
  const found = new Map<string, { kind: StatisticKind; rest: string }>();
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    for (const key of keys) {
      const bucket = bucketKey.exec(key)?.[1];
      if (bucket !== undefined) buckets.add(bucket);
      const statistic = statisticKey.exec(key);
      if (statistic) found.set(key, { kind: statistic[1] as StatisticKind, rest: statistic[2] as string });
    }
    await visit?.(keys);
  } while (cursor !== "0");
  const statistics = [...found].flatMap(([key, { kind, rest }]) => {
    const split = splitBucket(rest, buckets);
    return split ? [{ key, kind, ...split }] : [];
  });
  return { buckets: [...buckets].sort(), statistics };
}

/**
 * Splits `<bucket>:<instrument>`. Both may hold colons (tenant `rubin:bucket`, instrument `FiberSpectrograph:1/…`), so
 * the longest known bucket decides; with none known, the first colon.
 */
export function splitBucket(
  rest: string,
  buckets: ReadonlySet<string>,
): { bucket: string; instrument: string } | undefined {
  for (let colon = rest.lastIndexOf(":"); colon > 0; colon = rest.lastIndexOf(":", colon - 1)) {
    const bucket = rest.slice(0, colon);
    if (buckets.has(bucket)) return { bucket, instrument: rest.slice(colon + 1) };
  }
  const colon = rest.indexOf(":");
  return colon > 0 ? { bucket: rest.slice(0, colon), instrument: rest.slice(colon + 1) } : undefined;
}
