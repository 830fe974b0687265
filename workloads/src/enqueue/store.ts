import type { Redis } from "ioredis";
import { infoEach, type Logger } from "../lib/log";
import { buryObjects, enqueueObjects, reject } from "../lib/queue";
import { emptyIntake, type Intake, sizeOf, type Unqueueable } from "./intake";
import { label, metrics } from "./metrics";

export interface StoreOptions {
  readonly redis: Redis;
  readonly log: Logger;
  /** How long the same notification counts as a duplicate, seconds. */
  readonly dedupeSeconds: number;
}

/**
 * Makes an intake durable: queue, dead letters and rejected notifications. All of it may be repeated without harm, so
 * when this throws the caller keeps the notification and tries again.
 */
export async function store(intake: Intake, { redis, log, dedupeSeconds }: StoreOptions): Promise<void> {
  const { records, dead, rejected } = intake;
  if (sizeOf(intake) === 0) return;
  const endTimer = metrics.storeSeconds.startTimer();
  const deadByBucket = new Map<string, Unqueueable[]>();
  for (const item of dead) deadByBucket.set(item.bucket, []);
  for (const item of dead) deadByBucket.get(item.bucket)?.push(item);
  // All are awaited before any failure is reported, so that a repeat never runs beside its first try.
  const [queued, ...others] = await Promise.allSettled([
    enqueueObjects(redis, records, { dedupeSeconds }),
    ...[...deadByBucket].map(async ([bucket, items]) => {
      const left = await buryObjects(redis, bucket, items);
      if (left > 0) log.error({ bucket, left }, `Dead letters of ${bucket} are full; reconcile finds these objects`);
    }),
    reject(redis, rejected),
  ]);
  for (const result of [queued, ...others]) {
    if (result.status === "fulfilled") continue;
    metrics.storeFailures.inc();
    throw result.reason;
  }
  endTimer();
  count(intake, (queued as PromiseFulfilledResult<boolean[]>).value, log);
}

/** Counts and logs what is durable now. The message texts are searched for in Loki; keep them. */
function count({ records, dead, rejected }: Intake, queued: readonly boolean[], log: Logger): void {
  const logsEach = log.isLevelEnabled("info");
  const lines: string[] = [];
  const totals = new Map<string, { bucket: string; instrument: string; queued: number; duplicates: number }>();
  records.forEach(({ object }, index) => {
    const { bucket, instrument, path } = object;
    const name = `${bucket}\n${instrument}`;
    let total = totals.get(name);
    if (!total) totals.set(name, (total = { bucket, instrument, queued: 0, duplicates: 0 }));
    total[queued[index] ? "queued" : "duplicates"] += 1;
    if (logsEach) lines.push(queued[index] ? `Enqueued ${path} to ${bucket}` : `Skipping duplicate enqueue ${path}`);
  });
  infoEach(log, lines);
  for (const total of totals.values()) {
    const labels = { bucket: label("bucket", total.bucket), instrument: label("instrument", total.instrument) };
    metrics.received.inc(labels, total.queued + total.duplicates);
    metrics.queued.inc(labels, total.queued);
    metrics.duplicates.inc(labels, total.duplicates);
  }
  for (const { bucket, path, code, reason } of dead) {
    metrics.deadLettered.inc({ bucket: label("bucket", bucket), code });
    log.error({ bucket, path, code, reason }, `Cannot enqueue ${path}`);
  }
  if (rejected.length > 0) metrics.rejected.inc(rejected.length);
  for (const { source, reason } of rejected) log.error({ source, reason }, "Notification cannot be read");
}

/** The store takes no more now; the sender tries again later. */
export class BusyError extends Error {}

/**
 * Gathers the intakes of requests that come at the same time into one batch, so that Redis is asked once for all of
 * them. An intake is settled with its batch: after Redis answered.
 */
export class BatchingStore {
  private waiting: { intake: Intake; resolve: () => void; reject: (error: unknown) => void }[] = [];
  private size = 0;
  private running = false;

  /** @param limit - Largest number of entries that wait or are on their way; past it {@link add} refuses. */
  constructor(
    private readonly options: StoreOptions,
    private readonly limit = 20_000,
  ) {}

  /**
   * Resolves when the intake is durable.
   * @throws {@link BusyError} when too much waits; whatever Redis failed with otherwise.
   */
  add(intake: Intake): Promise<void> {
    const size = sizeOf(intake);
    if (size === 0) return Promise.resolve();
    // a single intake larger than the limit is taken when nothing else waits, else it could never be
    if (this.size > 0 && this.size + size > this.limit) {
      return Promise.reject(new BusyError(`${this.size} objects wait for Redis, no more than ${this.limit} may`));
    }
    this.size += size;
    return new Promise<void>((resolve, reject) => {
      this.waiting.push({ intake, resolve, reject });
      if (!this.running) void this.run();
    }).finally(() => {
      this.size -= size;
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      await new Promise(setImmediate); // what has arrived in this turn of the event loop goes with it
      const jobs = this.waiting.splice(0);
      const batch = emptyIntake();
      for (const { intake } of jobs) {
        for (const record of intake.records) batch.records.push(record);
        for (const item of intake.dead) batch.dead.push(item);
        for (const item of intake.rejected) batch.rejected.push(item);
      }
      try {
        await store(batch, this.options);
        for (const job of jobs) job.resolve();
      } catch (error) {
        for (const job of jobs) job.reject(error);
      }
    }
    this.running = false;
  }
}
