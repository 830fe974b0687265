import type { Redis } from "ioredis";
import type { KafkaMessage } from "kafkajs";
import type { AvroRegistry } from "../lib/avro";
import { cameraNamed } from "../lib/cameras";
import { FacilityError, messageOf } from "../lib/errors";
import type { BatchTaker, Position, TakenBatch } from "../lib/groupConsumer";
import type { Probe } from "../lib/http";
import type { Logger } from "../lib/log";
import { persistently, StoppedError } from "../lib/persistently";
import { backoffMs, sleep, stopped } from "../lib/process";
import { isExpired, parkLetters, recordAgeSeconds, type Retry, slugOf, visitOf } from "../lib/visits";
import { detectorsOf, type Routes } from "./config";
import type { Delivery } from "./delivery";
import { DependencyError, onRedis } from "./errors";
import { metrics } from "./metrics";
import { Progress } from "./progress";

export interface FanOutOptions {
  readonly registry: AvroRegistry;
  readonly routes: Routes;
  readonly delivery: Delivery;
  /** Gets the dead letters. */
  readonly redis: Redis;
  readonly expirationSeconds: number;
  readonly maxInHand: number;
  /** Whether a group without offsets begins with what comes after it joined. */
  readonly fromEnd: boolean;
  /** What of the consumer group is needed. */
  readonly group: {
    commit(...positions: Position[]): Promise<void>;
    committed(topic: string, partition: number): Promise<{ offset: bigint } | undefined>;
    endOf(topic: string, partition: number): Promise<bigint>;
  };
  /** Told to stop: nothing more is taken. */
  readonly stop: AbortSignal;
  /** The group is being left: nothing can be committed any more. */
  readonly leaving: AbortSignal;
  readonly log: Logger;
}

/**
 * Takes next_visit events and has each delivered to the workers of its detectors. Several are in hand at a time; an offset
 * is committed once everything before it is done with: delivered, a dead letter, or nothing to do.
 */
export class FanOut implements BatchTaker {
  private partitions = new Map<string, Progress>();
  private inHand = new Set<Promise<void>>();
  private committing: Promise<void> | undefined;
  private waiting: (() => void)[] = [];

  constructor(private readonly options: FanOutOptions) {
    options.stop.addEventListener("abort", () => this.wake());
  }

  /** Ready: it is known where reading begins, so no event from now on is missed. */
  readonly ready: Probe = {
    name: "offsets",
    check: () => {
      for (const { topic, partition, isPlaced } of this.partitions.values())
        if (!isPlaced) throw new Error(`where to begin in ${topic}/${partition} is not known yet`);
    },
  };

  reset(assigned: ReadonlyMap<string, readonly number[]>): void {
    this.partitions = new Map();
    for (const [topic, partitions] of assigned) {
      for (const partition of partitions) this.begin(topic, partition, (progress) => this.beginning(progress));
    }
  }

  async take({ topic, partition, messages, highWatermark }: TakenBatch): Promise<boolean> {
    const { stop, leaving, maxInHand, log } = this.options;
    let progress = this.partitions.get(`${topic}/${partition}`);
    try {
      if (!progress) throw new StoppedError(`${topic}/${partition} is another member's`);
      if (progress.isPast(highWatermark)) {
        log.warn({ topic, partition }, "Offsets begin anew: the topic was deleted and made again");
        progress = this.begin(topic, partition, () => Promise.resolve(0n));
      }
      const beginning = await progress.beginning;
      for (const message of messages) {
        while (this.inHand.size >= maxInHand && !stop.aborted) await new Promise<void>((go) => this.waiting.push(go));
        if (stop.aborted) throw new StoppedError("told to stop");
        const offset = BigInt(message.offset);
        if (offset < beginning || !progress.begin(offset)) continue;
        const work: Promise<void> = this.handle(progress, message).finally(() => {
          this.inHand.delete(work);
          metrics.inHand.set(this.inHand.size);
          this.wake();
        });
        this.inHand.add(work);
        metrics.inHand.set(this.inHand.size);
      }
      return true;
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error;
      if (stop.aborted) await stopped(leaving); // else the same batch would come again and again meanwhile
      return false;
    }
  }

  /** Does an event again that was a dead letter. @throws StoppedError when told to stop before. */
  async again({ source, payload }: Retry): Promise<void> {
    const { outcome, instrument } = await this.settle(source, { value: payload, timestamp: String(Date.now()) });
    metrics.visits.inc({ outcome, instrument });
  }

  /** Waits for what is in hand, no longer than `limitMs`, and commits it. After `stop`. */
  async drain(limitMs: number): Promise<void> {
    const timer = new AbortController();
    const limit = sleep(limitMs, timer.signal);
    await Promise.race([Promise.all(this.inHand), limit]);
    if (this.inHand.size > 0) this.options.log.warn({ visits: this.inHand.size }, "Stopping before these are done: they come again"); // prettier-ignore
    await Promise.race([this.commit(), limit]);
    timer.abort();
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }

  /** From here on nothing that was begun before counts for the partition. */
  private begin(topic: string, partition: number, beginning: (progress: Progress) => Promise<bigint>): Progress {
    const progress = new Progress(topic, partition);
    this.partitions.set(`${topic}/${partition}`, progress);
    progress.place(beginning(progress));
    return progress;
  }

  /** First offset that is read, of a partition that nobody committed; 0 where somebody did. */
  private beginning(progress: Progress): Promise<bigint> {
    const { fromEnd, group, log, leaving } = this.options;
    if (!fromEnd) return Promise.resolve(0n);
    const { topic, partition } = progress;
    return persistently(
      "offsets",
      async () => {
        if (!this.isOurs(progress)) throw new StoppedError("shared out anew");
        try {
          if (await group.committed(topic, partition)) return 0n;
          const nextOffset = await group.endOf(topic, partition);
          await group.commit({ topic, partition, nextOffset });
          return nextOffset;
        } catch (error) {
          throw new DependencyError("KAFKA_UNAVAILABLE", `The offsets of ${topic} cannot be settled`, error);
        }
      },
      { stop: leaving, log },
    );
  }

  private isOurs(progress: Progress): boolean {
    return this.partitions.get(`${progress.topic}/${progress.partition}`) === progress;
  }

  private async handle(progress: Progress, message: KafkaMessage): Promise<void> {
    const { topic, partition } = progress;
    const source = `${topic}/${partition}/${message.offset}`;
    try {
      const { outcome, instrument } = await this.settle(source, message);
      metrics.visits.inc({ outcome, instrument });
      progress.end(BigInt(message.offset));
      void this.commit();
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error; // ends the process
      // else it stays uncommitted, and comes again
    }
  }

  private async settle(
    source: string,
    message: Pick<KafkaMessage, "value" | "timestamp">,
  ): Promise<{ outcome: string; instrument: string }> {
    const { registry, routes, delivery, expirationSeconds, log } = this.options;
    const bytes = message.value;
    if (bytes === null) return { outcome: "empty", instrument: "" };
    let record: Readonly<Record<string, unknown>> = {};
    try {
      record = (await persistently("schema", () => registry.decode(bytes), this.options)).value;
      const { instrument: name, groupId: group } = record;
      const instrument = labelOf(name);
      if (name === "") return { outcome: "no_observation", instrument };
      const ageSeconds = recordAgeSeconds(record.private_efdStamp, Date.now());
      if (ageSeconds === undefined) log.warn({ source }, "Event has no private_efdStamp: its age is not known");
      else if (isExpired(ageSeconds, expirationSeconds)) {
        log.warn({ source, instrument: name, group, ageSeconds }, "Event is too old");
        return { outcome: "expired", instrument };
      }
      const route = typeof name === "string" ? routes.get(name) : undefined;
      if (!route && instrument !== unknown) return { outcome: "not_served", instrument };
      const visit = visitOf(record);
      if (!route) throw new UnknownInstrumentError(visit.instrument);
      const detectors = detectorsOf(route, visit);
      if (detectors.length === 0) return { outcome: "no_detectors", instrument };
      const outcome = await delivery.deliver(visit, route, detectors, source);
      if (outcome === "fanned_out") metrics.seconds.observe({ instrument }, (Date.now() - Number(message.timestamp)) / 1000); // prettier-ignore
      return { outcome, instrument };
    } catch (error) {
      if (error instanceof StoppedError) throw error;
      await this.park(source, bytes, record, error);
      return { outcome: "dead_letter", instrument: labelOf(record.instrument) };
    }
  }

  private async park(
    source: string,
    payload: Buffer,
    record: Readonly<Record<string, unknown>>,
    error: unknown,
  ): Promise<void> {
    // prettier-ignore
    const { redis, log } = this.options;
    const code = error instanceof FacilityError ? error.code : "INTERNAL";
    const { instrument, groupId } = record;
    const letter = {
      stage: "fan-out",
      code,
      reason: messageOf(error),
      ...(typeof instrument === "string" && { instrument }),
      ...(typeof groupId === "string" && { group: groupId }),
      source,
      payload,
      attempts: 0,
    } as const;
    await persistently("dead letter", () => onRedis("A dead letter", () => parkLetters(redis, [letter])), this.options);
    metrics.deadLettered.inc({ code });
    log.error({ source, code, reason: letter.reason }, "Event is a dead letter");
  }

  /** Commits what is done; calls meanwhile are answered by one more commit. */
  private commit(): Promise<void> {
    this.committing ??= (async () => {
      for (let attempt = 1; ;) {
        await Promise.resolve(); // what ends at the same moment is one commit
        const due = [...this.partitions.values()].filter((one) => one.isDue);
        if (due.length === 0) break;
        const positions = due.map((one) => one.done);
        try {
          await this.options.group.commit(...positions);
        } catch (error) {
          const delayMs = backoffMs(attempt++, 250, 10_000);
          this.options.log.warn({ reason: messageOf(error), delayMs }, "Offsets are not committed; trying again");
          await sleep(delayMs, this.options.leaving);
          if (this.options.leaving.aborted) break;
          continue; // with what is due then: nothing, if the group has joined anew
        }
        due.forEach((one, index) => one.committed(positions[index]!.nextOffset));
      }
    })().finally(() => {
      this.committing = undefined;
    });
    return this.committing;
  }
}

/** Label of what is no instrument that anybody knows: the label has few values, whatever is sent. */
const unknown = "unknown";
function labelOf(instrument: unknown): string {
  if (instrument === "") return "";
  return typeof instrument === "string" && cameraNamed(instrument) ? slugOf(instrument) : unknown;
}

/** An instrument that neither this environment nor anybody else has. */
class UnknownInstrumentError extends FacilityError {
  readonly code = "UNKNOWN_INSTRUMENT";
  readonly retryable = false;
  constructor(instrument: string) {
    super(`Cannot fan out a visit of instrument "${instrument}": there is no such camera.`);
  }
}
