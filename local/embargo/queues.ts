import Table from "cli-table3";
import type { Redis } from "ioredis";
import {
  type BucketState,
  bucketsInUse,
  bucketState,
  type DeadLetter,
  deadLetters,
  dropDead,
  reviveDead,
} from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { CommandError, exitCodes } from "../exit";
import { type EmbargoOptions, withRedis } from "./connection";

/** Dead letters that one call of a script handles. */
const chunk = 1_000;

export async function showQueues(options: EmbargoOptions): Promise<void> {
  await withRedis(options, async (redis) => {
    const buckets = options.bucket === undefined ? await bucketsInUse(redis) : [options.bucket];
    const states = await Promise.all(buckets.map((bucket) => bucketState(redis, bucket)));
    const rejected = await redis.llen(redisKey.rejected);
    if (options.json) return print({ buckets: states, rejected });
    if (states.length === 0) return line("No bucket has been heard of yet.");
    line(table(states));
    if (rejected > 0) line(`${rejected} notifications could not be read: usdf embargo rejected`);
  });
}

function table(states: readonly BucketState[]): string {
  const rows = new Table({
    head: ["bucket", "queued", "oldest", "in hand", "retry", "dead", "follow-ups", "pods"],
    style: plain,
  });
  for (const state of states) {
    const held = state.workers.reduce((sum, worker) => sum + worker.held, 0);
    const pods = state.workers.map(({ pod, leased }) => (leased ? pod : `${pod} (lost)`)).join(", ");
    const oldest = state.queued > 0 ? `${Math.round(state.oldestQueuedSeconds)} s` : "";
    rows.push([state.bucket, state.queued, oldest, held, state.retrying, state.dead, state.followUps, pods]);
  }
  return rows.toString();
}

export async function listDead(options: EmbargoOptions & { code?: string; limit: string }): Promise<void> {
  const limit = positive("--limit", options.limit);
  await withRedis(options, async (redis, known) => {
    const letters: (DeadLetter & { bucket: string })[] = [];
    for await (const letter of dead(redis, options.bucket ?? known, options.code)) {
      letters.push(letter);
      if (letters.length === limit) break;
    }
    if (options.json) return print({ dead: letters });
    for (const { path, code, attempts, deadMs, reason } of letters) {
      line(`${path}\n  ${code}, ${attempts} attempts, since ${new Date(deadMs).toISOString()}\n  ${reason}`);
    }
    line(letters.length === limit ? `… the first ${limit}; more with --limit` : `${letters.length} dead letters`);
  });
}

export async function handleDead(
  action: "retry" | "drop",
  paths: readonly string[],
  options: EmbargoOptions & { all?: boolean; code?: string },
): Promise<void> {
  if (paths.length === 0 && !options.all && options.code === undefined) {
    throw new CommandError(
      `Which ones? Give paths, --code or --all: usdf embargo dead ${action} --all`,
      exitCodes.usage,
    );
  }
  await withRedis(options, async (redis, known) => {
    const wanted = new Map<string, string[]>();
    const named = new Set(paths.map((path) => path.replace(/^s3:\/\//, "")));
    for await (const { bucket, path } of dead(redis, options.bucket ?? known, options.code)) {
      if (named.size > 0 && !named.has(path)) continue;
      const list = wanted.get(bucket) ?? [];
      list.push(path);
      wanted.set(bucket, list);
    }
    const done: string[] = [];
    for (const [bucket, list] of wanted) {
      for (let first = 0; first < list.length; first += chunk) {
        const part = list.slice(first, first + chunk);
        if (action === "retry") done.push(...(await reviveDead(redis, bucket, part)));
        else if ((await dropDead(redis, bucket, part)) > 0) done.push(...part);
      }
    }
    const found = new Set(done);
    const missing = [...named].filter((path) => !found.has(path));
    if (options.json) print({ [action === "retry" ? "retried" : "dropped"]: done, missing });
    else {
      line(`${done.length} dead letters ${action === "retry" ? "are queued again" : "dropped"}`);
      for (const path of missing) line(`No dead letter: ${path}`);
    }
    if (missing.length > 0) process.exitCode = exitCodes.failed;
  });
}

export async function listRejected(options: EmbargoOptions & { limit: string }): Promise<void> {
  const limit = positive("--limit", options.limit);
  await withRedis(options, async (redis) => {
    const entries = (await redis.lrange(redisKey.rejected, 0, limit - 1)).map(
      (text) => JSON.parse(text) as { atMs: number; source: string; reason: string; text: string },
    );
    if (options.json) return print({ rejected: entries });
    for (const { atMs, source, reason, text } of entries) {
      line(`${new Date(atMs).toISOString()} ${source}: ${reason}\n  ${text.slice(0, 200)}`);
    }
    line(`${entries.length} rejected notifications`);
  });
}

async function* dead(
  redis: Redis,
  bucket: string | undefined,
  code: string | undefined,
): AsyncGenerator<DeadLetter & { bucket: string }> {
  for (const name of bucket === undefined ? await bucketsInUse(redis) : [bucket]) {
    for await (const letter of deadLetters(redis, name)) {
      if (code === undefined || letter.code === code) yield { bucket: name, ...letter };
    }
  }
}

const plain = { head: [], border: [] };

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new CommandError(`${name} ${text} is not a number above 0.`, exitCodes.usage);
  return value;
}

const line = (text: string) => console.log(text);
const print = (value: unknown) => console.log(JSON.stringify(value, null, 2));
