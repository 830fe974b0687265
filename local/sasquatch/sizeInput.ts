import { type SasquatchConfig, secondsOf } from "../../components/config";
import { type BucketPlan, planOf, type TopicPlan } from "../../components/sasquatch/plan";
import { matcherOf, type TopicSelector } from "../../workloads/src/lib/topicSelector";
import { type KnownTopic, operationsBytesPerSecond, type Rate, rateOf, ratesOf } from "./rates";
import type { BrokerDisk, InfluxVolume, SizeInput, StoredBucket, StoredTopic } from "./size";

/** What if: each wins over what the environment says. */
export interface WhatIf {
  readonly rates?: ReadonlyMap<string, Rate>;
  readonly totalBytesPerSecond?: number;
  /** Retention of every topic, e.g. "7d". */
  readonly retention?: string;
  readonly replicas?: number;
  /** In InfluxDB already, bytes. */
  readonly storedBytes?: number;
  readonly horizonDays?: number;
}

/** Fields of a message of which nothing is known. */
const assumedFields = 10;

/** Topics by the name that they have here, with what they are at the place where they are produced. */
interface PlacedTopic {
  readonly name: string;
  readonly known?: KnownTopic;
}

/** What an environment keeps, as the model of sizes wants it. */
export function sizeInputOf(
  environmentName: string,
  sasquatch: SasquatchConfig,
  known: readonly KnownTopic[],
  whatIf: WhatIf = {},
): SizeInput {
  const plan = planOf(environmentName, sasquatch);
  const { kafka } = sasquatch.environments[environmentName]!;
  const rates = ratesOf(known, whatIf.rates, whatIf.totalBytesPerSecond ?? operationsBytesPerSecond);
  const sources = plan.mirrors.flatMap(({ from }) =>
    Object.hasOwn(sasquatch.environments, from) ? [[from, planOf(from, sasquatch).topics] as const] : [],
  );
  // A mirror copies a topic's own configuration, not the brokers' defaults.
  const declared = new Map([
    ...sources.flatMap(([from, topics]) => topics.map((topic) => [`${from}.${topic.topicName}`, topic] as const)),
    ...plan.topics.map((topic) => [topic.topicName, topic] as const),
  ]);
  const rate = (topic: PlacedTopic) => rateOf(rates, topic.known?.name ?? topic.name);

  const stored = new Map<string, StoredTopic>();
  const keep = (group: string, topics: readonly PlacedTopic[]) => {
    for (const topic of topics) {
      if (stored.has(topic.name)) continue;
      const own = declared.get(topic.name);
      stored.set(topic.name, {
        name: topic.name,
        group,
        rate: rate(topic),
        partitions: own?.partitions ?? 1,
        replicas: whatIf.replicas ?? own?.replicas ?? kafka.replication,
        retentionSeconds: whatIf.retention
          ? secondsOf(whatIf.retention)
          : retentionOf(own, kafka.retentionMinutes * 60),
      });
    }
  };
  const namedIn = new Set(known.map(({ name }) => name));
  const below = new Map<string, KnownTopic[]>();
  for (const topic of known) {
    const place = topic.name.slice(0, topic.name.lastIndexOf("."));
    const others = below.get(place);
    if (others) others.push(topic);
    else below.set(place, [topic]);
  }
  // What names its components is asked about their topics only.
  const askedOf = ({ namespace, components }: TopicSelector) =>
    components?.flatMap((component) => below.get(`${namespace}.${component}`) ?? []) ?? known;
  const strange = [...rates.keys()].filter((name) => !namedIn.has(name));
  // A bucket and those of its ladder ask for the same.
  const found = new Map<TopicSelector, PlacedTopic[]>();
  const topicsOf = (selector: TopicSelector) => {
    const before = found.get(selector) ?? placed(selector, askedOf(selector), strange, declared);
    found.set(selector, before);
    return before;
  };
  const active = plan.connectors.filter(({ influxdb }) => influxdb === "active"); // the standby's read the same topics
  for (const { name, selector } of active) keep(name, topicsOf(selector));
  for (const { from, selectors } of plan.mirrors)
    for (const selector of selectors) keep(`mirrored from ${from}`, topicsOf({ ...selector, from }));
  keep("declared", plan.topics.map(({ topicName }) => ({ name: topicName }))); // prettier-ignore

  const raw = (bucket: BucketPlan): string => {
    const below = plan.buckets.find(({ name }) => name === bucket.downsampled?.from);
    return below === undefined ? bucket.name : raw(below);
  };
  const buckets = plan.buckets.map((bucket): StoredBucket => ({
    name: bucket.name,
    retentionSeconds: bucket.retentionSeconds,
    shardGroupSeconds: bucket.shardGroupSeconds,
    topics: active
      .filter((connector) => connector.bucket === raw(bucket))
      .flatMap(({ selector }) => topicsOf(selector))
      .map((topic) => ({ rate: rate(topic), fields: topic.known?.fields ?? assumedFields })),
    ...(bucket.downsampled && { everySeconds: bucket.downsampled.everySeconds }),
  }));
  return {
    topics: [...stored.values()],
    disks: brokerDisks(kafka),
    buckets,
    volumes: influxVolumes(sasquatch.environments[environmentName]!, whatIf.storedBytes ?? 0),
    horizonDays: whatIf.horizonDays ?? 365,
  };
}

const retentionOf = (topic: TopicPlan | undefined, defaultSeconds: number): number => {
  const ms = topic?.config["retention.ms"];
  return ms === undefined ? defaultSeconds : Number(ms) / 1000;
};

/**
 * Topics of a selector by their names here; where none is known, one of which nothing is known.
 * @param strange - Names of topics, where they are produced, of which only a rate is known.
 */
function placed(
  selector: TopicSelector,
  known: readonly KnownTopic[],
  strange: readonly string[],
  declared: ReadonlyMap<string, TopicPlan>,
): PlacedTopic[] {
  const { from, ...own } = selector;
  const prefix = from === undefined ? "" : `${from}.`;
  const found = new Map<string, PlacedTopic>();
  const [takesThere, takesHere] = [matcherOf(own), matcherOf(selector)];
  for (const topic of known)
    if (takesThere(topic.name)) found.set(prefix + topic.name, { name: prefix + topic.name, known: topic });
  const others = [
    ...strange.filter(takesThere).map((name) => prefix + name),
    ...[...declared.keys()].filter(takesHere),
  ];
  for (const name of others) if (!found.has(name)) found.set(name, { name });
  return found.size > 0 ? [...found.values()] : [{ name: `${prefix}${own.namespace}.…` }];
}

type Environment = SasquatchConfig["environments"][string];

function brokerDisks({ kind, brokers, leaving }: Environment["kafka"]): BrokerDisk[] {
  if (kind === "external") return [];
  return Object.values(brokers)
    .flatMap(({ ids, size }) => ids.map((broker) => ({ broker, capacityBytes: bytesOf(size) })))
    .filter(({ broker }) => !leaving.includes(broker));
}

/** Volumes of the servers that are declared; Enterprise keeps each shard on two nodes where it has them. */
function influxVolumes({ influxdb }: Environment, storedBytes: number): InfluxVolume[] {
  const { edition, url, standby } = influxdb;
  if (url !== undefined) return [];
  const volume = (name: string, { nodes, size }: { nodes: number; size: string }): InfluxVolume => ({
    name,
    capacityBytes: nodes * bytesOf(size),
    copies: edition === "enterprise" ? Math.min(2, nodes) : 1,
    storedBytes,
  });
  return [volume("InfluxDB", influxdb), ...(standby ? [volume("InfluxDB standby", standby)] : [])];
}

/** Bytes of a size such as "500Gi" or "1.5Ti". */
export function bytesOf(size: string): number {
  const [, amount = "NaN", unit = ""] = /^([\d.]+)(Mi|Gi|Ti|Pi|M|G|T|P)?$/.exec(size) ?? [];
  const factor: Record<string, number> = { Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, M: 1e6, G: 1e9, T: 1e12, P: 1e15 }; // prettier-ignore
  return Number(amount) * (factor[unit] ?? 1);
}
