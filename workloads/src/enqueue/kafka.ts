import type { Consumer, EachBatchPayload, KafkaMessage } from "kafkajs";
import { messageOf } from "../lib/errors";
import type { Probe } from "../lib/http";
import { kafkaClient } from "../lib/kafka";
import { readNotificationText } from "../lib/notification";
import { backoffMs, sleep, stopped } from "../lib/process";
import type { KafkaSource } from "./config";
import { emptyIntake, type Intake, type Sorter } from "./intake";
import { metrics } from "./metrics";
import { store, type StoreOptions } from "./store";

export interface KafkaEnqueueOptions extends StoreOptions {
  readonly source: KafkaSource;
  readonly sorter: Sorter;
  readonly stop: AbortSignal;
}

/** Bytes of one fetch of a partition, about 250 messages: made durable together, and small, so that little waits in memory. */
const fetchBytes = 262_144;
/** Time between two commits while there is a backlog; after a crash so much comes again, and is known as a repeat. */
const commitMs = 1_000;
/** First and largest delay after Redis or Kafka failed, ms. */
const baseMs = 250;
const maxMs = 10_000;
/** How often the group hears from us while Redis is waited for; well below the session time-out. */
const heartbeatMs = 3_000;
const sessionTimeoutMs = 30_000;
/** How long the group waits for its members when it shares out partitions: ours answer within a heartbeat. */
const rebalanceTimeoutMs = 10_000;
/** A consumer that gave no sign for this long hangs: it polls, beats or reconnects every few seconds. */
const silenceLimitMs = 300_000;

/**
 * Consumes the topic of the bucket notifications. An offset is resolved, and so committed, only when everything in its
 * message and before it is durable in Redis; while Redis fails, the partition waits with back-off where it is.
 */
export class KafkaEnqueue {
  private readonly consumer: Consumer;
  private joined = false;
  private lastSignMs = Date.now();
  private lastCommitMs = 0;
  /** The batch that is on its way to Redis. */
  private pending: Pending | undefined;
  /** Partition -> largest offset up to which everything is durable, since the group was joined. */
  private readonly durable = new Map<number, bigint>();
  private crash: Error | undefined;
  private readonly ended: Promise<never>;

  constructor(private readonly options: KafkaEnqueueOptions) {
    const { source, log } = options;
    const kafka = kafkaClient(source.connection, log);
    this.consumer = kafka.consumer({
      groupId: source.consumerGroup,
      allowAutoTopicCreation: false, // a misspelt topic must be an error, not a new topic
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      heartbeatInterval: heartbeatMs,
      maxWaitTimeInMs: 1_000,
      maxBytesPerPartition: fetchBytes,
      retry: {
        initialRetryTime: 300,
        maxRetryTime: maxMs,
        retries: 8,
        restartOnFailure: async () => !options.stop.aborted,
      },
    });
    this.ended = new Promise((_resolve, reject) => {
      this.watch(reject);
    });
    this.ended.catch(() => undefined);
  }

  /** Ready: the group has given this consumer its partitions. */
  readonly ready: Probe = {
    name: "kafka",
    check: () => {
      if (!this.joined) throw new Error(`has not joined group ${this.options.source.consumerGroup}`);
    },
  };

  /** Alive: the consumer runs and shows signs of it. */
  readonly live: Probe = {
    name: "kafka-consumer",
    check: () => {
      if (this.crash) throw this.crash;
      const silentMs = Date.now() - this.lastSignMs;
      if (silentMs > silenceLimitMs) throw new Error(`gave no sign for ${Math.round(silentMs / 1000)} s`);
    },
  };

  /** Consumes until told to stop. @throws when the consumer ended for good. */
  async run(): Promise<void> {
    const { source, stop, log } = this.options;
    if (!source.fromBeginning) {
      log.warn(
        "KAFKA_OFFSET_RESET=latest: what was sent before the group's first start, or while its offsets had expired, is skipped",
      );
    }
    const consuming = this.consume();
    consuming.catch(() => undefined); // a stop cuts it short, and then nobody waits for it
    await Promise.race([consuming, stopped(stop)]);
  }

  private async consume(): Promise<void> {
    const { source, stop, log } = this.options;
    const { cluster, kafkaTopic, consumerGroup, fromBeginning } = source;
    for (let attempt = 1; ; attempt++) {
      try {
        this.sign();
        await this.consumer.connect();
        await this.consumer.subscribe({ topics: [kafkaTopic], fromBeginning });
        break;
      } catch (error) {
        if (stop.aborted) return;
        log.error({ reason: messageOf(error), cluster, kafkaTopic }, "Kafka cannot be reached; trying again");
        await sleep(backoffMs(attempt, baseMs, maxMs), stop);
      }
    }
    if (stop.aborted) return;
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.take(payload),
    });
    log.info(`Kafka consumer started: topic=${kafkaTopic} cluster=${cluster} group=${consumerGroup}`);
    await this.ended;
  }

  /** Ends after the batch in hand; what is not committed comes again, and is known as a repeat. */
  async close(): Promise<void> {
    await this.consumer.disconnect();
  }

  /**
   * Reads a batch and sends it to Redis, and only then waits for the batch before it: both sides work at once. Resolving
   * an offset moves where the next fetch begins and is no promise; what is committed is {@link durable} only.
   */
  private async take(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload;
    const { topic, partition, messages } = batch;
    const lastOffset = batch.lastOffset();
    const goesOn = () => isRunning() && !isStale() && !this.options.stop.aborted;
    const intake = this.read(messages, `${topic}/${partition}`);
    const firstTry = store(intake, this.options);
    firstTry.catch(() => undefined); // waited for by save, perhaps later than it fails
    if (!(await this.save(heartbeat, goesOn))) return; // this batch is not resolved: it comes again, here or elsewhere
    this.pending = { intake, firstTry, partition, lastOffset };
    resolveOffset(lastOffset);
    const lag = Math.max(0, Number(batch.highWatermark) - 1 - Number(lastOffset));
    metrics.kafkaLag.set({ partition }, lag);
    if (lag === 0 && !(await this.save(heartbeat, goesOn))) return;
    this.sign();
    await heartbeat();
    if (lag > 0 && Date.now() - this.lastCommitMs < commitMs) return;
    this.lastCommitMs = Date.now();
    const partitions = [...this.durable].map(([number, offset]) => ({
      partition: number,
      offset: String(offset + 1n),
    }));
    if (partitions.length > 0) await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
  }

  private read(messages: readonly KafkaMessage[], from: string): Intake {
    const { sorter } = this.options;
    const intake = emptyIntake();
    for (const { value, offset } of messages) {
      const text = value?.toString("utf8") ?? "";
      const { records, faults } = text === "" ? emptyMessage : readNotificationText(text, sorter.options.keyEncoding);
      for (const record of records) sorter.sort(record, intake);
      for (const { index, reason } of faults) {
        const where = index < 0 ? reason : `Records[${index}]: ${reason}`;
        intake.rejected.push({ source: `${from}/${offset}`, reason: where, text });
      }
    }
    return intake;
  }

  /** Waits until the pending batch is durable, however long Redis takes to come back. @returns false when told to stop before. */
  private async save(heartbeat: () => Promise<void>, goesOn: () => boolean): Promise<boolean> {
    const { stop, log } = this.options;
    for (let attempt = 1; this.pending; attempt++) {
      if (!goesOn()) return false;
      const { intake, firstTry, partition, lastOffset } = this.pending;
      try {
        await this.beatingWhile(attempt === 1 ? firstTry : store(intake, this.options), heartbeat);
        if (attempt > 1) log.info({ attempt }, "Redis takes notifications again");
        this.durable.set(partition, BigInt(lastOffset));
        this.pending = undefined;
      } catch (error) {
        if (error instanceof HeartbeatError) throw error.cause;
        const delayMs = backoffMs(attempt, baseMs, maxMs);
        const message = "Redis did not take notifications; their offsets stay uncommitted";
        log.error({ reason: messageOf(error), attempt, delayMs }, message);
        await this.beatingWhile(sleep(delayMs, stop), heartbeat).catch((failure: HeartbeatError) => {
          throw failure.cause;
        });
      }
    }
    return true;
  }

  /** Waits for `work`, and keeps the membership of the group alive meanwhile. */
  private async beatingWhile(work: Promise<unknown>, heartbeat: () => Promise<void>): Promise<void> {
    const state = { done: false };
    const finished = work.finally(() => {
      state.done = true;
    });
    finished.catch(() => undefined); // awaited below, perhaps later than it fails
    while (!state.done) {
      const timer = new AbortController();
      await Promise.race([finished.catch(() => undefined), sleep(heartbeatMs, timer.signal)]);
      timer.abort();
      if (state.done) break;
      this.sign();
      try {
        await heartbeat();
      } catch (cause) {
        throw new HeartbeatError("heartbeat failed", { cause });
      }
    }
    await finished;
  }

  private sign(): void {
    this.lastSignMs = Date.now();
  }

  private watch(fail: (error: Error) => void): void {
    const { consumer } = this;
    const {
      GROUP_JOIN,
      REBALANCING,
      CRASH,
      STOP,
      DISCONNECT,
      FETCH_START,
      HEARTBEAT,
      REQUEST,
      REQUEST_TIMEOUT,
      CONNECT,
    } = consumer.events;
    for (const event of [FETCH_START, HEARTBEAT, REQUEST, REQUEST_TIMEOUT, CONNECT, REBALANCING] as const) {
      consumer.on(event as typeof HEARTBEAT, () => this.sign());
    }
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.joined = true;
      this.pending = undefined; // what was not committed comes again, to whoever has its partition now
      this.durable.clear();
      const partitions = payload.memberAssignment[this.options.source.kafkaTopic] ?? [];
      this.options.log.info({ partitions }, "Kafka group joined");
    });
    for (const event of [REBALANCING, STOP, DISCONNECT] as const) {
      consumer.on(event as typeof STOP, () => {
        this.joined = false;
      });
    }
    consumer.on(CRASH, ({ payload }) => {
      this.joined = false;
      this.sign();
      if (payload.restart) return;
      this.crash = payload.error;
      fail(payload.error);
    });
  }
}

/** A batch on its way to Redis. */
interface Pending {
  readonly intake: Intake;
  readonly firstTry: Promise<void>;
  readonly partition: number;
  readonly lastOffset: string;
}

/** The group did not take the heartbeat: kafkajs must see its own error, to join again. */
class HeartbeatError extends Error {}

const emptyMessage = { records: [], faults: [{ index: -1, reason: "is empty (a tombstone)" }] };
