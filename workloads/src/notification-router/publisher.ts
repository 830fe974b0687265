import type { Redis } from "ioredis";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import { publishRaws, type PublishOptions, type Raw } from "../lib/raws";
import { type DeadLetter, parkLetters } from "../lib/visits";
import { metrics } from "./metrics";

/** First and largest delay after Redis failed, ms. */
const baseMs = 100;
const maxMs = 5_000;
/** Most records of one batch. */
const batchSize = 1_000;

/** A record on its way to Redis; `done` is called once it is durable. */
interface Entry<T> {
  readonly of: T;
  /** When the notification was made, ms since 1970. */
  readonly sentMs: number;
  readonly done: () => void;
}

export interface PublisherOptions extends PublishOptions {
  readonly redis: Redis;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

/** Brings raws and dead letters to Redis: one batch is on its way while the next one gathers. It waits as long as Redis is away. */
export class Publisher {
  private raws: Entry<Raw>[] = [];
  private letters: Entry<DeadLetter>[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly options: PublisherOptions) {}

  publish(of: Raw, sentMs: number, done: () => void): void {
    this.raws.push({ of, sentMs, done });
    this.running ??= this.run();
  }

  park(of: DeadLetter, done: () => void): void {
    this.letters.push({ of, sentMs: 0, done });
    this.running ??= this.run();
  }

  /** Resolves when nothing is left to do, or when it was given up at a stop. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.raws.length > 0 || this.letters.length > 0) {
      await new Promise(setImmediate); // what has come in this turn of the event loop goes with it
      const raws = this.raws.splice(0, batchSize);
      const letters = this.letters.splice(0, batchSize);
      if (!(await this.save(raws, letters))) return; // a stop: what is not durable is not committed
      for (const { done } of raws) done();
      for (const { done } of letters) done();
    }
    this.running = undefined;
  }

  private async save(raws: readonly Entry<Raw>[], letters: readonly Entry<DeadLetter>[]): Promise<boolean> {
    const { redis, log, stop } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        // Both are awaited before a failure is reported, so that a repeat never runs beside its first try.
        const [published, parked] = await Promise.allSettled([
          publishRaws(redis, raws.map(({ of }) => of), this.options), // prettier-ignore
          parkLetters(redis, letters.map(({ of }) => of)), // prettier-ignore
        ]);
        if (published.status === "rejected") throw published.reason;
        if (parked.status === "rejected") throw parked.reason;
        if (attempt > 1) log.info({ attempt }, "Redis takes raws again");
        this.count(raws, published.value, letters);
        return true;
      } catch (error) {
        metrics.storeFailures.inc();
        if (stop.aborted) return false;
        const delayMs = backoffMs(attempt, baseMs, maxMs);
        const reason = messageOf(error);
        log.error({ reason, attempt, delayMs }, "Redis did not take raws; their offsets stay uncommitted");
        await sleep(delayMs, stop);
      }
    }
  }

  private count(raws: readonly Entry<Raw>[], isNew: readonly boolean[], letters: readonly Entry<DeadLetter>[]): void {
    const nowMs = Date.now();
    raws.forEach(({ of: { instrument }, sentMs }, index) => {
      if (isNew[index]) metrics.published.inc({ instrument });
      else metrics.repeats.inc();
      if (sentMs > 0) metrics.arrivalSeconds.observe(Math.max(0, nowMs - sentMs) / 1000);
    });
    for (const { of } of letters) {
      const { code, source, reason } = of;
      metrics.deadLetters.inc({ code });
      this.options.log.warn({ code, source, reason }, "A notification is parked");
    }
  }
}
