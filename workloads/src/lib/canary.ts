import type { Redis } from "ioredis";
import type { ExposurePath, ObjectPath } from "./objectPath";
import { registeredWorkers } from "./queue";
import { redisKey } from "./redisKeys";

/**
 * A canary: an exposure of one file that `usdf verify` sends the whole way. Ingest takes it into the Butler in a transaction
 * that is rolled back, since an exposure that is known there stays for ever.
 *
 * An object is a canary when its name and its header both say so; ingest refuses one of which only one says so. The day is
 * no epoch that a lost clock falls back to, the controller's letter is no camera's. The header has that letter too, so that
 * an ingest which knows no canaries cannot make an exposure of it: it refuses the header.
 */
export const canary = {
  instrument: "LSSTCam",
  code: "MC",
  controller: "V",
  /** Statistics of this day are of canaries alone. */
  dayObs: "19900101",
  raft: "R22",
  sensor: "S11",
  /** Keyword of the header, and its value. */
  keyword: "CANARY",
  value: "usdf verify",
} as const;

/** Prefix of every canary in a bucket. */
export const canaryPrefix = `${canary.instrument}/${canary.dayObs}/`;

/** `MC_V_19900101_012345`; also the group that presence is asked for. */
export function canaryExpId(seqNum: number): string {
  return `${canary.code}_${canary.controller}_${canary.dayObs}_${String(seqNum).padStart(6, "0")}`;
}

/** Whether an object has the name of a canary. */
export function hasCanaryName(object: ObjectPath): object is ExposurePath {
  return (
    object.kind === "exposure" &&
    object.controller === canary.controller &&
    object.dayObs === canary.dayObs &&
    object.expDayObs === canary.dayObs
  );
}

/**
 * Whether an object is a canary.
 * @returns the reason to refuse it, when name and header do not agree.
 */
export function isCanary(object: ObjectPath, header: Readonly<Record<string, unknown>> = {}): boolean | string {
  const named = hasCanaryName(object);
  const said = header[canary.keyword] !== undefined;
  const meant = header[canary.keyword] === canary.value && header.CONTRLLR === canary.controller;
  if (named && meant && header.OBSID === object.expId) return true;
  if (!named && !said) return false;
  return named
    ? `"${object.path}" has the name of a canary of usdf verify, its header does not say so: nothing was ingested. ` +
        "A camera must not use this name; remove the object"
    : `"${object.path}" has the keyword ${canary.keyword}, its name is none of a canary of usdf verify: nothing was ` +
        "ingested. If it is an exposure, PUT it without the keyword (file and sidecar)";
}

/** Header of a canary as the Butler can read it. */
export function butlerHeader(header: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...header, CONTRLLR: "O" };
}

/** Removes everything that Redis has of a canary, wherever on its way it is, and the statistics of its day. */
export async function forgetCanary(redis: Redis, object: ExposurePath): Promise<void> {
  const { bucket, path, expId, instrument, dayObs } = object;
  const workers = (await registeredWorkers(redis)).filter((worker) => worker.bucket === bucket);
  const steps = redis.multi();
  for (const { pod } of workers) steps.lrem(redisKey.worker(bucket, pod), 0, path);
  steps.lrem(redisKey.queue(bucket), 0, path);
  steps.zrem(redisKey.retry(bucket), path);
  steps.hdel(redisKey.dead(bucket), path);
  for (const key of [
    redisKey.received(bucket),
    redisKey.receivedByInstrument(bucket, instrument),
    redisKey.ingested(bucket, instrument),
    redisKey.failed(bucket, instrument),
  ]) {
    steps.hdel(key, dayObs);
  }
  const latencies = ["count", "sum", "min", "max"].map((name) => `${dayObs}:${name}`);
  steps.hdel(redisKey.latency(bucket, instrument), ...latencies);
  steps.del(
    redisKey.file(path),
    redisKey.enqueued(path),
    redisKey.maxSeqNum(bucket, instrument, dayObs),
    redisKey.group(instrument, expId, 0, `${canary.raft}_${canary.sensor}`),
  );
  for (const [error] of (await steps.exec()) ?? []) if (error) throw error;
}
