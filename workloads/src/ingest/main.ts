import { hostname } from "node:os";
import { messageOf } from "../lib/errors";
import { LoopWatch, serveHttp } from "../lib/http";
import type { Logger } from "../lib/log";
import { backoffMs, runWorkload, sleep } from "../lib/process";
import { FollowUps, LeasedQueue, LeaseLostError } from "../lib/queue";
import { connectRedis, redisOptions } from "../lib/redis";
import { isLfa } from "../lib/objectPath";
import { ButlerChild } from "../lib/butler/butlerChild";
import { butlerEnvironment } from "../lib/butler/butlerEnvironment";
import { ingestContract } from "./contract";
import { FollowUpWorker } from "./followUpWorker";
import { Ingester } from "./ingester";
import { metrics } from "./metrics";
import { ObjectStore } from "../lib/objectStore";
import type { IngestSettings } from "./settings";

/** How often an empty queue is looked at. */
const idleMs = 200;
/** How long a stop waits for the batch in hand before it gives it back. */
const drainMs = 10_000;

runWorkload(ingestContract, async ({ env, log, stop, closers }) => {
  const settings: IngestSettings = {
    bucket: env.BUCKET,
    maxIngests: env.MAX_INGESTS,
    maxFailures: env.MAX_FAILURES,
    guiderWaitMs: env.MAX_GUIDER_WAIT * 1000,
    parkLifetimeMs: env.PARK_LIFETIME * 1000,
    groupLifetimeSeconds: Math.ceil(env.GROUP_LIFETIME),
    retryBaseMs: env.RETRY_BASE * 1000,
    retryMaxMs: env.RETRY_MAX * 1000,
    s3Concurrency: env.S3_CONCURRENCY,
    callWebhook: env.WEBHOOK_URI !== undefined && !isLfa(env.BUCKET),
  };
  const pod = env.POD_NAME ?? hostname();
  const timeoutMs = env.BUTLER_TIMEOUT * 1000;
  const store = closers.add("store", new ObjectStore(env, process.env), (s) => s.close());
  const redis = closers.add("redis", connectRedis({ ...redisOptions(env), log }), (r) => r.quit());
  const child = new ButlerChild({
    python: env.BUTLER_PYTHON,
    env: butlerEnvironment(env, process.env),
    timeoutMs,
    log,
  });
  const butler = closers.add("butler", child, (c) => c.close());
  const queue = new LeasedQueue(redis, {
    bucket: env.BUCKET,
    pod,
    log,
    leaseMs: env.LEASE_DURATION * 1000,
    onLost: () => metrics.leaseLost.inc(),
  });
  closers.add("lease", queue, (q) => q.close());
  const watch = new LoopWatch("loop", 2 * timeoutMs + settings.retryMaxMs + 60_000);
  const ingester = new Ingester({ queue, redis, store, butler, settings, log, onStep: () => watch.turn() });
  const followUps = new FollowUpWorker({
    followUps: new FollowUps(redis, env.BUCKET),
    butler,
    log,
    webhook:
      env.WEBHOOK_URI === undefined ? undefined : { uri: env.WEBHOOK_URI, timeoutMs: env.WEBHOOK_TIMEOUT * 1000 },
    maxAttempts: env.FOLLOWUP_ATTEMPTS,
    retryBaseMs: settings.retryBaseMs,
    retryMaxMs: settings.retryMaxMs,
    holdMs: timeoutMs + 30_000,
  });
  const http = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    live: [watch],
    ready: [
      { name: "redis", check: async () => void (await redis.ping()) },
      { name: "butler", check: () => (child.answeredLately() ? undefined : child.ping()) },
      { name: "s3", check: () => store.check() },
    ],
  });
  closers.add("http", http, (h) => h.close());
  const retry = { baseMs: settings.retryBaseMs, maxMs: settings.retryMaxMs };
  const loops = Promise.all([
    repeat("ingest", { stop, log, ...retry }, async () => {
      watch.turn();
      metrics.butlerRestarts.set(child.restarts);
      return ingestTurn(ingester, queue);
    }),
    repeat("follow-ups", { stop, log, ...retry }, () => followUps.turn()),
  ]);
  log.info({ bucket: env.BUCKET, pod }, `Waiting on WORKER:${env.BUCKET}:${pod}`);
  await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
  http.drain();
  await Promise.race([loops, sleep(drainMs)]); // what is still in hand then goes back to the queue with the lease
});

let leased = false;
/** One batch, under a lease. */
async function ingestTurn(ingester: Ingester, queue: LeasedQueue): Promise<number> {
  await ingester.open();
  if (!leased) {
    await queue.open();
    leased = true;
  }
  try {
    return await ingester.turn();
  } catch (error) {
    if (!(error instanceof LeaseLostError)) throw error;
    leased = false;
    ingester.forget();
    throw error;
  }
}

interface LoopOptions {
  readonly stop: AbortSignal;
  readonly log: Logger;
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Calls `turn` until the stop; waits when there is nothing to do, and longer each time that a dependency is lost. */
async function repeat(
  name: string,
  { stop, log, baseMs, maxMs }: LoopOptions,
  turn: () => Promise<number>,
): Promise<void> {
  let faults = 0;
  while (!stop.aborted) {
    try {
      const count = await turn();
      if (faults > 0) log.info({ loop: name, faults }, "Goes on");
      faults = 0;
      if (count === 0) await sleep(idleMs, stop);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "UNKNOWN";
      metrics.faults.inc({ code });
      const delayMs = backoffMs(++faults, baseMs, maxMs);
      log.warn({ loop: name, code, reason: messageOf(error), faults, delayMs }, "Cannot go on; trying again");
      await sleep(delayMs, stop);
    }
  }
}
