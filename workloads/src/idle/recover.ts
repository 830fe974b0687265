import type { Redis } from "ioredis";
import { Counter } from "prom-client";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { legacyWorkers, recoverWorker, registeredWorkers, type WorkerList } from "../lib/queue";

const givenBack = new Counter({
  name: "usdf_idle_given_back_total",
  help: "Objects of lost pods that were given back to their queue",
  labelNames: ["bucket"] as const,
});

/** Gives back what pods with an expired lease hold, at once. @returns how many objects. */
export async function recoverLeased(redis: Redis, log: Logger): Promise<number> {
  return recoverAll(redis, await registeredWorkers(redis), 0, log);
}

/**
 * Gives back what pods of images without leases hold and have not touched for `idleSeconds`. Such a pod may only be
 * slow; the Butler makes a repeat harmless.
 */
export async function recoverUntouched(redis: Redis, idleSeconds: number, log: Logger): Promise<number> {
  return recoverAll(redis, await legacyWorkers(redis), idleSeconds, log);
}

async function recoverAll(redis: Redis, workers: WorkerList[], idleSeconds: number, log: Logger): Promise<number> {
  let total = 0;
  for (const worker of workers) {
    const { bucket, pod } = worker;
    try {
      const objects = await recoverWorker(redis, worker, idleSeconds);
      if (!objects) continue;
      total += objects;
      givenBack.inc({ bucket }, objects);
      log.warn({ bucket, pod, objects }, "Gave the work of a lost pod back to its queue");
    } catch (error) {
      log.error({ bucket, pod, reason: messageOf(error) }, "Worker list not recovered; trying again"); // the others still are
    }
  }
  return total;
}
