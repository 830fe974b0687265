import type { Redis } from "ioredis";
import type { ExposurePath } from "../../workloads/src/lib/objectPath";
import { redisKey } from "../../workloads/src/lib/redisKeys";

/** What Redis has of an object at one moment. */
export interface Sighting {
  /** Enqueue has heard of it. */
  readonly isReceived: boolean;
  /** It stands in the queue. */
  readonly isQueued: boolean;
  readonly isIngested: boolean;
  /** Why the last attempt failed. */
  readonly fault?: string;
  readonly attempts: number;
  /** Nobody tries it any more. */
  readonly dead?: { readonly code: string; readonly reason: string };
}

/** How far from its newest end a queue is searched for an object that was just put in. */
const depth = 10_000;

/** Looks for an object. */
export async function look(redis: Redis, { bucket, path }: ExposurePath): Promise<Sighting> {
  const [file, place, dead] = await Promise.all([
    redis.hmget(redisKey.file(path), "recv_time", "ingest_time", "ing_fail_exc", "md_fail_exc", "attempts"),
    redis.lpos(redisKey.queue(bucket), path, "MAXLEN", depth),
    redis.hget(redisKey.dead(bucket), path),
  ]);
  const [received, ingested, ingestFault, metadataFault, attempts] = file;
  return {
    isReceived: typeof received === "string",
    isQueued: place !== null,
    isIngested: typeof ingested === "string",
    fault: ingestFault ?? metadataFault ?? undefined,
    attempts: Number(attempts ?? 0),
    dead: dead === null ? undefined : (JSON.parse(dead) as { code: string; reason: string }),
  };
}
