import type { Redis } from "ioredis";
import pRetry from "p-retry";
import { hasCanaryName } from "../lib/canary";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { isLfa, type ObjectPath, parseObjectPath } from "../lib/objectPath";
import { buryObjects, enqueueObjects } from "../lib/queue";
import { redisKey } from "../lib/redisKeys";
import { type Butler, objectUri } from "../lib/butler/butler";
import type { ObjectInfo, ObjectStore } from "../lib/objectStore";
import { pendingPaths } from "./snapshot";

export interface ReconcileSettings {
  /** `[profile@]bucket`, as enqueue names it. */
  readonly bucket: string;
  /** Objects to compare, as DATASET_REGEXP takes them. */
  readonly dataset: RegExp;
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string;
  /** Only objects of this dayObs (`YYYYMMDD`) and later. Default: all. */
  readonly sinceDayObs?: string;
  /** Only objects at least so old, ms: the notification of a younger one may be on its way. */
  readonly minAgeMs: number;
  /** Count and list, change nothing. */
  readonly dryRun: boolean;
  readonly dedupeSeconds?: number;
}

export interface ReconcileParts {
  readonly redis: Redis;
  readonly store: Pick<ObjectStore, "list" | "folders">;
  readonly butler: Pick<Butler, "known">;
  readonly log: Logger;
  /** Told of each object that was missed. */
  readonly onMissed?: (path: string) => void;
  readonly onPage?: (report: ReconcileReport) => void;
  readonly stop?: AbortSignal;
}

/** What a run found; all but `pages` and `seconds` count objects. */
export interface ReconcileReport {
  bucket: string;
  dryRun: boolean;
  pages: number;
  listed: number;
  /** Taken by DATASET_REGEXP and the limits of the run. */
  compared: number;
  /** Too young to be missed. */
  young: number;
  /** Queued, in hand, waiting for a retry, or dead. */
  pending: number;
  ingestedByRedis: number;
  ingestedByButler: number;
  /** Names that break the path grammar: dead letters now. */
  unreadable: number;
  missed: number;
  /** Missed objects that were queued. */
  queued: number;
  seconds: number;
}

/**
 * Lists a bucket and queues what no notification told of. Memory holds a page of the listing and 16 bytes for each object
 * that is pending. Running it twice, or while others ingest, is harmless.
 */
export async function reconcile(parts: ReconcileParts, settings: ReconcileSettings): Promise<ReconcileReport> {
  const { redis, onPage, stop, log } = parts;
  const started = performance.now();
  const pending = await pendingPaths(redis, settings.bucket);
  log.info({ bucket: settings.bucket, pending: pending.size }, "Snapshot of pending objects");
  const report: ReconcileReport = {
    ...{ bucket: settings.bucket, dryRun: settings.dryRun, pages: 0, listed: 0, compared: 0, young: 0, pending: 0 },
    ...{ ingestedByRedis: 0, ingestedByButler: 0, unreadable: 0, missed: 0, queued: 0, seconds: 0 },
  };
  for await (const page of pages(parts.store, settings)) {
    stop?.throwIfAborted();
    report.pages++;
    report.listed += page.length;
    const objects = await readable(parts, settings, page, report);
    const waiting = objects.filter(({ object }) => !pending.has(object.path));
    report.pending += objects.length - waiting.length;
    const missed = await unknown(parts, waiting, report);
    for (const { object } of missed) parts.onMissed?.(object.path);
    report.missed += missed.length;
    if (!settings.dryRun) {
      const records = missed.map(({ object, info }) => ({ object, identity: `${info.eTag}//` }));
      const queued = await enqueueObjects(redis, records, { force: true, dedupeSeconds: settings.dedupeSeconds });
      report.queued += queued.filter(Boolean).length;
    }
    report.seconds = (performance.now() - started) / 1000;
    onPage?.(report);
  }
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

interface Found {
  readonly object: ObjectPath;
  readonly info: ObjectInfo;
}

/** Pages of the listing. With a first dayObs, each instrument's listing starts there: years before are not even listed. */
async function* pages(
  store: ReconcileParts["store"],
  { bucket, prefix = "", sinceDayObs }: ReconcileSettings,
): AsyncGenerator<ObjectInfo[]> {
  if (sinceDayObs === undefined || prefix !== "" || isLfa(bucket)) return yield* store.list(prefix);
  for (const folder of await store.folders()) yield* store.list(folder, `${folder}${sinceDayObs}`);
}

/** Objects of a page that the run compares, with their paths read. */
async function readable(
  { redis, log }: ReconcileParts,
  settings: ReconcileSettings,
  page: readonly ObjectInfo[],
  report: ReconcileReport,
): Promise<Found[]> {
  const youngest = Date.now() - settings.minAgeMs;
  const found: Found[] = [];
  const unreadable: { path: string; code: string; reason: string }[] = [];
  for (const info of page) {
    const path = `${settings.bucket}/${info.key}`;
    if (!settings.dataset.test(path)) continue;
    try {
      const object = parseObjectPath(path);
      if (settings.sinceDayObs !== undefined && object.dayObs < settings.sinceDayObs) continue;
      if (hasCanaryName(object)) continue; // the Butler never has it, and `usdf verify` removes it
      report.compared++;
      if (info.lastModifiedMs > youngest) report.young++;
      else found.push({ object, info });
    } catch (error) {
      report.compared++;
      report.unreadable++;
      unreadable.push({ path, code: "OBJECT_PATH", reason: messageOf(error) });
      log.warn({ path, reason: messageOf(error) }, "Unreadable path");
    }
  }
  if (!settings.dryRun) await buryObjects(redis, settings.bucket, unreadable);
  return found;
}

/** Those that neither Redis nor the Butler knows as ingested. */
async function unknown(
  { redis, butler }: ReconcileParts,
  found: readonly Found[],
  report: ReconcileReport,
): Promise<Found[]> {
  if (found.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { object } of found) pipeline.hexists(redisKey.file(object.path), "ingest_time");
  const answers = (await pipeline.exec()) ?? [];
  const unsure = found.filter((_, i) => {
    const [error, value] = answers[i] ?? [new Error("Redis gave no answer")];
    if (error) throw error;
    return value !== 1;
  });
  report.ingestedByRedis += found.length - unsure.length;
  if (unsure.length === 0) return [];
  const uris = unsure.map(({ object }) => objectUri(object.path));
  const known = await pRetry(() => butler.known(uris), { retries: 4, minTimeout: 500, randomize: true });
  const missed = unsure.filter((_, i) => known[i] !== true);
  report.ingestedByButler += unsure.length - missed.length;
  return missed;
}
