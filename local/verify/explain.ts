import type { Redis } from "ioredis";
import { bucketState } from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import type { Canary } from "./canary";
import type { Place } from "./place";
import type { Sighting } from "./sighting";

interface Scene {
  readonly place: Place;
  readonly canary: Canary;
  readonly redis: Redis;
}

/** Why a canary may stand still: what is seen around it, and where to look next. */
export async function explain(hop: "notify" | "claim" | "ingest", seen: Sighting, scene: Scene): Promise<string> {
  if (hop === "notify") return `${await notification(scene)} See: ${scene.place.logCommand("enqueue")}`;
  const log = `See: ${scene.place.logCommand("ingest")}`;
  const { queued, workers } = await bucketState(scene.redis, scene.place.path);
  const alive = workers.filter(({ leased }) => leased);
  if (hop === "claim") {
    const who =
      alive.length === 0
        ? "no ingest pod has a lease: none runs, or none can open the Butler"
        : `${alive.length} ingest pod${alive.length === 1 ? " works" : "s work"} on ${sum(alive)} others`;
    return `It waits in the queue of ${scene.place.path} (${queued} objects); ${who}. ${log}`;
  }
  const { fault, attempts } = seen;
  if (fault !== undefined)
    return `${attempts} attempt${attempts === 1 ? "" : "s"} failed, the last one: ${fault} ${log}`;
  return `An ingest pod took it and has not ended with it (pods with a lease: ${alive.length}). ${log}`;
}

function sum(workers: readonly { held: number }[]): number {
  return workers.reduce((total, { held }) => total + held, 0);
}

async function notification({ place, canary, redis }: Scene): Promise<string> {
  const rejected = (await redis.lrange(redisKey.rejected, 0, 99))
    .map((text) => JSON.parse(text) as { reason: string; text: string })
    .find(({ text }) => text.includes(canary.object.expId));
  if (rejected) return `enqueue could not read its notification: ${rejected.reason}.`;
  if (place.enqueueUrl === undefined) {
    return "enqueue heard of no notification from its Kafka topic: is the bucket's notification there, does enqueue consume?";
  }
  const url = new URL("/readyz", place.enqueueUrl).href;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    if (!response.ok) return `enqueue is not ready: ${url} answered ${response.status}.`;
    return "enqueue is ready, and heard of no notification: compare the bucket's notification, its topic and the secret.";
  } catch (error) {
    const { cause, message } = error as { cause?: { code?: string }; message: string };
    return `enqueue does not answer at ${url} (${cause?.code ?? message}).`;
  }
}
