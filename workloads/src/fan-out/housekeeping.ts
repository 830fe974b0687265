import type { Redis } from "ioredis";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import {
  countLag,
  dropIdleConsumers,
  ensureGroup,
  letterState,
  putBack,
  staleEntries,
  type StreamGroup,
  streamState,
  trimStream,
} from "../lib/visits";
import { metrics } from "./metrics";

export interface HousekeepingOptions {
  readonly redis: Redis;
  readonly streams: readonly StreamGroup[];
  readonly maxEntries: number;
  readonly maxPendingMs: number;
  readonly maxAttempts: number;
  readonly consumerIdleMs: number;
  readonly log: Logger;
}

/** Entries of lost workers that one turn takes. */
const staleLimit = 1_000;

/** What streams need beside their readers and writers. Any number of processes may do it: every step is whole in itself. */
export class Housekeeping {
  /** Stream -> run of Redis in which its lag was counted. */
  private readonly countedIn = new Map<string, string>();

  constructor(private readonly options: HousekeepingOptions) {
    metrics.maxEntries.set(options.maxEntries);
  }

  /** One turn over all streams; what fails is tried again by the next. */
  async turn(): Promise<void> {
    const { redis, streams, log } = this.options;
    for (const target of streams) {
      try {
        await this.lookAfter(target);
      } catch (error) {
        metrics.housekeepingFailures.inc({ stream: target.stream });
        log.warn({ stream: target.stream, reason: messageOf(error) }, "Stream could not be looked after");
      }
    }
    await letterState(redis).then(
      ({ count, added }) => {
        metrics.letters.set(count);
        metrics.lettersAdded.set(added);
      },
      () => undefined, // the streams' failures said so
    );
  }

  private async lookAfter(target: StreamGroup): Promise<void> {
    const { redis, maxPendingMs, maxAttempts, consumerIdleMs, log } = this.options;
    const { stream } = target;
    await ensureGroup(redis, target);
    for (const entry of await staleEntries(redis, target, maxPendingMs, staleLimit)) {
      const reason = `Worker ${entry.consumer} gave no sign for ${Math.round(entry.idleMs / 1000)} s.`;
      const options = { stage: "gateway", code: "WORKER_LOST", reason, minIdleMs: maxPendingMs, maxAttempts } as const;
      const { outcome, attempt } = await putBack(redis, target, entry, options);
      metrics.putBack.inc({ stream, outcome });
      const { groupId: group, detector } = entry.fields;
      log.warn({ stream, entry: entry.id, group, detector, outcome, attempt, reason }, "Entry of a lost worker");
    }
    const dropped = await dropIdleConsumers(redis, target, consumerIdleMs);
    if (dropped > 0) log.info({ stream, consumers: dropped }, "Consumers that were not heard of are deleted");
    const { removed } = await trimStream(redis, stream);
    metrics.trimmed.inc({ stream }, removed);
    await this.countLagAnew(target);
    const { entries, lag, pending, consumers } = await streamState(redis, target);
    metrics.entries.set({ stream }, entries);
    metrics.lag.set({ stream }, lag ?? NaN);
    metrics.pending.set({ stream }, pending);
    metrics.consumers.set({ stream }, consumers);
  }

  /** Once after each start of Redis, which may have forgotten what was read. */
  private async countLagAnew(target: StreamGroup): Promise<void> {
    const { redis, log } = this.options;
    const { stream } = target;
    const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1] ?? "";
    if (this.countedIn.get(stream) === runId) return;
    if (await countLag(redis, target))
      log.info({ stream }, "Redis had forgotten how much is unread; it is counted anew");
    this.countedIn.set(stream, runId);
  }
}
