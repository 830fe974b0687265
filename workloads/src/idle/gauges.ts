import type { Redis } from "ioredis";
import { Gauge } from "prom-client";
import { dayObsOf } from "../lib/objectPath";
import { bucketState } from "../lib/queue";
import { redisKey } from "../lib/redisKeys";
import type { Census } from "./keys";

const gauge = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
  new Gauge({ name, help, labelNames });

const queued = gauge("usdf_queue_length_objects", "Objects that wait in the queue", "bucket");
const oldest = gauge("usdf_queue_oldest_age_seconds", "Time since the oldest queued object was received", "bucket");
const retrying = gauge("usdf_queue_retrying_objects", "Objects that wait for their next attempt", "bucket");
const dead = gauge("usdf_queue_dead_objects", "Dead letters: objects that a person must look at", "bucket");
const followUps = gauge("usdf_queue_followups", "Work after ingest that is not done yet", "bucket");
const workers = gauge("usdf_queue_workers", "Pods that hold the lease of a worker list", "bucket");
const held = gauge("usdf_queue_held_objects", "Objects that pods work on", "bucket");
const rejected = gauge("usdf_queue_rejected", "Notifications that could not be read (the list keeps 1,000)");
/** Names and labels of the exporter that dashboards of the embargo rack were made for. */
const perDay = ["bucket", "instrument", "obsday", "map_obs_day"] as const;
const statistics = gauge(
  "redis_summit_embargo",
  "Objects by day of observation: RECINSTR received, INGEST ingested, FAIL failed attempts",
  "metric_key_name",
  ...perDay,
);
const latency = gauge(
  "redis_summit_embargo_latency",
  "Seconds from the receipt of the notification to the Butler",
  "latency_type",
  ...perDay,
);
const all = [queued, oldest, retrying, dead, followUps, workers, held, statistics, latency];

/** Days that are published: today and the six before. */
const days = 7;

/** Reads the state of every bucket and publishes it at once. */
export async function publishGauges(
  redis: Redis,
  { buckets, statistics: keys }: Census,
  now = new Date(),
): Promise<void> {
  const states = await Promise.all(buckets.map((bucket) => bucketState(redis, bucket)));
  const rejections = await redis.llen(redisKey.rejected);
  const dayObs = Array.from({ length: days }, (_, ago) => dayObsOf(new Date(now.getTime() - ago * 86_400_000)));
  const readings = await Promise.all(
    keys.map(async (key) => {
      const fields = key.kind === "LATENCY" ? dayObs.flatMap((day) => latencyFields.map((f) => `${day}:${f}`)) : dayObs;
      return { ...key, values: await redis.hmget(key.key, ...fields) };
    }),
  );
  for (const one of all) one.reset(); // after the reading, so that a scrape never meets half of it
  for (const state of states) {
    const { bucket } = state;
    queued.set({ bucket }, state.queued);
    oldest.set({ bucket }, state.oldestQueuedSeconds);
    retrying.set({ bucket }, state.retrying);
    dead.set({ bucket }, state.dead);
    followUps.set({ bucket }, state.followUps);
    workers.set({ bucket }, state.workers.filter((worker) => worker.leased).length);
    held.set(
      { bucket },
      state.workers.reduce((sum, worker) => sum + worker.held, 0),
    );
  }
  rejected.set(rejections);
  for (const { kind, bucket, instrument, values } of readings) {
    dayObs.forEach((obsday, ago) => {
      const labels = { bucket, instrument, obsday, map_obs_day: ago === 0 ? "today" : `today-${ago}` };
      if (kind === "LATENCY") return setLatency(labels, values.slice(ago * latencyFields.length));
      const value = values[ago];
      if (typeof value === "string") statistics.set({ metric_key_name: kind, ...labels }, Number(value));
    });
  }
}

const latencyFields = ["count", "sum", "min", "max"] as const;

function setLatency(labels: Record<(typeof perDay)[number], string>, values: (string | null)[]): void {
  const [count, sum, min, max] = values;
  if (!count || !sum || !min || !max) return;
  latency.set({ latency_type: "min", ...labels }, Number(min));
  latency.set({ latency_type: "max", ...labels }, Number(max));
  latency.set({ latency_type: "avg", ...labels }, Number(sum) / Number(count));
}

const info = new Map<string, Gauge>();

/** Publishes each number that `INFO` tells as `redis_db_info_<field>`. */
export async function publishInfo(redis: Redis): Promise<void> {
  for (const line of (await redis.info()).split("\r\n")) {
    const match = /^([a-z]\w*):(-?\d+(?:\.\d+)?)$/.exec(line);
    if (!match) continue;
    const [, field, value] = match as unknown as [string, string, string];
    let one = info.get(field);
    if (!one) info.set(field, (one = gauge(`redis_db_info_${field}`, `${field} of Redis INFO`)));
    one.set(Number(value));
  }
}
