import { setTimeout as sleep } from "node:timers/promises";
import Table from "cli-table3";
import type { Admin, IHeaders, Kafka, KafkaMessage } from "kafkajs";
import { CommandError } from "../exit";
import { kafkaOf, type KafkaOptions } from "./connection";

/** What dead-letter topics begin with. */
export const deadLetterPrefix = "dead-letters.";

/** A record that a program could not process, as it lies in its dead-letter topic. */
export interface DeadLetter {
  readonly deadLetterTopic: string;
  /** Place in the dead-letter topic. */
  readonly partition: number;
  readonly offset: string;
  /** Where it was. */
  readonly topic: string;
  readonly topicPartition: number;
  readonly topicOffset: string;
  /** Stable name of the reason. */
  readonly code: string;
  readonly reason: string;
  readonly time: string;
}

export interface DeadLetterOptions extends KafkaOptions {
  readonly json?: boolean;
  readonly limit?: number;
  readonly code?: string;
  readonly dryRun?: boolean;
}

/** Longest wait for the next record of a topic that should have one. */
const readLimitMs = 30_000;
/** Records put back in one request. */
const batchMessages = 500;

/** Headers with the same meaning: of the connector, and of the other readers. */
const headerNames = {
  topic: ["usdf.topic", "source-topic"],
  partition: ["usdf.partition", "source-partition"],
  offset: ["usdf.offset", "source-offset"],
  timestamp: ["usdf.timestamp", "source-timestamp"],
  code: ["usdf.reason", "dead-letter-code"],
  reason: ["usdf.message", "dead-letter-reason"],
} as const;
const ours = /^(usdf\.|source-|dead-letter-)/;

function header(headers: IHeaders | undefined, what: keyof typeof headerNames): string {
  const value = headerNames[what].map((name) => headers?.[name]).find((one) => one !== undefined);
  return value === undefined ? "" : String(value);
}

function letterOf(
  deadLetterTopic: string,
  partition: number,
  { headers, offset, timestamp }: KafkaMessage,
): DeadLetter {
  return {
    deadLetterTopic,
    partition,
    offset,
    topic: header(headers, "topic"),
    topicPartition: Number(header(headers, "partition")),
    topicOffset: header(headers, "offset"),
    code: header(headers, "code"),
    reason: header(headers, "reason"),
    time: new Date(Number(header(headers, "timestamp") || timestamp)).toISOString(),
  };
}

/** The newest letters of each partition, at most `limit`, of one dead-letter topic or of all. */
export async function deadLettersOf(kafka: Kafka, topic: string | undefined, limit: number): Promise<DeadLetter[]> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const found: DeadLetter[] = [];
    for (const one of await topicsOf(admin, topic))
      await readToEnd(kafka, admin, one, "usdf-dead-letters", { newest: limit }, async (partition, messages) =>
        void found.push(...messages.map((message) => letterOf(one, partition, message))),
      ); // prettier-ignore
    return found;
  } finally {
    await admin.disconnect();
  }
}

/**
 * Puts dead letters back at the end of the topics that they are from: value, key, headers and time as they were. Every reader
 * of such a topic gets them again; a point that is there already stays one. What was put back is remembered in consumer group
 * `usdf-replay`, so a second call starts behind it.
 * @returns How many went to which topic.
 */
export async function replayDeadLetters(
  kafka: Kafka,
  topic: string,
  { code, dryRun = false }: { readonly code?: string; readonly dryRun?: boolean } = {},
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    const known = new Set(await admin.listTopics());
    const group = "usdf-replay";
    await readToEnd(kafka, admin, topic, group, {}, async (partition, messages) => {
      const wanted = messages.filter(({ headers }) => code === undefined || header(headers, "code") === code);
      for (const message of wanted) {
        const to = header(message.headers, "topic");
        if (!known.has(to))
          throw new CommandError(
            `Cannot put back record ${message.offset} of ${topic}: it is from "${to}", and there is no such topic.`,
          );
        counts[to] = (counts[to] ?? 0) + 1;
      }
      if (dryRun) return;
      for (let first = 0; first < wanted.length; first += batchMessages)
        await producer.sendBatch({ topicMessages: byTopic(wanted.slice(first, first + batchMessages)) });
      // Only now: a run that was cut off puts some back twice, and loses none.
      const next = String(BigInt(messages.at(-1)!.offset) + 1n);
      if (code === undefined)
        await admin.setOffsets({ groupId: group, topic, partitions: [{ partition, offset: next }] });
    });
    return counts;
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}

function byTopic(messages: readonly KafkaMessage[]) {
  const topics = new Map<string, ReturnType<typeof original>[]>();
  for (const message of messages) {
    const topic = header(message.headers, "topic");
    topics.set(topic, [...(topics.get(topic) ?? []), original(message)]);
  }
  return [...topics].map(([topic, all]) => ({ topic, messages: all }));
}

/** The record as it was in its topic. */
function original({ key, value, headers = {}, timestamp }: KafkaMessage) {
  const isKeyKept = headers["usdf.topic"] !== undefined; // the connector's own key says where the record was
  const originalKey = headers["usdf.key"] as Buffer | undefined;
  return {
    key: isKeyKept ? (originalKey ?? null) : key,
    value,
    partition: Number(header(headers, "partition")),
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !ours.test(name))),
    timestamp: header(headers, "timestamp") || timestamp,
  };
}

async function topicsOf(admin: Admin, topic?: string): Promise<string[]> {
  const all = (await admin.listTopics()).filter((one) => one.startsWith(deadLetterPrefix)).sort();
  if (topic === undefined) return all;
  if (!all.includes(topic))
    throw new CommandError(`There is no dead-letter topic ${topic}. There are: ${all.join(", ") || "none"}.`);
  return [topic];
}

/**
 * Reads a topic up to what is its end now, each partition from its newest `newest` records on, or from where the group is.
 * @param take - Gets the records of a partition in their order, one call after the other.
 */
async function readToEnd(
  kafka: Kafka,
  admin: Admin,
  topic: string,
  groupId: string,
  { newest }: { readonly newest?: number },
  take: (partition: number, messages: KafkaMessage[]) => Promise<void>,
): Promise<void> {
  const ends = await admin.fetchTopicOffsets(topic);
  const [committed] = newest === undefined ? await admin.fetchOffsets({ groupId, topics: [topic] }) : [];
  const left = new Map<number, { next: bigint; end: bigint }>();
  for (const { partition, low, high } of ends) {
    const reached = committed?.partitions.find((one) => one.partition === partition)?.offset;
    const wanted = newest === undefined ? BigInt(reached ?? -1) : BigInt(high) - BigInt(newest);
    const next = wanted > BigInt(low) ? wanted : BigInt(low);
    if (next < BigInt(high)) left.set(partition, { next, end: BigInt(high) });
  }
  if (left.size === 0) return;
  let failure: unknown;
  let heardMs = Date.now();
  const consumer = kafka.consumer({ groupId: `${groupId}-reader`, maxWaitTimeInMs: 500 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic] });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
        const place = left.get(batch.partition);
        if (place === undefined || failure !== undefined) return;
        const messages = batch.messages.filter(
          ({ offset }) => BigInt(offset) >= place.next && BigInt(offset) < place.end,
        );
        heardMs = Date.now();
        try {
          if (messages.length > 0) await take(batch.partition, messages);
        } catch (error) {
          failure = error; // kafkajs would try the batch again
          return;
        }
        place.next = BigInt(batch.lastOffset()) + 1n;
        resolveOffset(batch.lastOffset());
        if (place.next >= place.end) left.delete(batch.partition);
        await heartbeat();
      },
    });
    for (const [partition, { next }] of left) consumer.seek({ topic, partition, offset: String(next) });
    while (left.size > 0 && failure === undefined) {
      if (Date.now() - heardMs > readLimitMs)
        throw new CommandError(`${topic} was not read to its end: no record came for ${readLimitMs / 1000} s. Is the broker well? Try again.`); // prettier-ignore
      await sleep(50);
    }
  } finally {
    await consumer.disconnect();
  }
  if (failure !== undefined) throw failure;
}

/** `usdf sasquatch dead-letters list` */
export async function showDeadLetters(topic: string | undefined, options: DeadLetterOptions): Promise<void> {
  const letters = await deadLettersOf(await kafkaOf(options), topic, options.limit ?? 20);
  const wanted = letters.filter(({ code }) => options.code === undefined || code === options.code);
  if (options.json) return console.log(JSON.stringify({ deadLetters: wanted }, undefined, 2));
  if (wanted.length === 0) return console.log("No dead letters.");
  const table = new Table({ head: ["dead-letter topic", "record", "time", "reason"], style: { head: [], border: [] } });
  for (const { deadLetterTopic, topic: from, topicPartition, topicOffset, time, code, reason } of wanted)
    table.push([deadLetterTopic, `${from}/${topicPartition}/${topicOffset}`, time, `${code}: ${reason.slice(0, 120)}`]);
  console.log(table.toString());
}

/** `usdf sasquatch dead-letters replay` */
export async function putBackDeadLetters(topic: string, options: DeadLetterOptions): Promise<void> {
  const kafka = await kafkaOf(options);
  const counts = await replayDeadLetters(kafka, topic, options);
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  if (options.json) return console.log(JSON.stringify({ dryRun: options.dryRun ?? false, total, topics: counts }));
  for (const [to, count] of Object.entries(counts)) console.log(`${String(count).padStart(8)}  ${to}`);
  console.log(`${total} records ${options.dryRun ? "would be" : "were"} put back.`);
}
