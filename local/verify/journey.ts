import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { Redis } from "ioredis";
import { messageOf } from "../../workloads/src/lib/errors";
import { connectRedis } from "../../workloads/src/lib/redis";
import { clientOf, reasonOf } from "../camera";
import { type Canary, makeCanary, presencePath } from "./canary";
import { removeCanary, removeLeftovers } from "./clean";
import { explain } from "./explain";
import { type Hop, HopFailed, type Place } from "./place";
import { look } from "./sighting";

/** How one canary fared. */
export interface Journey {
  readonly environment: string;
  /** The canary, `[profile@]bucket/key`; none when the environment could not be reached. */
  readonly canary?: string;
  readonly ok: boolean;
  /** Hops that it got past, in order, each with its time as this machine saw it, ms (looked at every 20 ms). */
  readonly hops: readonly { readonly hop: Hop; readonly ms: number }[];
  readonly totalMs: number;
  /** The hop that it did not get past, and why. */
  readonly failed?: { readonly hop: Hop; readonly reason: string };
  /** Canaries of earlier runs that did not end, and were removed now. */
  readonly leftovers: number;
  /** What could not be removed, and why; the next run removes it. */
  readonly left?: string;
}

const pollMs = 20;
/** Longest wait for one command or request, ms. */
const stepMs = 5_000;

/**
 * Sends a canary, follows it to presence and removes every trace of it, however it ends.
 * @param options.timeoutMs - Longest time from the first PUT to presence.
 * @param options.stop - Aborted: the way ends at the hop in hand; the traces are removed all the same.
 */
export async function sendCanary(
  place: Place,
  { timeoutMs, stop }: { timeoutMs: number; stop: AbortSignal },
): Promise<Journey> {
  const canary = makeCanary(place.path, randomInt(1, 100_000));
  const redis = connectRedis({ ...place.redis, commandTimeoutMs: stepMs });
  const s3 = clientOf(place.bucket);
  const way = new Way(place, canary, redis, s3, { timeoutMs, stop });
  const startedMs = performance.now();
  try {
    const failed = await way.go().then(
      () => undefined,
      (error: unknown) => failureOf(error, way.hop),
    );
    const totalMs = Math.round(performance.now() - startedMs);
    const { leftovers, left } = await clean(way, failed?.hop);
    return {
      ...{ environment: place.environment, canary: canary.object.path, ok: failed === undefined },
      ...{ hops: way.times, totalMs, failed, leftovers, left },
    };
  } finally {
    redis.disconnect();
    s3.destroy();
  }
}

function failureOf(error: unknown, hop: Hop): { hop: Hop; reason: string } {
  if (error instanceof HopFailed) return { hop: error.hop, reason: error.message };
  return { hop, reason: messageOf(error) };
}

async function clean(way: Way, failedAt: Hop | undefined): Promise<{ leftovers: number; left?: string }> {
  if (failedAt === "connect" || !way.wrote) return { leftovers: 0 };
  const { place, canary, redis, s3 } = way;
  try {
    await removeCanary({ place, redis, s3 }, canary.object);
    return { leftovers: await removeLeftovers({ place, redis, s3 }) };
  } catch (error) {
    return { leftovers: 0, left: `${canary.object.path} and its sidecar: ${reasonOf(error)}` };
  }
}

/** The way of one canary. */
class Way {
  readonly times: { hop: Hop; ms: number }[] = [];
  hop: Hop = "connect";
  /** Whether the bucket may hold something of it. */
  wrote = false;
  private sinceMs = performance.now();
  private deadlineMs = Infinity;

  constructor(
    readonly place: Place,
    readonly canary: Canary,
    readonly redis: Redis,
    readonly s3: S3Client,
    private readonly options: { readonly timeoutMs: number; readonly stop: AbortSignal },
  ) {}

  async go(): Promise<void> {
    await this.connect();
    this.deadlineMs = performance.now() + this.options.timeoutMs;
    await this.put();
    this.past("put", "notify");
    await this.follow();
    if (this.place.presenceUrl !== undefined) await this.ask(this.place.presenceUrl);
  }

  private past(hop: Hop, next: Hop): void {
    const nowMs = performance.now();
    this.times.push({ hop, ms: Math.round(nowMs - this.sinceMs) });
    this.sinceMs = nowMs;
    this.hop = next;
  }

  private async connect(): Promise<void> {
    const { host, port = 6379 } = this.place.redis;
    let refusal: Error | undefined; // of the connection; the command says only that there is none
    this.redis.on("error", (error: Error) => (refusal = error));
    await this.redis.ping().catch((cause: Error) => {
      const reason = (refusal ?? cause).message;
      throw new HopFailed("connect", `Redis at ${host}:${port} does not answer (${reason}).`, { cause });
    });
    this.past("connect", "put");
  }

  private async put(): Promise<void> {
    const { canary, place } = this;
    const send = async (key: string, body: Buffer, contentType: string) => {
      const request = { Bucket: place.bucket.name, Key: key, Body: body, ContentType: contentType };
      const abortSignal = AbortSignal.any([this.options.stop, AbortSignal.timeout(this.leftMs())]);
      try {
        await this.s3.send(new PutObjectCommand(request), { abortSignal });
      } catch (error) {
        const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
        const isRefused = ($metadata?.httpStatusCode ?? 0) >= 400 && $metadata!.httpStatusCode! < 500;
        this.wrote ||= !isRefused; // without an answer it may be there
        if (this.options.stop.aborted) throw new HopFailed("put", "Stopped.", { cause: error });
        const where = `bucket ${place.bucket.name} at ${place.bucket.endpoint}`;
        throw new HopFailed("put", `Cannot put ${key} into ${where}: ${reasonOf(error)}`, { cause: error });
      }
      this.wrote = true;
    };
    await send(canary.sidecarKey, canary.sidecar, "application/json");
    await send(canary.key, canary.fits, "application/fits");
  }

  /** From the notification to the Butler, as Redis shows it. */
  private async follow(): Promise<void> {
    const { canary, redis } = this;
    for (;;) {
      const seen = await look(redis, canary.object).catch((cause: Error) => {
        throw new HopFailed(this.hop, `Redis does not answer any more (${cause.message}).`, { cause });
      });
      if (this.hop === "notify" && seen.isReceived) this.past("notify", "claim");
      if (this.hop === "claim" && !seen.isQueued) this.past("claim", "ingest");
      if (this.hop === "ingest" && seen.isIngested) return this.past("ingest", "present");
      if (seen.dead) throw new HopFailed(this.hop, `It is a dead letter, ${seen.dead.code}: ${seen.dead.reason}`);
      await this.wait(() => explain(this.hop as "notify" | "claim" | "ingest", seen, this));
    }
  }

  private async ask(presenceUrl: string): Promise<void> {
    const url = presenceUrl + presencePath(this.canary.object);
    const uri = `s3://${this.canary.object.path}`;
    for (;;) {
      const answer = await answerOf(url);
      if (answer.uri === uri) return this.past("present", "present");
      await this.wait(async () => `${url}: ${answer.shown} See: ${this.place.logCommand("presence")}`);
    }
  }

  /** Waits for the next look. @throws HopFailed when the time is over, with what `why` tells; or at the stop. */
  private async wait(why: () => Promise<string>): Promise<void> {
    const { timeoutMs, stop } = this.options;
    if (stop.aborted) throw new HopFailed(this.hop, "Stopped.");
    if (performance.now() >= this.deadlineMs) {
      throw new HopFailed(this.hop, `Not in ${timeoutMs / 1000} s. ${await why()}`);
    }
    await sleep(pollMs, undefined, { signal: stop }).catch(() => undefined);
  }

  private leftMs(): number {
    return Math.max(1, Math.ceil(this.deadlineMs - performance.now()));
  }
}

async function answerOf(url: string): Promise<{ uri?: string; shown: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(stepMs) });
    const text = await response.text();
    const { uri } = (response.ok ? JSON.parse(text) : {}) as { uri?: string };
    return { uri, shown: `presence answered ${response.status} ${text.slice(0, 200)}.` };
  } catch (error) {
    const { cause } = error as { cause?: { code?: string; message?: string } };
    return { shown: `presence did not answer (${cause?.code ?? cause?.message ?? messageOf(error)}).` };
  }
}
