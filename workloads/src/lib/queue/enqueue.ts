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
  // Chunks are sent one after the other without waiting, so that the disk is waited for once.
  const chunks: Promise<unknown>[] = [];
  for (let first = 0; first < records.length; first += chunkSize) {
    const args = scriptArguments(records.slice(first, first + chunkSize));
    const now = (Date.now() / 1000).toFixed(3);
    chunks.push(scriptsOf(redis).enqueue(now, dedupeSeconds, force ? "1" : "0", ...args));
  }
  const settled = await Promise.allSettled(chunks); // none is still on its way when the caller hears of a failure
  return settled.flatMap((chunk) => {
    if (chunk.status === "rejected") throw chunk.reason;
    return (chunk.value as number[]).map((flag) => flag === 1);
  });
}

/** Number of groups, groups and records as the script takes them. A NUL inside would shift every field after it. */
function scriptArguments(records: readonly QueueRecord[]): (string | number)[] {
  const groups = new Map<string, number>();
  const header: string[] = [];
  const entries: (string | number)[] = [];
  for (const { object, identity } of records) {
    const { bucket, instrument, dayObs } = object;
    const name = `${bucket}\0${instrument}\0${dayObs}`;
    let group = groups.get(name);
    if (group === undefined) {
      groups.set(name, (group = groups.size + 1));
      header.push(bucket, instrument, dayObs);
    }
    const seqNum = object.kind === "exposure" && /^\d{1,15}$/.test(object.seqNum) ? object.seqNum : "";
    entries.push(group, object.path, identity, seqNum);
  }
  const text = `${entries.join("\0")}\0`;
  if (countNul(text) !== entries.length) throw new Error("A path or identity holds a NUL; their readers refuse it");
  return [groups.size, ...header, text];
}

function countNul(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\0"); at >= 0; at = text.indexOf("\0", at + 1)) count += 1;
  return count;
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
