import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { FacilityError, messageOf } from "../errors";
import type { Logger } from "../log";
import { redisKey } from "../redisKeys";
import { scriptsOf } from "./scripts";

export interface LeasedQueueOptions {
  /** `[profile@]bucket`. */
  readonly bucket: string;
  /** Name of the pod: names its worker list. Must be unique among living pods. */
  readonly pod: string;
  readonly log: Logger;
  /** How long the lease outlives its last heartbeat, ms; the heartbeat comes three times in it. Default 30,000. */
  readonly leaseMs?: number;
  /** Called when a heartbeat finds the lease lost. */
  readonly onLost?: () => void;
}

/** The lease of this process is another's or has expired: what it holds was or will be given to others. */
export class LeaseLostError extends FacilityError {
  readonly code = "LEASE_LOST";
  readonly retryable = true;
  constructor(readonly pod: string) {
    super(`The lease of pod "${pod}" is lost; its work was given back. The pod takes a new lease and goes on.`);
  }
}

/** An object that is in the Butler now. */
export interface Completed {
  readonly path: string;
  readonly instrument: string;
  readonly dayObs: string;
  /** With {@link Completed.filename}: the webhook is told of this file. */
  readonly expId?: string;
  readonly filename?: string;
  /** Follow-up that defines the visits of this object's exposure; equal for all objects of it. */
  readonly visit?: string;
  /** expId whose parked guiders can go on. */
  readonly releases?: string;
}

/** One failed attempt at an object. */
export interface Failure {
  readonly path: string;
  readonly instrument: string;
  readonly dayObs: string;
  /** Stable name of the failure. */
  readonly code: string;
  readonly reason: string;
  /** Whether the attempt speaks against the object itself; a lost dependency does not. */
  readonly counts: boolean;
  /** Attempts that count after which the object is dead. */
  readonly maxFailures: number;
  /** Age of the first failure after which the object is dead, ms, whatever counts. */
  readonly maxAgeMs: number;
  /** First delay and largest delay, ms; it doubles with each attempt. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** Field of `FILE:<path>` that keeps the reason. Default `ing_fail_exc`. */
  readonly field?: "ing_fail_exc" | "md_fail_exc";
  /** expId that the object waits for: it goes on at once when that exposure is ingested. */
  readonly parkedFor?: string;
}

export interface FailureOutcome {
  /** `not-held`: the object was not this worker's any more, nothing changed. */
  readonly status: "retry" | "dead" | "not-held";
  readonly attempts: number;
  /** When it is tried again, ms since 1970; 0 unless `retry`. */
  readonly dueMs: number;
}

/** The queue of one bucket as one pod sees it: a lease with heartbeat, and steps that a lost lease turns down. */
export class LeasedQueue {
  private readonly token = randomUUID();
  private readonly key: { lease: string; worker: string; queue: string; retry: string; dead: string; followUp: string };
  private readonly leaseMs: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: Redis,
    private readonly options: LeasedQueueOptions,
  ) {
    const { bucket, pod, leaseMs = 30_000 } = options;
    this.leaseMs = leaseMs;
    this.key = {
      lease: redisKey.lease(bucket, pod),
      worker: redisKey.worker(bucket, pod),
      queue: redisKey.queue(bucket),
      retry: redisKey.retry(bucket),
      dead: redisKey.dead(bucket),
      followUp: redisKey.followUp(bucket),
    };
  }

  /** Takes the lease and keeps it alive. What an earlier process of this pod held is claimed with the first {@link claim}. */
  async open(): Promise<void> {
    await this.run("openLease", this.key.lease, redisKey.workers, this.token, this.leaseMs, this.key.worker);
    clearInterval(this.timer);
    this.timer = setInterval(() => void this.heartbeat(), this.leaseMs / 3);
    this.timer.unref();
  }

  private async heartbeat(): Promise<void> {
    try {
      if ((await this.run("renewLease", this.key.lease, this.token, this.leaseMs)) === 1) return;
      this.options.log.warn({ pod: this.options.pod }, "Lease lost");
      this.options.onLost?.();
    } catch (error) {
      this.options.log.warn({ reason: messageOf(error) }, "Lease not renewed; trying again");
    }
  }

  /**
   * Everything that this pod works on, topped up to `limit` objects: due retries, then the queue, oldest first.
   * @throws {@link LeaseLostError}
   */
  async claim(limit: number): Promise<string[]> {
    const { lease, worker, queue, retry } = this.key;
    return (await this.run("claim", lease, worker, queue, retry, this.token, Date.now(), limit)) as string[];
  }

  /**
   * Takes ingested objects off the list, counts each once, notes the follow-ups and releases parked guiders.
   * @returns the paths that this worker still held.
   * @throws {@link LeaseLostError}
   */
  async complete(items: readonly Completed[], callWebhook: boolean): Promise<string[]> {
    if (items.length === 0) return [];
    const { lease, worker, queue, retry, followUp } = this.key;
    const now = Date.now();
    const { bucket } = this.options;
    return (await this.run(
      ...(["complete", lease, worker, queue, retry, followUp, this.token, now, (now / 1000).toFixed(3)] as const),
      ...[bucket, callWebhook ? "1" : "0", JSON.stringify(items)],
    )) as string[];
  }

  /** Notes a failed attempt: back-off, or dead letter. @throws {@link LeaseLostError} */
  async fail(failure: Failure): Promise<FailureOutcome> {
    const { lease, worker, retry, dead } = this.key;
    const { path, parkedFor, instrument, dayObs, field = "ing_fail_exc", ...rest } = failure;
    const { bucket } = this.options;
    const details = {
      ...rest,
      reason: failure.reason.slice(0, 2_000),
      field,
      dayObs,
      failKey: redisKey.failed(bucket, instrument),
      spread: 0.75 + Math.random() / 2,
      ...(parkedFor === undefined ? {} : { parkKey: redisKey.parked(bucket, parkedFor) }),
    };
    const file = redisKey.file(path);
    const reply = await this.run(
      "fail",
      lease,
      worker,
      retry,
      dead,
      file,
      this.token,
      path,
      Date.now(),
      JSON.stringify(details),
    );
    const [status, attempts, dueMs] = reply as [FailureOutcome["status"], number, number];
    return { status, attempts, dueMs };
  }

  /** Gives back what is in hand, in its place, and ends the lease. Quiet when the lease is lost already. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    try {
      await this.run(
        "release",
        this.key.lease,
        this.key.worker,
        this.key.queue,
        redisKey.workers,
        this.token,
        this.key.worker,
      );
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }

  private async run(script: keyof ReturnType<typeof scriptsOf>, ...args: (string | number)[]): Promise<unknown> {
    try {
      return await scriptsOf(this.redis)[script](...args);
    } catch (error) {
      if (messageOf(error).startsWith("FENCED")) throw new LeaseLostError(this.options.pod);
      throw error;
    }
  }
}
