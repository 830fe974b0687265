import type { Redis } from "ioredis";
import { redisKey } from "../redisKeys";
import { scriptsOf } from "./scripts";

/** Worker list of one pod. */
export interface WorkerList {
  readonly bucket: string;
  readonly pod: string;
}

/** Reads `WORKER:<bucket>:<pod>`; a bucket may contain `:` (tenants), a pod's name cannot. */
function parseWorkerKey(key: string): WorkerList | undefined {
  const rest = key.slice("WORKER:".length);
  const colon = rest.lastIndexOf(":");
  return colon <= 0 ? undefined : { bucket: rest.slice(0, colon), pod: rest.slice(colon + 1) };
}

/** Worker lists of pods that have or had a lease. */
export async function registeredWorkers(redis: Redis): Promise<WorkerList[]> {
  return (await redis.smembers(redisKey.workers)).map(parseWorkerKey).filter((worker) => worker !== undefined);
}

/** Worker lists of pods without leases (images that know none): a walk over all keys, so ask seldom. */
export async function legacyWorkers(redis: Redis): Promise<WorkerList[]> {
  const registered = new Set(await redis.smembers(redisKey.workers));
  const found: WorkerList[] = [];
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", "WORKER:*", "COUNT", 1_000, "TYPE", "list");
    cursor = next;
    for (const key of keys) {
      const worker = registered.has(key) ? undefined : parseWorkerKey(key);
      if (worker) found.push(worker);
    }
  } while (cursor !== "0");
  return found;
}

/**
 * Gives the work of a pod without lease back to the front of its queue, oldest first, in one step.
 * @param idleSeconds - A list that never had a lease must have been untouched for longer than this.
 * @returns how many paths; `undefined` when the pod lives.
 */
export async function recoverWorker(
  redis: Redis,
  worker: WorkerList,
  idleSeconds: number,
): Promise<number | undefined> {
  const { bucket, pod } = worker;
  const key = redisKey.worker(bucket, pod);
  const keys = [redisKey.lease(bucket, pod), key, redisKey.queue(bucket), redisKey.workers];
  const moved = (await scriptsOf(redis).recover(...keys, key, idleSeconds)) as number;
  return moved < 0 ? undefined : moved;
}
