import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, Kafka } from "kafkajs";

/** Where a consumer group goes on at another site. */
export interface MovedPartition {
  /** Name at the site where the group was. */
  readonly fromTopic: string;
  /** Name of the same topic at the site where it goes on. */
  readonly toTopic: string;
  readonly partition: number;
  /** Offset of the first record that it has not read yet. */
  readonly fromOffset: string;
  /** Time of a record that it has read: all that it has not read is not older. Undefined: it goes on at the beginning. */
  readonly sinceMs?: number;
  readonly toOffset: string;
}

/** Records before the group's place that are looked at: some offsets are marks of transactions, which nobody can read. */
const lookBack = 10;
const readLimitMs = 30_000;

/**
 * Finds where a consumer group goes on at another site, by the time of what it read last: mirrored records keep theirs.
 * It repeats a few records, and misses none where times in a topic only grow (`kafka.logAppendTime`) or `marginMs` covers
 * what producers' clocks differ by.
 *
 * MirrorMaker keeps a group's place in step in the direction of the mirror only (`topic` here is `alias.topic` there): this
 * is for the way back, from the mirror to the topic itself.
 * @param otherName - Name at the other site of a topic that the group has read; undefined for one that is not there.
 * @param marginMs - Records of so much earlier are read again.
 */
export async function placesAt(
  from: Kafka,
  to: Kafka,
  group: string,
  otherName: (topic: string) => string | undefined,
  marginMs = 0,
): Promise<MovedPartition[]> {
  const [here, there] = [from.admin(), to.admin()];
  await Promise.all([here.connect(), there.connect()]);
  try {
    const committed = (await here.fetchOffsets({ groupId: group })).flatMap(({ topic, partitions }) => {
      const toTopic = otherName(topic);
      const read = partitions.filter(({ offset }) => Number(offset) >= 0);
      return toTopic === undefined ? [] : read.map(({ partition, offset }) => ({ topic, toTopic, partition, offset }));
    });
    const times = await timesBefore(from, here, committed);
    const moved: MovedPartition[] = [];
    for (const { topic, toTopic, partition, offset } of committed) {
      const lastReadMs = times.get(`${topic} ${partition}`);
      const sinceMs = lastReadMs === undefined ? undefined : lastReadMs - marginMs;
      const toOffset = await offsetAt(there, toTopic, partition, sinceMs);
      moved.push({ fromTopic: topic, toTopic, partition, fromOffset: offset, ...(sinceMs !== undefined && { sinceMs }), toOffset }); // prettier-ignore
    }
    return moved;
  } finally {
    await Promise.all([here.disconnect(), there.disconnect()]);
  }
}

/** Sets the group's offsets. @throws Error of Kafka while the group has members: it must not run at either site. */
export async function moveGroup(to: Kafka, group: string, places: readonly MovedPartition[]): Promise<void> {
  const admin = to.admin();
  await admin.connect();
  try {
    for (const topic of new Set(places.map(({ toTopic }) => toTopic))) {
      const partitions = places
        .filter(({ toTopic }) => toTopic === topic)
        .map(({ partition, toOffset }) => ({ partition, offset: toOffset }));
      await admin.setOffsets({ groupId: group, topic, partitions });
    }
  } finally {
    await admin.disconnect();
  }
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}

/** Time of a record shortly before each place, by `topic partition`; none where nothing before it is left to read. */
async function timesBefore(kafka: Kafka, admin: Admin, places: readonly Place[]): Promise<Map<string, number>> {
  const starts = new Map<string, string>();
  for (const topic of new Set(places.map((place) => place.topic))) {
    const ends = await admin.fetchTopicOffsets(topic);
    for (const { partition, offset } of places.filter((place) => place.topic === topic)) {
      const low = BigInt(ends.find((one) => one.partition === partition)?.low ?? 0);
      const back = BigInt(offset) - BigInt(lookBack);
      const start = back > low ? back : low;
      if (BigInt(offset) > start) starts.set(`${topic} ${partition}`, String(start));
    }
  }
  const times = new Map<string, number>();
  if (starts.size === 0) return times;
  // A group of its own, that commits nothing: only a consumer can read records.
  const consumer = kafka.consumer({ groupId: `usdf-look-${randomBytes(4).toString("hex")}` });
  await consumer.connect();
  try {
    const topics = [...new Set([...starts.keys()].map((key) => key.split(" ")[0]!))];
    await consumer.subscribe({ topics });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        const key = `${topic} ${partition}`;
        if (starts.has(key) && !times.has(key) && BigInt(message.offset) >= BigInt(starts.get(key)!))
          times.set(key, Number(message.timestamp));
      },
    });
    for (const [key, offset] of starts) {
      const [topic, partition] = key.split(" ") as [string, string];
      consumer.seek({ topic, partition: Number(partition), offset });
    }
    const deadline = Date.now() + readLimitMs;
    while (times.size < starts.size) {
      if (Date.now() > deadline) {
        const [missing] = [...starts.keys()].filter((key) => !times.has(key));
        throw new Error(`Cannot read ${missing!.replace(" ", ", partition ")} from offset ${starts.get(missing!)} on within ${readLimitMs / 1000} s. Is the broker well? Try again.`); // prettier-ignore
      }
      await sleep(50);
    }
  } finally {
    await consumer.disconnect();
  }
  return times;
}

async function offsetAt(admin: Admin, topic: string, partition: number, sinceMs?: number): Promise<string> {
  const found =
    sinceMs === undefined
      ? (await admin.fetchTopicOffsets(topic)).map((one) => ({ partition: one.partition, offset: one.low }))
      : await admin.fetchTopicOffsetsByTimestamp(topic, sinceMs);
  const place = found.find((one) => one.partition === partition);
  if (place === undefined)
    throw new Error(
      `Topic ${topic} has no partition ${partition} there: the two sites' topics differ. Compare them first.`,
    );
  return place.offset;
}

export interface MoveGroupOptions {
  /** Bootstrap servers of the site where the group has been. */
  readonly from: string;
  /** Bootstrap servers of the site where it goes on; default: the local stack's, or with `env` KAFKA_BROKERS. */
  readonly to?: string;
  readonly env?: boolean;
  /** Alias that the topics' names begin with at the site where the group has been. */
  readonly alias: string;
  /** Seconds of records that are read again. */
  readonly margin: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `usdf sasquatch move-group` */
export async function moveGroupHere(group: string, options: MoveGroupOptions): Promise<void> {
  const { kafkaOf } = await import("./connection");
  const from = await kafkaOf({ brokers: options.from });
  const to = await kafkaOf({ env: options.env ?? false, ...(options.to !== undefined && { brokers: options.to }) });
  const prefix = `${options.alias}.`;
  const otherName = (topic: string) => (topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined);
  const places = await placesAt(from, to, group, otherName, options.margin * 1000);
  if (places.length === 0) {
    const { CommandError } = await import("../exit");
    throw new CommandError(`Group ${group} has no offsets at ${options.from} of topics that begin with "${prefix}".`);
  }
  if (!options.dryRun) await moveGroup(to, group, places);
  if (options.json) return console.log(JSON.stringify({ group, dryRun: options.dryRun ?? false, places }));
  for (const { fromTopic, fromOffset, toTopic, partition, toOffset } of places)
    console.log(`${fromTopic}/${partition} at ${fromOffset}  ->  ${toTopic}/${partition} at ${toOffset}`);
  console.log(`${group} ${options.dryRun ? "would go" : "goes"} on in ${places.length} partitions.`);
}
