import type { Admin, Consumer, EachBatchPayload, Kafka } from "kafkajs";
import { messageOf } from "../lib/errors";
import type { Probe } from "../lib/http";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import type { Origin } from "./batch";
import { Lag } from "./lag";
import { metrics } from "./metrics";
import type { Pipeline } from "./pipeline";
import type { Records } from "./records";
import { TopicWatch } from "./topics";

export interface ConsumeOptions {
  readonly kafka: Kafka;
  readonly consumerGroup: string;
  readonly topicPattern: RegExp;
  readonly refreshMs: number;
  readonly batchLines: number;
  readonly batchBytes: number;
  readonly records: Records;
  readonly pipeline: Pipeline;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

/** Bytes of one fetch: of a partition, and of all together. Two of them are in memory, besides what is written. */
const partitionBytes = 1 << 19;
const fetchBytes = 4 << 20;
/** Least time between two commits; after a crash so much comes again, to the same points. */
const commitMs = 250;
/** First and largest delay after Kafka failed, ms. */
const baseMs = 250;
const maxMs = 10_000;
/** How often the group hears from us while something is waited for; well below the session time-out. */
const heartbeatMs = 3_000;
const sessionTimeoutMs = 30_000;
const rebalanceTimeoutMs = 10_000;
/** Longest time that a stop or a new set of topics waits for what is being written. */
const drainLimitMs = 10_000;
/** A consumer that gave no sign for this long hangs. */
const silenceLimitMs = 300_000;

/**
 * Consumes the topics that match. An offset is committed only when everything of its partition before it is in InfluxDB or in the
 * dead-letter topic. kafkajs cannot change its subscription while it runs: for topics that come, go or grow, the consumer ends
 * what it has in hand, commits, leaves the group and another one takes its place.
 */
export class Consume {
  private readonly admin: Admin;
  private readonly topics: TopicWatch;
  private readonly lag = new Lag();
  private consumer: Consumer | undefined;
  private joined = false;
  private draining = false;
  /** Ends what a batch waits for when its session is over. */
  private session = new AbortController();
  private lastSignMs = Date.now();
  private lastCommitMs = 0;
  private committing: Promise<void> | undefined;

  constructor(private readonly options: ConsumeOptions) {
    const { kafka, topicPattern, pipeline, log } = options;
    this.admin = kafka.admin({ retry: { retries: 2 } });
    this.topics = new TopicWatch(this.admin, topicPattern, log);
    pipeline.onDurable = () => this.commitSoon();
  }

  /** Ready: it has its partitions, or there is no topic for it yet. */
  readonly ready: Probe = {
    name: "kafka",
    check: () => {
      if (this.joined || this.topics.known?.size === 0) return;
      throw new Error(`has not joined group ${this.options.consumerGroup}`);
    },
  };

  /** Alive: it shows signs of it. */
  readonly live: Probe = {
    name: "kafka-consumer",
    check: () => {
      const silentMs = Date.now() - this.lastSignMs;
      if (silentMs > silenceLimitMs) throw new Error(`gave no sign for ${Math.round(silentMs / 1000)} s`);
    },
  };

  /** Consumes until told to stop. */
  async run(): Promise<void> {
    const { stop, log, refreshMs } = this.options;
    let isAlone = false;
    for (let attempt = 1; !stop.aborted;) {
      this.sign();
      try {
        const topics = await this.topics.look();
        metrics.topics.set(topics.length);
        if (topics.length === 0) {
          if (!isAlone) log.info({ pattern: this.options.topicPattern.source }, "No topic matches yet");
          isAlone = true;
          await sleep(refreshMs, stop);
        } else {
          isAlone = false;
          await this.consume(topics, () => (attempt = 1));
        }
      } catch (error) {
        if (stop.aborted) break;
        const delayMs = backoffMs(attempt++, baseMs, maxMs);
        log.error({ reason: messageOf(error), delayMs }, "Kafka cannot be read; trying again");
        await sleep(delayMs, stop);
      }
    }
    await this.admin.disconnect().catch(() => undefined);
  }

  /** One consumer's life. @returns when told to stop, or when there are other topics. @throws what ended it. */
  private async consume(topics: string[], onJoined: () => void): Promise<void> {
    const { kafka, consumerGroup, pipeline, stop, refreshMs, log } = this.options;
    const session = (this.session = new AbortController());
    const end = () => session.abort();
    const consumer = (this.consumer = kafka.consumer({
      groupId: consumerGroup,
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      heartbeatInterval: heartbeatMs,
      maxWaitTimeInMs: 500,
      maxBytesPerPartition: partitionBytes,
      maxBytes: fetchBytes,
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 3, restartOnFailure: async () => false },
    }));
    this.draining = false;
    const crashed = new Promise<never>((_resolve, reject) => this.watch(consumer, reject, onJoined));
    crashed.catch(() => undefined);
    stop.addEventListener("abort", end, { once: true });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.take(payload),
      });
      await Promise.race([this.topicsChange(refreshMs, stop), crashed]);
      // What is in hand is finished and committed while the membership lasts, so the next one repeats nothing.
      this.draining = true;
      await Promise.race([pipeline.drained(), sleep(drainLimitMs), crashed]).catch((error: unknown) =>
        log.warn({ reason: messageOf(error) }, "What is in hand was not stored before the end; it comes again"),
      );
      await this.commit();
    } finally {
      stop.removeEventListener("abort", end);
      end();
      this.joined = false;
      this.consumer = undefined;
      await consumer.disconnect().catch(() => undefined);
      pipeline.forget();
    }
  }

  /** Resolves when the topics are no longer the same, or at a stop. */
  private async topicsChange(refreshMs: number, stop: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(refreshMs, stop);
      if (stop.aborted || this.session.signal.aborted) return;
      try {
        if (await this.topics.hasChanged()) return;
      } catch (error) {
        this.options.log.warn({ reason: messageOf(error) }, "Topics cannot be listed; those known are read on");
      }
    }
  }

  private async take(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload;
    const { pipeline, records, batchLines, batchBytes } = this.options;
    const { topic, partition, messages } = batch;
    const { signal } = this.session;
    const goesOn = () => isRunning() && !isStale() && !signal.aborted;
    this.sign();
    this.lag.seen(topic, partition, batch.highWatermark);
    metrics.messages.inc(messages.length);
    const prepared = new AbortController();
    const stopPreparing = () => prepared.abort();
    signal.addEventListener("abort", stopPreparing, { once: true });
    try {
      await this.beatingWhile(records.prepare(messages, prepared.signal), heartbeat);
    } finally {
      stopPreparing(); // when the heartbeat failed it would go on for nobody
      signal.removeEventListener("abort", stopPreparing);
    }
    for (let at = 0; at < messages.length;) {
      while (goesOn() && (this.draining || pipeline.current === undefined))
        await this.beatingWhile(this.draining ? aborted(signal) : pipeline.changed(), heartbeat);
      const into = pipeline.current;
      if (!goesOn() || !into) return; // not resolved: it comes again, here or elsewhere
      const { lines } = into;
      while (at < messages.length && lines.lines < batchLines && lines.length < batchBytes && into.dead.length < 1000) {
        const origin: Origin = { topic, partition, message: messages[at]! };
        records.add(origin, into);
        at++;
      }
      const next = at < messages.length ? BigInt(messages[at]!.offset) : BigInt(batch.lastOffset()) + 1n;
      into.reach(topic, partition, next);
      pipeline.added();
    }
    resolveOffset(batch.lastOffset());
    await heartbeat();
  }

  private commitSoon(): void {
    if (this.committing || this.draining) return;
    const waitMs = Math.max(0, this.lastCommitMs + commitMs - Date.now());
    this.committing = sleep(waitMs, this.session.signal)
      .then(() => this.commit())
      .finally(() => {
        this.committing = undefined;
        // What became durable while that commit was under way, and perhaps nothing comes after it.
        if (this.options.pipeline.hasDurable && !this.session.signal.aborted) this.commitSoon();
      });
  }

  private async commit(): Promise<void> {
    const { pipeline, log } = this.options;
    const { consumer } = this;
    this.lastCommitMs = Date.now();
    const ends = pipeline.takeDurable();
    if (ends.length === 0 || !consumer) return;
    try {
      await consumer.commitOffsets(ends.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) }))); // prettier-ignore
      metrics.commits.inc();
      for (const { topic, partition, offset } of ends) this.lag.stored(topic, partition, offset);
      this.lag.publish();
    } catch (error) {
      // The next commit takes them along, or they come again after the partitions were shared out anew.
      if (consumer === this.consumer && this.joined) pipeline.giveBack(ends);
      log.info({ reason: messageOf(error) }, "Offsets were not committed");
    }
  }

  /** Waits for `work`, and keeps the membership of the group alive meanwhile. @throws what the heartbeat throws, for kafkajs. */
  private async beatingWhile(work: Promise<unknown>, heartbeat: () => Promise<void>): Promise<void> {
    let isDone = false;
    const finished = work.finally(() => (isDone = true));
    finished.catch(() => undefined); // awaited below, perhaps later than it fails
    for (;;) {
      const timer = new AbortController();
      await Promise.race([finished.catch(() => undefined), sleep(heartbeatMs, timer.signal)]);
      timer.abort();
      if (isDone) break;
      this.sign();
      await heartbeat();
    }
    await finished;
  }

  private sign(): void {
    this.lastSignMs = Date.now();
  }

  private watch(consumer: Consumer, fail: (error: Error) => void, onJoined: () => void): void {
    const { pipeline, log, consumerGroup } = this.options;
    const { GROUP_JOIN, REBALANCING, CRASH, STOP, DISCONNECT, FETCH_START, HEARTBEAT } = consumer.events;
    for (const event of [FETCH_START, HEARTBEAT] as const) consumer.on(event as typeof HEARTBEAT, () => this.sign());
    consumer.on(GROUP_JOIN, ({ payload }) => {
      pipeline.forget(); // what was not committed comes again, to whoever has its partition now
      this.lag.clear();
      this.joined = true;
      onJoined();
      const partitions = Object.values(payload.memberAssignment).reduce((sum, { length }) => sum + length, 0);
      metrics.partitions.set(partitions);
      log.info(
        { consumerGroup, topics: Object.keys(payload.memberAssignment).length, partitions },
        "Kafka group joined",
      );
    });
    consumer.on(REBALANCING, () => {
      this.joined = false;
      metrics.rebalances.inc();
    });
    for (const event of [STOP, DISCONNECT] as const)
      consumer.on(event as typeof STOP, () => {
        if (this.consumer === consumer) this.joined = false;
      });
    consumer.on(CRASH, ({ payload }) => {
      if (this.consumer === consumer) this.joined = false;
      fail(payload.error);
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true }))); // prettier-ignore
}
