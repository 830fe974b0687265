import type { Redis } from "ioredis";
import { FacilityError, messageOf } from "../lib/errors";
import { backoffMs, sleep } from "../lib/process";
import {
  attemptOf,
  ensureGroup,
  fieldsOf,
  isExpired,
  isGroupMissing,
  putBack,
  type PutBackOptions,
  staleEntries,
  type StreamEntry,
  type StreamGroup,
  visitAgeSeconds,
  visitOfFields,
} from "../lib/visits";
import { metrics } from "./metrics";
import { PipelineStartError } from "./pipelineChild";
import { type End, type Means, processVisit, readyUnlessStopped } from "./processVisit";
import { leave, Unit } from "./unit";

export interface GatewayOptions extends Omit<Means, "stop"> {
  readonly target: StreamGroup;
  /** Name of the pod: no other living one has it. */
  readonly consumer: string;
  /** A connection for this reading alone, since it blocks for up to {@link longestBlockMs}; with `failWhenLost`. */
  readonly reader: Redis;
}

const retryBaseMs = 100;
const retryMaxMs = 5_000;
/** How long the end of a visit is tried to be recorded while Redis is away; then it stays pending and is tried anew, ms. */
const recordLimitMs = 600_000;
/** The same once the worker is told to stop. */
const lastRecordLimitMs = 20_000;
/** Stale entries that one look takes. */
const staleCount = 20;

/** A wait for a visit ends after this, to look for those of workers that died. */
export const longestBlockMs = (leaseMs: number) => 2 * leaseMs;

/** One worker: takes a visit from the stream, has the pipeline process it, and then the next. */
export class Gateway {
  private readonly means: Means;
  /** Set where an entry may be this consumer's without being in hand; counts: whether it may have begun. */
  private doubt: { readonly counts: boolean } | undefined = { counts: true };
  /** When to look for the visits of workers that died; never sooner than a lease after Redis was away, for they were not. */
  private staleDueMs = Infinity;
  private readerId: number | undefined;
  private blocked = false;

  constructor(
    private readonly options: GatewayOptions,
    private readonly stop: AbortSignal,
  ) {
    this.means = { ...options, stop };
    const { reader, settings } = options;
    const connected = () => (this.staleDueMs = Date.now() + settings.leaseMs);
    if (reader.status === "ready") connected();
    reader.on("ready", connected);
    reader.on("close", () => (this.readerId = undefined));
  }

  /**
   * Works until told to stop, without a visit for too long, or done with as many as it may.
   * @throws PipelineStartError when the pipeline program does not come up.
   */
  async run(): Promise<void> {
    const { settings, pipeline, log } = this.options;
    const { instrument } = settings;
    let idleSinceMs = Date.now();
    let handled = 0;
    let faults = 0;
    metrics.processing.set({ instrument }, 0);
    this.stop.addEventListener("abort", () => void this.unblock(), { once: true });
    try {
      while (!this.stop.aborted && (settings.maxVisits === 0 || handled < settings.maxVisits)) {
        const leftMs = idleSinceMs + settings.idleTimeoutMs - Date.now();
        if (leftMs <= 0) return void log.info({ handled }, "No visit for too long; ending");
        try {
          if (!(await readyUnlessStopped(pipeline, this.stop))) break;
          metrics.starts.set({ instrument }, pipeline.starts);
          const entry = await this.next(leftMs);
          faults = 0;
          if (!entry || !(await this.handle(entry))) continue;
          handled++;
          idleSinceMs = Date.now();
        } catch (error) {
          if (error instanceof PipelineStartError) throw error;
          const delayMs = backoffMs(++faults, retryBaseMs, retryMaxMs);
          if (!this.stop.aborted) log.warn({ reason: messageOf(error), faults, delayMs }, "Cannot go on; trying again");
          await sleep(delayMs, this.stop);
        }
      }
      log.info({ handled }, this.stop.aborted ? "Told to stop" : "Done with as many visits as it may");
    } finally {
      await this.end();
    }
  }

  /** Waits for a visit, at most `leftMs`. */
  private async next(leftMs: number): Promise<StreamEntry | undefined> {
    const { reader, redis, target, consumer, settings } = this.options;
    try {
      if (this.doubt) await this.giveBackOwn(this.doubt.counts);
      if (Date.now() >= this.staleDueMs) await this.giveBackStale();
      this.readerId ??= await reader.client("ID");
      if (this.stop.aborted) return undefined;
      const blockMs = Math.max(1, Math.min(leftMs, longestBlockMs(settings.leaseMs), this.staleDueMs - Date.now()));
      this.blocked = true;
      const { stream, consumerGroup } = target;
      const reply = await reader.xreadgroup("GROUP", consumerGroup, consumer, "COUNT", 1, "BLOCK", Math.ceil(blockMs), "STREAMS", stream, ">"); // prettier-ignore
      const [id, fields] = (reply as [string, [string, string[]][]][] | null)?.[0]?.[1][0] ?? [];
      return id === undefined ? undefined : { id, fields: fieldsOf(fields!) };
    } catch (error) {
      this.doubt ??= { counts: false }; // an entry may have been given to this consumer, and its reply lost
      if (!isGroupMissing(error)) throw error;
      await ensureGroup(redis, target);
      return undefined;
    } finally {
      this.blocked = false;
    }
  }

  /** @returns whether it was work: a visit that came too late is none. */
  private async handle(entry: StreamEntry): Promise<boolean> {
    const { log: base, settings, redis, target, consumer } = this.options;
    const { instrument } = settings;
    const { groupId: group, detector, survey } = entry.fields;
    const attempt = attemptOf(entry.fields);
    const log = base.child({ group, detector, survey, attempt, entry: entry.id });
    metrics.delay.observe({ instrument }, Math.max(0, Date.now() - Number(entry.id.split("-")[0])) / 1000);
    metrics.processing.set({ instrument }, 1);
    try {
      if (this.stop.aborted) {
        await this.giveBack(entry, {
          code: "STOPPING",
          reason: "The worker stopped before it began",
          countsAttempt: false,
        });
        return false;
      }
      const visit = readVisit(entry, instrument);
      if (visit instanceof FacilityError) {
        log.error({ code: visit.code, reason: visit.message }, "Visit cannot be processed");
        await this.bury(entry, visit.code, visit.message);
        return true;
      }
      const unit = new Unit(redis, target, consumer, entry, attempt);
      const ageSeconds = visitAgeSeconds(visit, Date.now());
      if (isExpired(ageSeconds, settings.expirationSeconds)) {
        await this.record(() => unit.acknowledge());
        log.warn({ ageSeconds }, "Visit came too late; dropped");
        metrics.visits.inc({ instrument, end: "expired" });
        return false;
      }
      const state = await this.record(() => unit.state());
      const uncertain = state === "committing";
      const end: End =
        state === "done"
          ? { end: "already" }
          : await processVisit({ visit, attempt, uncertain, unit }, { ...this.means, log });
      await this.settle(entry, unit, end);
      log.info(end, "Visit ended");
      return true;
    } catch (error) {
      this.doubt = { counts: true };
      throw error;
    } finally {
      metrics.processing.set({ instrument }, 0);
    }
  }

  private async settle(entry: StreamEntry, unit: Unit, end: End): Promise<void> {
    const { instrument } = this.options.settings;
    if (end.end === "handed-back") {
      await this.giveBack(entry, { code: "STOPPING", reason: end.reason, countsAttempt: false });
    } else if (end.end === "failed") {
      metrics.failures.inc({ instrument, code: end.code });
      if (end.retriable) await this.giveBack(entry, end);
      else await this.bury(entry, end.code, end.reason);
    } else {
      await this.record(() => (end.end === "committed" ? unit.done() : unit.acknowledge()));
      metrics.visits.inc({ instrument, end: end.end });
    }
  }

  private async bury(entry: StreamEntry, code: string, reason: string): Promise<void> {
    await this.giveBack(entry, { code, reason }, 0);
  }

  /** Ends an attempt without a result: back to the stream, or a dead letter. */
  private async giveBack(
    entry: StreamEntry,
    why: Pick<PutBackOptions, "code" | "reason" | "countsAttempt">,
    maxAttempts = this.options.settings.maxAttempts,
  ): Promise<void> {
    const { redis, target, consumer, settings, log } = this.options;
    const { code, reason, countsAttempt = true } = why;
    const options: PutBackOptions = { stage: "gateway", code, reason, consumer, countsAttempt, maxAttempts };
    const { outcome, newId, attempt } = await this.record(() => putBack(redis, target, entry, options));
    const end = { dead: "dead", "put-back": countsAttempt ? "retried" : "handed-back" }[outcome as string] ?? "lost";
    metrics.visits.inc({ instrument: settings.instrument, end });
    log.warn({ entry: entry.id, outcome, newId, attempt, code, reason }, "Visit given back");
  }

  /** What this consumer holds from before: of a process that died, or whose delivery was not read. */
  private async giveBackOwn(counts: boolean): Promise<void> {
    const { redis, target, consumer } = this.options;
    const { stream, consumerGroup } = target;
    const held = (await redis.xpending(stream, consumerGroup, "-", "+", 100, consumer)) as [string][];
    for (const [id] of held) {
      const found = (await redis.xrange(stream, id, id))[0];
      const reason = "The worker ended, or lost Redis, while it held the visit";
      const entry = { id, fields: fieldsOf(found?.[1] ?? []) };
      await this.giveBack(entry, { code: "WORKER_LOST", reason, countsAttempt: counts });
    }
    this.doubt = undefined;
  }

  /** Visits of workers that gave no sign for longer than a lease. */
  private async giveBackStale(): Promise<void> {
    const { redis, target, settings, log } = this.options;
    const { leaseMs, maxAttempts, instrument } = settings;
    for (const entry of await staleEntries(redis, target, leaseMs, staleCount)) {
      const reason = `Its worker ${entry.consumer} gave no sign for ${Math.round(entry.idleMs / 1000)} s`;
      const why = { stage: "gateway", code: "WORKER_LOST", reason, maxAttempts } as const;
      const { outcome } = await putBack(redis, target, entry, { ...why, minIdleMs: leaseMs });
      if (outcome === "put-back" || outcome === "dead") metrics.taken.inc({ instrument });
      log.warn({ entry: entry.id, outcome, reason }, "Visit of a silent worker given back");
    }
    this.staleDueMs = Date.now() + longestBlockMs(leaseMs);
  }

  /** Repeats a step until Redis takes it. @throws when it has not for {@link recordLimitMs}. */
  private async record<T>(step: () => Promise<T>): Promise<T> {
    const startMs = Date.now();
    for (let tries = 1; ; tries++) {
      try {
        return await step();
      } catch (error) {
        const limitMs = this.stop.aborted ? lastRecordLimitMs : recordLimitMs;
        if (Date.now() - startMs > limitMs || isGroupMissing(error)) throw error;
        const delayMs = backoffMs(tries, retryBaseMs, retryMaxMs);
        this.options.log.warn({ reason: messageOf(error), delayMs }, "Redis does not take it; trying again");
        await sleep(delayMs);
      }
    }
  }

  /** Ends the wait for a visit; what is given at this moment comes out of it all the same. */
  private async unblock(): Promise<void> {
    const { redis, reader, log } = this.options;
    // The order of commands on two connections is not known: until the wait has ended, it may not have begun.
    while (this.blocked) {
      try {
        if (this.readerId !== undefined) await redis.client("UNBLOCK", this.readerId);
        await sleep(20);
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "The wait for a visit cannot be ended in order");
        return reader.disconnect();
      }
    }
  }

  /** Leaves the consumer group, holding nothing. */
  private async end(): Promise<void> {
    const { redis, target, consumer, log } = this.options;
    try {
      if (this.doubt) await this.giveBackOwn(this.doubt.counts);
      await leave(redis, target, consumer);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "Could not leave the consumer group; housekeeping will see to it");
    }
  }
}

/** A stream entry that is no visit of this instrument. */
class ForeignVisitError extends FacilityError {
  readonly code = "WRONG_INSTRUMENT";
  readonly retryable = false;
  constructor(instrument: string, served: string) {
    super(`The visit is of "${instrument}", and this stream's workers serve ${served}.`);
  }
}

function readVisit({ fields }: StreamEntry, served: string) {
  try {
    const visit = visitOfFields(fields);
    return visit.instrument === served ? visit : new ForeignVisitError(visit.instrument, served);
  } catch (error) {
    if (error instanceof FacilityError) return error;
    throw error;
  }
}
