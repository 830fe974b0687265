import type { Admin, Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs";
import { messageOf } from "./errors";
import type { Probe } from "./http";
import type { Logger } from "./log";
import { backoffMs, sleep, stopped } from "./process";

/** Messages of one partition, in order. */
export interface TakenBatch {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** Offset of the last message that the partition had at the time of the fetch, plus one. */
  readonly highWatermark: bigint;
}

/** How far a partition is done. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** Everything before is done. */
  readonly nextOffset: bigint;
  /** Kept with the offset; given back by {@link GroupConsumer.committed}. */
  readonly metadata?: string;
}

/** What is done with the messages of a group's partitions. Partitions are taken one batch at a time. */
export interface BatchTaker {
  /**
   * Partitions were shared out: everything held is dropped, and comes again from the committed offsets. Between this and
   * the next call no {@link take} of before is under way.
   */
  reset(assigned: ReadonlyMap<string, readonly number[]>): void;
  /**
   * Takes a batch. It may hold messages that an earlier one held.
   * @returns whether the next may be read; false, when told to stop, leaves this one to be read again.
   */
  take(batch: TakenBatch): Promise<boolean>;
}

export interface GroupConsumerOptions {
  readonly kafka: Kafka;
  readonly consumerGroup: string;
  /** Topics that are read: those whose whole name matches. */
  readonly topicPattern: RegExp;
  /** Further condition on a topic's name. */
  readonly accepts?: (kafkaTopic: string) => boolean;
  /** How often new and deleted topics are looked for, ms. */
  readonly topicRefreshMs: number;
  /** Partitions that are taken at the same time. */
  readonly concurrency: number;
  readonly maxBytesPerPartition: number;
  /** A member that was not heard of for so long is given up, and its partitions go to others. */
  readonly sessionTimeoutMs: number;
  readonly taker: BatchTaker;
  readonly stop: AbortSignal;
  readonly log: Logger;
}

const baseMs = 250;
const maxMs = 10_000;
/** A consumer that gave no sign for this long hangs: it polls, beats or reconnects every few seconds. */
const silenceLimitMs = 300_000;

/**
 * Member of a consumer group over all topics that match a pattern. It joins anew when topics come or go, since a group
 * knows its topics from the moment of joining. Nothing is committed by itself.
 */
export class GroupConsumer {
  private readonly admin: Admin;
  private consumer: Consumer | undefined;
  private topics: readonly string[] = [];
  private joined = false;
  /** How often the group hears from us, also while a batch is worked on. */
  private readonly heartbeatMs: number;
  private lastSignMs = Date.now();

  constructor(private readonly options: GroupConsumerOptions) {
    this.admin = options.kafka.admin();
    this.heartbeatMs = Math.min(3_000, options.sessionTimeoutMs / 4);
  }

  /** Ready: the group has given this member its partitions, or there is no topic to read. */
  readonly ready: Probe = {
    name: "kafka",
    check: () => {
      if (!this.joined) throw new Error(`has not joined group ${this.options.consumerGroup}`);
    },
  };

  /** Alive: the consumer shows signs of it. */
  readonly live: Probe = {
    name: "kafka-consumer",
    check: () => {
      const silentMs = Date.now() - this.lastSignMs;
      if (silentMs > silenceLimitMs) throw new Error(`gave no sign for ${Math.round(silentMs / 1000)} s`);
    },
  };

  /** Consumes until told to stop, however long the brokers are away. */
  async run(): Promise<void> {
    const { stop, log, topicRefreshMs } = this.options;
    const stopping = stopped(stop);
    for (let attempt = 1; !stop.aborted;) {
      const round = new AbortController();
      const failed = new Promise<Error>((resolve) => round.signal.addEventListener("abort", () => resolve(round.signal.reason))); // prettier-ignore
      try {
        this.sign();
        await this.admin.connect();
        this.topics = await this.matching();
        if (this.topics.length > 0) await this.join(round);
        else {
          log.warn({ pattern: this.options.topicPattern.source }, "No topic matches; looking again");
          this.joined = true;
        }
        attempt = 1;
        while (!stop.aborted) {
          const timer = new AbortController();
          const failure = await Promise.race([failed, sleep(topicRefreshMs, timer.signal), stopping]);
          timer.abort();
          if (failure instanceof Error) throw failure;
          if (stop.aborted || (await this.haveTopicsChanged())) break;
        }
      } catch (error) {
        if (!stop.aborted) {
          const delayMs = backoffMs(attempt++, baseMs, maxMs);
          log.error({ reason: messageOf(error), delayMs }, "Kafka cannot be read; trying again");
          await this.leave();
          await sleep(delayMs, stop);
        }
      }
      await this.leave();
    }
  }

  /** Tells the group what is done. @throws when the group does not take it, e.g. since it shares out partitions anew. */
  async commit(...positions: Position[]): Promise<void> {
    if (!this.consumer) throw new Error(`This process is no member of group ${this.options.consumerGroup} now.`);
    const offsets = positions.map(({ nextOffset, ...position }) => ({ ...position, offset: String(nextOffset) }));
    await this.consumer.commitOffsets(offsets);
  }

  /** What was committed for a partition last, by whichever member. */
  async committed(topic: string, partition: number): Promise<{ offset: bigint; metadata: string } | undefined> {
    const answer = await this.admin.fetchOffsets({ groupId: this.options.consumerGroup, topics: [topic] });
    const found = answer[0]?.partitions.find((one) => one.partition === partition);
    if (!found || Number(found.offset) < 0) return undefined;
    return { offset: BigInt(found.offset), metadata: found.metadata ?? "" };
  }

  /** The offset that the next message of a partition will have. */
  async endOf(topic: string, partition: number): Promise<bigint> {
    const found = (await this.admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition);
    return BigInt(found?.high ?? 0);
  }

  /** Number of partitions of a topic that is read. */
  async partitionsOf(topic: string): Promise<number> {
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.length ?? 0;
  }

  /** Ends after the batches in hand. */
  async close(): Promise<void> {
    await this.leave();
    await this.admin.disconnect();
  }

  private async matching(): Promise<string[]> {
    const { topicPattern, accepts = () => true } = this.options;
    const whole = new RegExp(`^(?:${topicPattern.source})$`);
    return (await this.admin.listTopics()).filter((topic) => whole.test(topic) && accepts(topic)).sort();
  }

  private async haveTopicsChanged(): Promise<boolean> {
    try {
      const now = await this.matching();
      this.sign();
      if (now.join() === this.topics.join()) return false;
      const [came, went] = [now.filter((one) => !this.topics.includes(one)), this.topics.filter((one) => !now.includes(one))]; // prettier-ignore
      this.options.log.info({ came: came.length, went: went.length }, "Topics changed; joining the group anew");
      return true;
    } catch (error) {
      this.options.log.warn({ reason: messageOf(error) }, "Topics cannot be listed; going on with those known");
      return false;
    }
  }

  private async join(round: AbortController): Promise<void> {
    const { kafka, consumerGroup, concurrency, maxBytesPerPartition, sessionTimeoutMs, stop, log } = this.options;
    const consumer = kafka.consumer({
      groupId: consumerGroup,
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: this.heartbeatMs,
      maxWaitTimeInMs: 500,
      maxBytesPerPartition,
      maxBytes: 8 * maxBytesPerPartition,
      retry: { initialRetryTime: 300, maxRetryTime: maxMs, retries: 8, restartOnFailure: async () => false },
    });
    this.consumer = consumer;
    this.watch(consumer, round);
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch: (payload) => this.take(payload),
    });
    if (!stop.aborted) log.info({ topics: this.topics.length, consumerGroup }, "Kafka consumer started");
  }

  private async leave(): Promise<void> {
    this.joined = false;
    const { consumer } = this;
    this.consumer = undefined;
    await consumer?.disconnect().catch((error: unknown) => {
      this.options.log.warn({ reason: messageOf(error) }, "Kafka consumer did not end well");
    });
  }

  private async take({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    if (!isRunning() || isStale() || this.options.stop.aborted) return;
    const { topic, partition, messages } = batch;
    const work = this.options.taker.take({ topic, partition, messages, highWatermark: BigInt(batch.highWatermark) });
    if (await this.beatingWhile(work, heartbeat)) resolveOffset(batch.lastOffset());
    await heartbeat();
  }

  /** Waits for `work`, and keeps the membership of the group alive meanwhile. */
  private async beatingWhile<T>(work: Promise<T>, heartbeat: () => Promise<void>): Promise<T> {
    const state: { done: boolean; lost?: Error } = { done: false };
    const finished = work.finally(() => {
      state.done = true;
    });
    finished.catch(() => undefined); // awaited below, perhaps later than it fails
    while (!state.done) {
      const timer = new AbortController();
      await Promise.race([finished.catch(() => undefined), sleep(this.heartbeatMs, timer.signal)]);
      timer.abort();
      this.sign();
      if (state.done || state.lost) continue;
      // kafkajs must see that it is to join again, but only after the work has ended: its state is dropped at joining.
      await heartbeat().catch((error: Error) => {
        state.lost = error;
      });
    }
    const result = await finished;
    if (state.lost) throw state.lost;
    return result;
  }

  private sign(): void {
    this.lastSignMs = Date.now();
  }

  private watch(consumer: Consumer, round: AbortController): void {
    const { events } = consumer;
    for (const event of [events.FETCH_START, events.HEARTBEAT, events.REQUEST, events.CONNECT, events.REBALANCING]) {
      consumer.on(event as typeof events.HEARTBEAT, () => this.sign());
    }
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      this.joined = true;
      const assigned = new Map(Object.entries(payload.memberAssignment));
      this.options.taker.reset(assigned);
      this.options.log.info({ topics: assigned.size }, "Kafka group joined");
    });
    consumer.on(events.CRASH, ({ payload }) => {
      this.joined = false;
      this.sign();
      round.abort(payload.error);
    });
  }
}
