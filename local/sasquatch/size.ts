import type { Rate } from "./rates";

/** Does an environment's data fit its disks? Pure arithmetic over what its configuration says. */

/** Topics that a client part, a mirror or a list of declared topics keeps in Kafka. */
export interface StoredTopic {
  /** Name as it is here. */
  readonly name: string;
  /** What it is counted with in the table, e.g. `efd-m1m3`. */
  readonly group: string;
  readonly rate: Rate;
  readonly partitions: number;
  readonly retentionSeconds: number;
  /** Copies of each partition. */
  readonly replicas: number;
}

export interface BrokerDisk {
  readonly broker: number;
  readonly capacityBytes: number;
}

/** A bucket and what goes into it. */
export interface StoredBucket {
  readonly name: string;
  /** 0 = for ever. */
  readonly retentionSeconds: number;
  /** Groups of points are deleted as a whole, so data is kept for so much longer. */
  readonly shardGroupSeconds: number;
  readonly topics: readonly { readonly rate: Rate; readonly fields: number }[];
  /** For a bucket of statistics: length of its windows. */
  readonly everySeconds?: number;
}

export interface InfluxVolume {
  /** `InfluxDB`, `InfluxDB standby`. */
  readonly name: string;
  /** All data nodes together. */
  readonly capacityBytes: number;
  /** Copies of each shard. */
  readonly copies: number;
  /** What is there already. */
  readonly storedBytes: number;
}

export interface SizeInput {
  readonly topics: readonly StoredTopic[];
  readonly disks: readonly BrokerDisk[];
  readonly buckets: readonly StoredBucket[];
  /** Each has all buckets. */
  readonly volumes: readonly InfluxVolume[];
  /** What is kept for ever must fit for so long. */
  readonly horizonDays: number;
}

export interface Disk {
  /** `broker 3` or `InfluxDB`. */
  readonly name: string;
  readonly kind: "broker" | "influxdb";
  readonly capacityBytes: number;
  /** Once nothing is deleted later than it is written; of what is kept for ever: at the horizon. */
  readonly steadyBytes: number;
  readonly fillPercent: number;
  /** Days until it is full, from now; undefined where it never is. */
  readonly fullInDays?: number;
  readonly verdict: "fits" | "tight" | "full";
  /** What to say where it does not simply fit. */
  readonly message?: string;
}

export interface Group {
  readonly name: string;
  readonly topics: number;
  readonly bytesPerSecond: number;
  readonly messagesPerSecond: number;
  readonly retentionDays: { readonly min: number; readonly max: number };
  /** On all brokers, with copies. */
  readonly kafkaBytes: number;
  /** Whether any rate of it is a mere assumption. */
  readonly isAssumed: boolean;
}

export interface BucketSize {
  readonly name: string;
  /** 0 = for ever. */
  readonly retentionDays: number;
  readonly bytesPerDay: number;
  /** One copy; of what is kept for ever: at the horizon. */
  readonly steadyBytes: number;
}

export interface Size {
  readonly groups: readonly Group[];
  readonly buckets: readonly BucketSize[];
  readonly disks: readonly Disk[];
  readonly ok: boolean;
}

const daySeconds = 86_400;
/** Above this a disk is tight: compaction, rebalances and a broker that is away need room. */
const tightPercent = 80;
/** Kafka's defaults: records are deleted with their whole segment, which is closed at this size or age. */
const segmentBytes = 2 ** 30;
const segmentSeconds = 7 * daySeconds;
/** InfluxDB stores 1 MB/s of what is 10 MB/s in Kafka (SQR-085). */
const influxBytesPerKafkaByte = 0.1;
/** Of a window: min, max, mean and count of each field; bytes of one such value compressed. */
const statistics = 4;
const statisticBytes = 3;

/** Bytes that one copy of a topic comes to: its retention, and the segments that wait to be closed. */
export function topicBytes({ rate, partitions, retentionSeconds }: StoredTopic): number {
  const { bytesPerSecond } = rate;
  const open = Math.min(segmentBytes * partitions, bytesPerSecond * segmentSeconds);
  return bytesPerSecond * retentionSeconds + open;
}

function bucketBytesPerSecond({ topics, everySeconds }: StoredBucket): number {
  return topics
    .map(({ rate, fields }) =>
      everySeconds === undefined
        ? rate.bytesPerSecond * influxBytesPerKafkaByte
        : Math.min(rate.messagesPerSecond, 1 / everySeconds) * fields * statistics * statisticBytes,
    )
    .reduce((sum, one) => sum + one, 0);
}

/** What the environment's data comes to, disk by disk. */
export function sizeOf(input: SizeInput): Size {
  const disks = [...brokerDisks(input), ...input.volumes.map((volume) => influxDisk(input, volume))];
  return {
    groups: groupsOf(input.topics),
    buckets: bucketSizes(input),
    disks,
    ok: disks.every(({ verdict }) => verdict !== "full"),
  };
}

function groupsOf(topics: readonly StoredTopic[]): Group[] {
  const groups = new Map<string, StoredTopic[]>();
  for (const topic of topics) groups.set(topic.group, [...(groups.get(topic.group) ?? []), topic]);
  const sum = (values: number[]) => values.reduce((total, one) => total + one, 0);
  return [...groups]
    .map(([name, members]) => {
      const days = members.map(({ retentionSeconds }) => retentionSeconds / daySeconds);
      return {
        name,
        topics: members.length,
        bytesPerSecond: sum(members.map(({ rate }) => rate.bytesPerSecond)),
        messagesPerSecond: sum(members.map(({ rate }) => rate.messagesPerSecond)),
        retentionDays: { min: Math.min(...days), max: Math.max(...days) },
        kafkaBytes: sum(members.map((topic) => topicBytes(topic) * topic.replicas)),
        isAssumed: members.some(({ rate }) => rate.source === "assumed"),
      };
    })
    .sort((a, b) => b.kafkaBytes - a.kafkaBytes);
}

/** Copies are spread over the brokers as partitions are, one by one to whoever has least; the largest first. */
function brokerDisks({ topics, disks }: SizeInput): Disk[] {
  const loads = disks.map((disk) => ({ disk, bytes: 0, bytesPerSecond: 0 }));
  const partitions = topics
    .flatMap((topic) =>
      Array.from({ length: topic.partitions }, () => ({
        replicas: topic.replicas,
        bytes: topicBytes(topic) / topic.partitions,
        bytesPerSecond: topic.rate.bytesPerSecond / topic.partitions,
      })),
    )
    .sort((a, b) => b.bytes - a.bytes);
  for (const { replicas, bytes, bytesPerSecond } of partitions) {
    loads.sort((a, b) => a.bytes - b.bytes);
    for (const load of loads.slice(0, replicas)) {
      load.bytes += bytes;
      load.bytesPerSecond += bytesPerSecond;
    }
  }
  return loads
    .sort((a, b) => a.disk.broker - b.disk.broker)
    .map(({ disk: { broker, capacityBytes }, bytes, bytesPerSecond }) => {
      const fullInDays = bytes > capacityBytes ? capacityBytes / bytesPerSecond / daySeconds : undefined;
      return judged({
        name: `broker ${broker}`,
        kind: "broker",
        capacityBytes,
        steadyBytes: bytes,
        ...(fullInDays !== undefined && { fullInDays }),
        full: "is full before its retention ends: lower retention or replication, or give it a larger disk",
      });
    });
}

/** Seconds after which a bucket does not grow any more. */
const keptSeconds = ({ retentionSeconds, shardGroupSeconds }: StoredBucket) =>
  retentionSeconds === 0 ? Infinity : retentionSeconds + shardGroupSeconds;

function bucketSizes({ buckets, horizonDays }: SizeInput): BucketSize[] {
  return buckets.map((bucket) => {
    const bytesPerSecond = bucketBytesPerSecond(bucket);
    return {
      name: bucket.name,
      retentionDays: bucket.retentionSeconds / daySeconds,
      bytesPerDay: bytesPerSecond * daySeconds,
      steadyBytes: bytesPerSecond * Math.min(keptSeconds(bucket), horizonDays * daySeconds),
    };
  });
}

function influxDisk(input: SizeInput, { name, capacityBytes, copies, storedBytes }: InfluxVolume): Disk {
  const growth = input.buckets.map((bucket) => ({
    bytesPerSecond: bucketBytesPerSecond(bucket) * copies,
    seconds: keptSeconds(bucket),
  }));
  const fullInSeconds = whenFull(growth, capacityBytes - storedBytes);
  return judged({
    name,
    kind: "influxdb",
    capacityBytes,
    steadyBytes: bucketSizes(input).reduce((sum, one) => sum + copies * one.steadyBytes, storedBytes),
    ...(fullInSeconds !== undefined && { fullInDays: fullInSeconds / daySeconds }),
    full: `is full within ${input.horizonDays} days: give buckets a retention with a ladder below it, or a larger volume`,
  });
}

/** Seconds until what grows, each part for its time, comes to `bytes`; undefined where it never does. */
export function whenFull(
  growth: readonly { readonly bytesPerSecond: number; readonly seconds: number }[],
  bytes: number,
): number | undefined {
  if (bytes <= 0) return 0;
  let left = bytes;
  let now = 0;
  const parts = [...growth].sort((a, b) => a.seconds - b.seconds);
  for (const [index, { seconds }] of parts.entries()) {
    const rate = parts.slice(index).reduce((sum, one) => sum + one.bytesPerSecond, 0);
    if (rate > 0 && left <= rate * (seconds - now)) return now + left / rate;
    left -= rate * (seconds - now);
    now = seconds;
  }
  return undefined;
}

function judged(disk: Omit<Disk, "fillPercent" | "verdict" | "message"> & { readonly full: string }): Disk {
  const { full, ...figures } = disk;
  const fillPercent = (100 * disk.steadyBytes) / disk.capacityBytes;
  if (fillPercent > 100) return { ...figures, fillPercent, verdict: "full", message: `${disk.name} ${full}.` };
  if (fillPercent > tightPercent)
    return {
      ...figures,
      fillPercent,
      verdict: "tight",
      message: `${disk.name} comes to ${fillPercent.toFixed(0)} % of its disk: above ${tightPercent} % nothing may go wrong.`,
    };
  return { ...figures, fillPercent, verdict: "fits" };
}
