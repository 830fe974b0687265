import {
  type Client,
  clientsOf,
  type Connector,
  kafkaUserOf,
  ladderBucket,
  mirroredSelectors,
  type SasquatchConfig,
  type SasquatchEnvironment,
  secondsOf,
} from "../../config";
import { patternOf, type TopicSelector } from "../../../workloads/src/lib/topicSelector";
import type { BucketPlan, ConnectorPlan, LongTermPlan, MirrorPlan, Plan, TopicPlan } from "./model";
import { schemasTopic, topicObjectName } from "./names";
import { usersOf } from "./users";

/**
 * What the configuration of an environment comes to.
 * @throws Error where there is no environment of that name.
 */
export function planOf(environmentName: string, sasquatch: SasquatchConfig): Plan {
  const environment = sasquatch.environments[environmentName];
  if (environment === undefined) {
    const known = Object.keys(sasquatch.environments).join(", ") || "none";
    throw new Error(`Cannot plan environment "${environmentName}": usdf:sasquatch has no such one. Known: ${known}.`);
  }
  const clients = clientsOf(sasquatch.clients, environment);
  const active = clients.flatMap((client) => [
    ...client.connectors.map((connector) => connectorPlan(client, connector)),
    ...aggregatedPlans(client),
  ]);
  const connectors = environment.influxdb.standby ? [...active, ...active.map(standbyOf)] : active;
  const longTerm = clients.flatMap(longTermPlans);
  const plan = {
    environment: environmentName,
    connectors,
    longTerm,
    topics: topicPlans(clients, environment),
    buckets: clients.flatMap(bucketPlans),
    mirrors: Object.keys(environment.mirrors).map((alias) =>
      mirrorPlan(alias, environmentName, sasquatch, environment),
    ),
  };
  return { ...plan, users: usersOf(clients, environment, plan) };
}

/** What every reader of a client's topics is told, whatever it does with them. */
function reading(client: Client, selector: TopicSelector) {
  const { from } = client;
  return {
    client: client.name,
    selector,
    ...(from !== undefined && { from }),
    patterns: {
      go: patternOf(selector, "go"),
      java: patternOf(selector, "java"),
      python: patternOf(selector, "python"),
    },
    format: client.format,
    timestamp: client.timestamp,
    removePrefix: selector.from === undefined ? "" : `${selector.from}.`,
    kafkaUser: kafkaUserOf(client),
    registry: from === undefined ? ("local" as const) : { alias: from },
  };
}

/** Consumer group and dead letters of a reader. */
const ownNames = (name: string) => ({
  name,
  consumerGroup: `connector-${name}`,
  deadLetterTopic: `dead-letters.${name}`,
});

/** Ours holds a bounded buffer, so its memory does not grow with the backlog. */
const resources = {
  requests: { cpu: "100m", memory: "256Mi" },
  limits: { cpu: "1", memory: "512Mi" },
};

function connectorPlan(client: Client, { name, selector, settings }: Connector): ConnectorPlan {
  const { batchLines, maxBufferBytes, topicRefreshSeconds, replicas = 1 } = settings;
  return {
    ...ownNames(name),
    ...reading(client, selector),
    sink: client.sink,
    tags: client.tags,
    bucket: client.bucket,
    influxdb: "active",
    influxUser: influxWriterOf(client),
    replicas,
    ...(batchLines !== undefined && { batchLines }),
    ...(maxBufferBytes !== undefined && { maxBufferBytes }),
    ...(topicRefreshSeconds !== undefined && { topicRefreshSeconds }),
    resources: {
      requests: { ...resources.requests, ...settings.requests },
      limits: { ...resources.limits, ...settings.limits },
    },
  };
}

/**
 * The same for the standby, as a group of its own: neither server waits for the other. A record that is none of a point is
 * parked once, since a dead letter is known by where it came from.
 */
function standbyOf(plan: ConnectorPlan): ConnectorPlan {
  const name = `${plan.name}-standby`;
  return { ...plan, name, consumerGroup: `connector-${name}`, influxdb: "standby" };
}

/**
 * Aggregated topics are called `<topic>-aggregated`. Those of a client that is produced here are among its own; of mirrored
 * ones they are topics of this cluster, with schemas in its own registry, so a connector of their own stores them.
 */
function aggregatedPlans(client: Client): ConnectorPlan[] {
  const { from, ...selector } = client.topics;
  if (!client.aggregate || from === undefined) return [];
  const here = { ...client, from: undefined };
  const plan = connectorPlan(here, { name: `${client.name.replaceAll(".", "-")}-aggregated`, selector, settings: {} });
  const aggregated = (pattern: string) => pattern.replace(/(\$|\\Z)$/, "-aggregated$1");
  const { go, java, python } = plan.patterns;
  return [{ ...plan, patterns: { go: aggregated(go), java: aggregated(java), python: aggregated(python) } }];
}

const influxWriterOf = ({ name }: Client) => `${name}-writer`;

function longTermPlans(client: Client): LongTermPlan[] {
  const common = (kind: string) => ({
    ...ownNames(`${client.name.replaceAll(".", "-")}-${kind}`),
    ...reading(client, client.topics),
  });
  const { parquet, jdbc, aggregate } = client;
  return [
    ...(parquet ? [{ ...common("parquet"), kind: "parquet" as const, settings: parquet }] : []),
    ...(jdbc ? [{ ...common("jdbc"), kind: "jdbc" as const, settings: jdbc }] : []),
    ...(aggregate ? [{ ...common("aggregate"), kind: "aggregate" as const, settings: aggregate }] : []),
  ];
}

/** Declared topics; those of a mirrored client are made by the mirror. */
function topicPlans(clients: readonly Client[], environment: SasquatchEnvironment): TopicPlan[] {
  const declared = clients.filter(({ from }) => from === undefined).flatMap(({ kafkaTopics }) => kafkaTopics);
  return [...declared, ...environment.kafkaTopics].map(({ name, partitions, config }) => ({
    objectName: topicObjectName(name),
    topicName: name,
    partitions,
    replicas: environment.kafka.replication,
    config,
  }));
}

const day = 86_400;

/** As InfluxDB chooses where it is told nothing: about as many groups whatever the retention. */
function shardGroupSeconds(retentionSeconds: number): number {
  if (retentionSeconds === 0 || retentionSeconds > 182 * day) return 7 * day;
  return retentionSeconds < 2 * day ? 3600 : day;
}

function bucketPlans(client: Client): BucketPlan[] {
  const bucket = (name: string, retention: string) => ({
    name,
    client: client.name,
    retentionSeconds: secondsOf(retention),
    shardGroupSeconds: shardGroupSeconds(secondsOf(retention)),
    readers: client.readers,
  });
  const raw: BucketPlan = {
    ...bucket(client.bucket, client.retention),
    writers: [influxWriterOf(client)],
    ...(client.deadman && { deadmanSeconds: secondsOf(client.deadman.after) }),
  };
  const ladder = client.downsample.map(({ every, retention }, index) => {
    const below = client.downsample[index - 1];
    const from = below === undefined ? client.bucket : ladderBucket(client.bucket, below.every);
    const downsampled = { from, everySeconds: secondsOf(every) };
    return { ...bucket(ladderBucket(client.bucket, every), retention), writers: [], downsampled };
  });
  return [raw, ...ladder];
}

function mirrorPlan(
  alias: string,
  environmentName: string,
  { clients }: SasquatchConfig,
  environment: SasquatchEnvironment,
): MirrorPlan {
  const { bootstrap, from, offsetSyncs, schemas } = environment.mirrors[alias]!;
  const selectors = mirroredSelectors(clients, environment, alias);
  const patterns = [...new Set(selectors.map((selector) => patternOf(selector, "java")))];
  return {
    from: alias,
    to: environmentName,
    bootstrap,
    selectors,
    patterns: schemas ? [schemasTopic, ...patterns] : patterns,
    offset: from,
    offsetSyncs,
    schemas,
  };
}
