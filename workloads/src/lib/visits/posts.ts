import type { Redis } from "ioredis";
import { promptKey } from "./keys";
import { digestOf, visitLifetimeSeconds } from "./streams";
import type { NextVisit } from "./visit";

/** What of a visit is still to be posted to workers. */
export interface BegunPosts {
  /** `older`: the group was announced anew since; `repeat`: nothing is left to do. */
  readonly outcome: "added" | "replaced" | "repeat" | "older";
  readonly detectors: readonly number[];
}

const postedField = (detector: number) => `posted:${detector}`;

/**
 * Notes a visit whose messages are posted one by one, and tells which were not answered yet: after a restart only those are
 * posted again. For one caller at a time.
 */
export async function beginPosts(redis: Redis, visit: NextVisit, detectors: readonly number[]): Promise<BegunPosts> {
  const key = promptKey.visit(visit.instrument, visit.groupId);
  const known = await redis.hgetall(key);
  const digest = digestOf(visit);
  if (known.digest === digest) {
    const left = detectors.filter((detector) => known[postedField(detector)] === undefined);
    return { outcome: left.length > 0 ? "added" : "repeat", detectors: left };
  }
  if (known.digest !== undefined && Number(known.sndStamp) > visit.private_sndStamp) return { outcome: "older", detectors: [] }; // prettier-ignore
  const { private_sndStamp: sndStamp, survey } = visit;
  const fields = { digest, sndStamp, survey, detectors: detectors.length, at: new Date().toISOString() };
  const replies = await redis.multi().del(key).hset(key, fields).expire(key, visitLifetimeSeconds).exec();
  for (const [error] of replies ?? []) if (error) throw error;
  return { outcome: known.digest === undefined ? "added" : "replaced", detectors };
}

/** The message of a detector is answered for good. */
export async function endPost(redis: Redis, visit: NextVisit, detector: number, status: string): Promise<void> {
  await redis.hset(promptKey.visit(visit.instrument, visit.groupId), postedField(detector), status);
}
