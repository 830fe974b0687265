import type { Redis } from "ioredis";
import { messageOf } from "../errors";
import type { Logger } from "../log";
import { sleep, stopped } from "../process";
import { fieldsOf, type Stage } from "./deadLetters";
import { promptKey } from "./keys";

/** A record that a person gave back, see {@link reviveLetter}. */
export interface Retry {
  /** `topic/partition/offset` that it came from. */
  readonly source: string;
  readonly payload: Buffer;
}

/** How often it is looked for them, ms: a person waits. */
const lookMs = 2_000;
/** Most that one look takes. */
const retryLimit = 100;

/**
 * Does again what a person gave back to a stage, until told to stop. What is not done stays, and comes again: `again` is
 * harmless when repeated, and it resolves when its record needs no repeat: done, or a dead letter anew.
 */
export async function takeRetries(
  redis: Redis,
  stage: Exclude<Stage, "gateway">,
  again: (retry: Retry) => Promise<unknown>,
  { stop, log }: { stop: AbortSignal; log: Logger },
): Promise<void> {
  const stream = promptKey.retries(stage);
  while (!stop.aborted) {
    try {
      for (const [id, flat] of await redis.xrange(stream, "-", "+", "COUNT", retryLimit)) {
        if (stop.aborted) return;
        const { source = "", payload = "" } = fieldsOf(flat);
        await Promise.race([again({ source, payload: Buffer.from(payload, "base64") }), stopped(stop)]);
        if (stop.aborted) return;
        await redis.xdel(stream, id);
        log.info({ source }, "Done again, as a person asked");
      }
    } catch (error) {
      if (!stop.aborted) log.warn({ reason: messageOf(error) }, "What was given back cannot be done; trying again");
    }
    await sleep(lookMs, stop);
  }
}
