import Table from "cli-table3";
import type { Redis } from "ioredis";
import {
  type AnnouncedVisit,
  fieldsOf,
  letterState,
  parkedLetters,
  promptKey,
  streamState,
  type StreamState,
} from "../../workloads/src/lib/visits";
import { type PromptOptions, withPromptRedis } from "./connection";

/** One consumer group of a stream of visits. */
export interface GroupStatus extends StreamState {
  readonly stream: string;
  readonly consumerGroup: string;
}

/** What prompt processing has in hand. */
export interface PromptStatus {
  readonly groups: readonly GroupStatus[];
  /** Visits announced within the last hours, newest first. */
  readonly visits: readonly (Pick<AnnouncedVisit, "survey" | "detectors" | "at"> & UnitCounts & { visit: string })[];
  readonly deadLetters: number;
  /** Of the newest thousand, by `stage/code`. */
  readonly deadLettersByCode: Readonly<Record<string, number>>;
}

/** How far the detectors of a visit are. What has not begun is in neither. */
export interface UnitCounts {
  readonly done: number;
  readonly committing: number;
}

/** Dead letters that are looked into. */
const lettersShown = 1_000;
/** Keys that one step of a search looks at. */
const scanCount = 1_000;

export async function showStatus(options: PromptOptions & { visits: number }): Promise<void> {
  await withPromptRedis(options, async (redis) => {
    const status = await promptStatus(redis, options.visits);
    if (options.json) return console.log(JSON.stringify(status, undefined, 2));
    if (status.groups.length === 0) return console.log("There is no stream of visits here yet: fan-out makes them.");
    console.log(groupTable(status.groups));
    if (status.visits.length > 0) console.log(visitTable(status.visits));
    const { deadLetters, deadLettersByCode } = status;
    const codes = Object.entries(deadLettersByCode).map(([code, count]) => `${code} ${count}`);
    if (deadLetters > 0)
      console.log(`${deadLetters} dead letters (${codes.join(", ")}): usdf prompt dead-letters list`);
  });
}

/** @param visitsShown - Newest visits that are looked at. */
export async function promptStatus(redis: Redis, visitsShown: number): Promise<PromptStatus> {
  const groups: GroupStatus[] = [];
  for (const stream of (await keysOf(redis, "instrument:*", "stream")).sort()) {
    const found = ((await redis.xinfo("GROUPS", stream)) as string[][]).map((flat) => fieldsOf(flat).name!);
    for (const consumerGroup of found)
      groups.push({ stream, consumerGroup, ...(await streamState(redis, { stream, consumerGroup })) });
  }
  const letters = await parkedLetters(redis, { count: lettersShown });
  const deadLettersByCode: Record<string, number> = {};
  for (const { stage, code } of letters)
    deadLettersByCode[`${stage}/${code}`] = (deadLettersByCode[`${stage}/${code}`] ?? 0) + 1;
  return {
    groups,
    visits: await newestVisits(redis, visitsShown),
    deadLetters: (await letterState(redis)).count,
    deadLettersByCode,
  };
}

async function newestVisits(redis: Redis, count: number): Promise<PromptStatus["visits"]> {
  if (count === 0) return [];
  const keys = await keysOf(redis, promptKey.visit("*", "*"), "hash");
  const all = await Promise.all(
    keys.map(async (key) => {
      const [survey, detectors, at, stream] = await redis.hmget(key, "survey", "detectors", "at", "stream");
      return { key, survey: survey ?? "", detectors: Number(detectors), at: at ?? "", stream: stream ?? "" };
    }),
  );
  const newest = all.sort((one, other) => (one.at < other.at ? 1 : -1)).slice(0, count);
  return Promise.all(
    newest.map(async ({ key, survey, detectors, at }) => {
      const visit = key.slice("visit:".length);
      return { visit, survey, detectors, at, ...(await unitCounts(redis, visit)) };
    }),
  );
}

async function unitCounts(redis: Redis, visit: string): Promise<UnitCounts> {
  const separator = visit.indexOf(":");
  const [instrument, group] = [visit.slice(0, separator), visit.slice(separator + 1)];
  const keys = Array.from({ length: maxDetectors }, (_, detector) => promptKey.unit(instrument, group, detector));
  const counts = { done: 0, committing: 0 };
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.hget(key, "state");
  for (const [error, state] of (await pipeline.exec()) ?? []) {
    if (error) throw error;
    if (state === "done" || state === "committing") counts[state] += 1;
  }
  return counts;
}

/** More than any camera has. */
const maxDetectors = 256;

async function keysOf(redis: Redis, pattern: string, type: string): Promise<string[]> {
  const keys: string[] = [];
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(cursor, "MATCH", pattern, "COUNT", scanCount, "TYPE", type);
    cursor = next;
    keys.push(...found);
  } while (cursor !== "0");
  return [...new Set(keys)];
}

const plain = { head: [], border: [] };

function groupTable(groups: readonly GroupStatus[]): string {
  const rows = new Table({
    head: ["stream", "group", "kept", "waiting", "in hand", "longest silence", "workers"],
    style: plain,
  });
  for (const { stream, consumerGroup, entries, lag, pending, oldestPendingMs, consumers } of groups) {
    const silence = pending > 0 ? `${Math.round(oldestPendingMs / 1000)} s` : "";
    rows.push([stream, consumerGroup, entries, lag ?? "unknown", pending, silence, consumers]);
  }
  return rows.toString();
}

function visitTable(visits: PromptStatus["visits"]): string {
  const rows = new Table({ head: ["visit", "survey", "announced", "detectors", "committed"], style: plain });
  for (const { visit, survey, at, detectors, done, committing } of visits) {
    rows.push([visit, survey, at, detectors, committing > 0 ? `${done} (${committing} committing)` : done]);
  }
  return rows.toString();
}
