import type { Redis } from "ioredis";
import type { ObjectPath } from "../objectPath";
import { redisKey } from "../redisKeys";
import { rejectedLimit, scriptsOf } from "./scripts";

/** An object to ingest. */
export interface QueueRecord {
  readonly object: ObjectPath;
  /** What tells this PUT of the object from another; see `NotificationRecord.identity`. */
  readonly identity: string;
}

export interface EnqueueOptions {
  /** How long the same notification counts as a duplicate, seconds. Default 7 d. */
  readonly dedupeSeconds?: number;
  /** Queue even what the marker knows (reconcile: the marker says that it was queued once, the Butler that it never arrived). */
  readonly force?: boolean;
}

/** Records that one script call takes, so that Redis is never held for long. */
const chunkSize = 500;

/**
 * Queues objects: marker, push and statistics of a record are one atomic step, durable when this returns.
 * @returns for each record whether it was queued; `false` is a duplicate.
 */
export async function enqueueObjects(
  redis: Redis,
  records: readonly QueueRecord[],
  options: EnqueueOptions = {},
): Promise<boolean[]> {
  const { dedupeSeconds = 604_800, force = false } = options;
  const queued: boolean[] = [];
  for (let first = 0; first < records.length; first += chunkSize) {
    const chunk = records.slice(first, first + chunkSize).map(({ object, identity }) => {
      const seqNum = object.kind === "exposure" && /^\d{1,15}$/.test(object.seqNum) ? Number(object.seqNum) : undefined;
      return {
        path: object.path,
        bucket: object.bucket,
        instrument: object.instrument,
        dayObs: object.dayObs,
        seqNum,
        identity,
      };
    });
    const now = (Date.now() / 1000).toFixed(3);
    const flags = await scriptsOf(redis).enqueue(now, dedupeSeconds, force ? "1" : "0", JSON.stringify(chunk));
    for (const flag of flags as number[]) queued.push(flag === 1);
  }
  return queued;
}

/** A notification, or a part of one, that could not be read. */
export interface RejectedNotification {
  /** Where it came from: `webhook`, or `<kafkaTopic>/<partition>/<offset>`. */
  readonly source: string;
  readonly reason: string;
  /** What was received; the first 2 kB are kept. */
  readonly text: string;
}

/** Notes unreadable notifications where a person finds them: newest first, the newest 1,000. */
export async function reject(redis: Redis, rejected: readonly RejectedNotification[]): Promise<void> {
  if (rejected.length === 0) return;
  const entries = rejected
    .slice(-rejectedLimit)
    .map(({ source, reason, text }) =>
      JSON.stringify({ atMs: Date.now(), source, reason: reason.slice(0, 500), text: text.slice(0, 2_000) }),
    );
  await redis
    .multi()
    .lpush(redisKey.rejected, ...entries)
    .ltrim(redisKey.rejected, 0, rejectedLimit - 1)
    .exec();
}
