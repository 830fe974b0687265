import { FacilityError } from "./errors";
import type { Logger } from "./log";
import { backoffMs, sleep } from "./process";

/** Told to stop while waiting: what is in hand stays uncommitted, and comes again. */
export class StoppedError extends Error {}

const baseMs = 250;
const maxMs = 10_000;

/**
 * Does what can be repeated without harm until it succeeds, however long a dependency is away.
 * @param what - What is waited for, for the log.
 * @throws an error that is not retryable, at once; {@link StoppedError} when told to stop meanwhile.
 */
export async function persistently<T>(
  what: string,
  work: () => Promise<T>,
  { stop, log }: { readonly stop: AbortSignal; readonly log: Logger },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FacilityError && error.retryable)) throw error;
      if (stop.aborted) throw new StoppedError("told to stop");
      const delayMs = backoffMs(attempt, baseMs, maxMs);
      log.error({ what, reason: error.message, attempt, delayMs }, "Waiting; offsets stay uncommitted");
      await sleep(delayMs, stop);
      if (stop.aborted) throw new StoppedError("told to stop");
    }
  }
}
