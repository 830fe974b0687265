import type { Redis } from "ioredis";
import { promptKey } from "./keys";
import { deadLetterLimit, scriptsOf } from "./scripts";

export type Stage = "fan-out" | "router" | "gateway";

/** What a stage could not process, and why. */
export interface DeadLetter {
  readonly stage: Stage;
  /** Stable name of the reason, e.g. `ENUM_VALUE`. */
  readonly code: string;
  /** Cut at 1,000 characters. */
  readonly reason: string;
  readonly instrument?: string;
  readonly group?: string;
  readonly detector?: number;
  /** Where it came from: `topic/partition/offset`, `stream/id` or the key of an object. Empty: from nowhere. */
  readonly source: string;
  /** What was received; the first 4 kB are kept. */
  readonly payload: Buffer;
  /** Attempts that were made; 0 for what could not be tried. */
  readonly attempts: number;
}

/** One that is kept. */
export interface ParkedLetter extends DeadLetter {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
}

/** Longest reason, characters. */
const reasonLimit = 1_000;
/** Most of a payload, bytes. */
const payloadLimitBytes = 4_096;
/** How long the same source is known to have a dead letter, seconds: a repeat comes within minutes. */
const repeatSeconds = 3_600;

/**
 * Keeps dead letters, durable when this returns; a source that has one already gets no other.
 * @returns how many were new.
 */
export async function parkLetters(redis: Redis, letters: readonly DeadLetter[]): Promise<number> {
  const parked = await Promise.allSettled(
    letters.map((letter) => {
      const { stage, source, attempts } = letter;
      const lifetime = source === "" ? 0 : repeatSeconds;
      const fields = ["attempts", attempts, ...letterFields(letter)];
      return scriptsOf(redis).park(promptKey.deadLetters, promptKey.parked(stage, source), lifetime, ...fields);
    }),
  );
  for (const one of parked) if (one.status === "rejected") throw one.reason;
  return parked.filter((one) => one.status === "fulfilled" && one.value !== null).length;
}

/** Names and values of a dead letter's fields, all but `attempts`. */
export function letterFields(letter: Omit<DeadLetter, "attempts">): string[] {
  const { stage, code, reason, instrument, group, detector, source, payload } = letter;
  const fields = {
    stage,
    code,
    reason: reason.slice(0, reasonLimit),
    instrument,
    group,
    detector: detector === undefined ? undefined : String(detector),
    source,
    payload: payload.subarray(0, payloadLimitBytes).toString("base64"),
    at: new Date().toISOString(),
  };
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

/** Dead letters, newest first: at most `count`, of before the id `before`. */
export async function parkedLetters(redis: Redis, { count = 100, before = "" } = {}): Promise<ParkedLetter[]> {
  const found = await redis.xrevrange(promptKey.deadLetters, before === "" ? "+" : `(${before}`, "-", "COUNT", count);
  return found.map(([id, flat]) => parkedLetter(id, flat));
}

function parkedLetter(id: string, flat: readonly string[]): ParkedLetter {
  const fields = fieldsOf(flat);
  const { stage, code = "", reason = "", instrument, group, detector, source = "", payload = "", at = "" } = fields;
  return {
    id,
    stage: stage as Stage,
    code,
    reason,
    ...(instrument !== undefined && { instrument }),
    ...(group !== undefined && { group }),
    ...(detector !== undefined && { detector: Number(detector) }),
    source,
    payload: Buffer.from(payload, "base64"),
    attempts: Number(fields.attempts ?? 0),
    at,
  };
}

/** @returns how many of them were there. */
export async function removeLetters(redis: Redis, ids: readonly string[]): Promise<number> {
  return ids.length === 0 ? 0 : redis.xdel(promptKey.deadLetters, ...ids);
}

/**
 * Gives a dead letter back: an entry to its stream, as a first attempt; what fan-out or router could not read to them, see
 * {@link takeRetries}.
 * @returns id of the new entry; undefined when the letter is gone, is not whole, or is nothing that can be done again.
 */
export async function reviveLetter(redis: Redis, letter: ParkedLetter): Promise<string | undefined> {
  const entry = letter.stage === "gateway" ? entryOf(letter) : retryOf(letter);
  if (!entry) return undefined;
  const marker = promptKey.parked(letter.stage, letter.source);
  const id = await scriptsOf(redis).revive(promptKey.deadLetters, entry.stream, marker, letter.id, ...entry.flat);
  return typeof id === "string" ? id : undefined;
}

function entryOf({ source, payload }: ParkedLetter) {
  let fields: Record<string, string>;
  try {
    fields = JSON.parse(payload.toString()) as Record<string, string>;
  } catch {
    return undefined; // cut short
  }
  const flat = Object.entries(fields).flatMap(([name, value]) => (name === "attempt" ? [] : [name, value]));
  return { stream: source.slice(0, source.lastIndexOf("/")), flat };
}

function retryOf({ stage, source, payload }: ParkedLetter) {
  const isRecord = /^[^/]+\/\d+\/\d+(\/\d+)?$/.test(source);
  if (!isRecord || payload.length === 0 || payload.length >= payloadLimitBytes) return undefined;
  return { stream: promptKey.retries(stage), flat: ["source", source, "payload", payload.toString("base64")] };
}

export interface LetterState {
  readonly count: number;
  /** Since the stream began, those removed since included. */
  readonly added: number;
  /** More would push out the oldest. */
  readonly limit: number;
}

export async function letterState(redis: Redis): Promise<LetterState> {
  if ((await redis.exists(promptKey.deadLetters)) === 0) return { count: 0, added: 0, limit: deadLetterLimit };
  const info = fieldsOf((await redis.xinfo("STREAM", promptKey.deadLetters)) as string[]);
  return { count: Number(info.length), added: Number(info["entries-added"]), limit: deadLetterLimit };
}

/** Flat names and values, as Redis gives the fields of an entry, by name. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) fields[flat[at]!] = flat[at + 1]!;
  return fields;
}
