import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { messageOf } from "../errors";
import { fieldsOf, letterFields, type Stage } from "./deadLetters";
import { promptKey } from "./keys";
import { scriptsOf } from "./scripts";
import { type NextVisit, visitFields } from "./visit";

/** A stream and its group of workers. */
export interface StreamGroup {
  readonly stream: string;
  readonly consumerGroup: string;
}

/** An entry of a stream: one (visit, detector). */
export interface StreamEntry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the hash `visit:…` keeps. */
export interface AnnouncedVisit {
  /** Of all fields that workers get. */
  readonly digest: string;
  /** TAI seconds since 1970. */
  readonly sndStamp: number;
  readonly survey: string;
  /** Number of entries. */
  readonly detectors: number;
  /** With the ids of its entries; none where messages are posted. */
  readonly stream?: string;
  readonly firstId?: string;
  readonly lastId?: string;
  /** ISO 8601. */
  readonly at: string;
}

/** How long an announced visit is known, seconds. */
export const visitLifetimeSeconds = 604_800;

/** Whether a visit is in the stream now: `older` is one that was announced anew since, `full` is to be tried again. */
export type AddOutcome = "added" | "replaced" | "repeat" | "older" | "full";

export interface AddedVisit {
  readonly outcome: AddOutcome;
  /** Ids of the visit's entries; empty when full. */
  readonly firstId: string;
  readonly lastId: string;
  /** Entries of the stream now. */
  readonly entries: number;
}

/**
 * Puts a visit into a stream, an entry for each detector, in one step that is durable when this returns. Any repeat of it
 * changes nothing; a visit of the same group with other fields takes its place when it was sent later.
 * @param maxEntries - The stream takes no visit that would make it longer.
 */
export async function addVisit(
  redis: Redis,
  target: StreamGroup,
  visit: NextVisit,
  detectors: readonly number[],
  maxEntries: number,
): Promise<AddedVisit> {
  const fields = visitFields(visit);
  const digest = digestOf(visit);
  const [outcome, firstId, lastId, entries] = (await scriptsOf(redis).addVisit(
    target.stream,
    promptKey.visit(visit.instrument, visit.groupId),
    target.consumerGroup,
    digest,
    visit.private_sndStamp,
    visit.survey,
    new Date().toISOString(),
    visitLifetimeSeconds,
    maxEntries,
    fields.length,
    ...fields,
    ...detectors,
  )) as [AddOutcome, string, string, number];
  return { outcome, firstId, lastId, entries };
}

/** Of all fields that workers get. */
export function digestOf(visit: NextVisit): string {
  return createHash("sha256")
    .update(JSON.stringify(visitFields(visit)))
    .digest("base64url");
}

/** What is known of a group; undefined when nobody announced it. */
export async function announcedVisit(
  redis: Redis,
  instrument: string,
  group: string,
): Promise<AnnouncedVisit | undefined> {
  const fields = await redis.hgetall(promptKey.visit(instrument, group));
  if (fields.digest === undefined) return undefined;
  return {
    ...(fields as unknown as AnnouncedVisit),
    sndStamp: Number(fields.sndStamp),
    detectors: Number(fields.detectors),
  };
}

/** Makes stream and group where they are missing; the group begins with the first entry that there is. */
export async function ensureGroup(redis: Redis, { stream, consumerGroup }: StreamGroup): Promise<void> {
  try {
    await redis.xgroup("CREATE", stream, consumerGroup, "0", "MKSTREAM");
  } catch (error) {
    if (!messageOf(error).startsWith("BUSYGROUP")) throw error;
  }
}

/** Whether Redis says that a stream or its group is missing: {@link ensureGroup}, and try again. */
export const isGroupMissing = (error: unknown) => messageOf(error).startsWith("NOGROUP");

/**
 * Removes what every group has read and none has pending.
 * @returns how many entries were removed, and are left.
 */
export async function trimStream(redis: Redis, stream: string): Promise<{ removed: number; left: number }> {
  const [removed, left] = (await scriptsOf(redis).trim(stream)) as [number, number];
  return { removed, left };
}

export interface PutBackOptions {
  readonly stage: Stage;
  /** Why it is given back; the dead letter's, if it comes to that. */
  readonly code: string;
  readonly reason: string;
  /** Only if this consumer still holds it. */
  readonly consumer?: string;
  /** Only if nobody gave a sign of it for so long. Default 0. */
  readonly minIdleMs?: number;
  /** Whether the attempt counts; false for one that never began. Default true. */
  readonly countsAttempt?: boolean;
  /** After so many the entry becomes a dead letter. */
  readonly maxAttempts: number;
}

export interface PutBack {
  readonly outcome: "put-back" | "dead" | "not-pending" | "not-ours" | "not-idle" | "gone";
  /** Of the new entry or the dead letter. */
  readonly newId: string;
  /** Number of the new entry's attempt, or of attempts made. */
  readonly attempt: number;
}

/**
 * Ends an attempt at a pending entry: in one step it is acknowledged and, as a new entry with the next attempt's number,
 * at the end of the stream again; or a dead letter when it had all its attempts.
 */
export async function putBack(
  redis: Redis,
  { stream, consumerGroup }: StreamGroup,
  entry: StreamEntry,
  options: PutBackOptions,
): Promise<PutBack> {
  const { stage, code, reason, consumer = "", minIdleMs = 0, countsAttempt = true, maxAttempts } = options;
  const { instrument, groupId, detector } = entry.fields;
  const letter = letterFields({
    stage,
    code,
    reason,
    ...(instrument !== undefined && { instrument }),
    ...(groupId !== undefined && { group: groupId }),
    ...(detector !== undefined && { detector: Number(detector) }),
    source: `${stream}/${entry.id}`,
    payload: Buffer.from(JSON.stringify(entry.fields)),
  });
  const keys = [stream, promptKey.deadLetters];
  const counts = countsAttempt ? "1" : "0";
  const args = [consumerGroup, entry.id, consumer, minIdleMs, counts, maxAttempts, ...letter];
  const answer = await scriptsOf(redis).putBack(...keys, ...args);
  const [outcome, newId, attempt] = answer as [PutBack["outcome"], string, number];
  return { outcome, newId, attempt };
}

/** A pending entry that nobody gave a sign of. */
export interface StaleEntry extends StreamEntry {
  readonly consumer: string;
  readonly idleMs: number;
}

/** Entries pending for longer than `minIdleMs`, oldest first, at most `count`; one that is gone has no fields. */
export async function staleEntries(
  redis: Redis,
  { stream, consumerGroup }: StreamGroup,
  minIdleMs: number,
  count: number,
): Promise<StaleEntry[]> {
  const pending = (await redis.xpending(stream, consumerGroup, "IDLE", minIdleMs, "-", "+", count)) as [string, string, number][]; // prettier-ignore
  return Promise.all(
    pending.map(async ([id, consumer, idleMs]) => {
      const [found] = await redis.xrange(stream, id, id);
      return { id, consumer, idleMs, fields: fieldsOf(found?.[1] ?? []) };
    }),
  );
}

/** Deletes consumers that hold nothing and were not heard of for so long. @returns how many. */
export async function dropIdleConsumers(redis: Redis, target: StreamGroup, minIdleMs: number): Promise<number> {
  return (await scriptsOf(redis).dropConsumers(target.stream, target.consumerGroup, minIdleMs)) as number;
}

export interface StreamState {
  readonly entries: number;
  /** Entries that the group has not read; undefined where Redis cannot tell, since entries were deleted. */
  readonly lag: number | undefined;
  readonly pending: number;
  readonly consumers: number;
  /** How long the first of the pending entries is without a sign, ms; 0 without any. */
  readonly oldestPendingMs: number;
  /** Id of the first entry; its part before `-` is when it came, ms since 1970. */
  readonly firstId: string | undefined;
}

/** @throws what {@link isGroupMissing} knows when the stream or its group is missing. */
export async function streamState(redis: Redis, { stream, consumerGroup }: StreamGroup): Promise<StreamState> {
  const [entries, groups, first] = await Promise.all([
    redis.xlen(stream),
    redis.xinfo("GROUPS", stream).catch((error: unknown) => {
      if (messageOf(error).startsWith("ERR no such key")) return [];
      throw error;
    }) as Promise<string[][]>,
    redis.xrange(stream, "-", "+", "COUNT", 1),
  ]);
  const group = groups.map(fieldsOf).find(({ name }) => name === consumerGroup);
  if (!group) throw new Error(`NOGROUP stream ${stream} has no group ${consumerGroup}`);
  const [oldest] = (await redis.xpending(stream, consumerGroup, "-", "+", 1)) as [string, string, number][];
  return {
    entries,
    lag: group.lag === null || group.lag === undefined ? undefined : Number(group.lag),
    pending: Number(group.pending),
    consumers: Number(group.consumers),
    oldestPendingMs: oldest?.[2] ?? 0,
    firstId: first[0]?.[0],
  };
}
