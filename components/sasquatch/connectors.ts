import * as pulumi from "@pulumi/pulumi";
import { matches } from "../../workloads/src/lib/topicSelector";
import {
  bootstrapOf,
  clusterName,
  type Environment,
  influxPasswordField,
  registryUrl,
  secretName,
} from "./environment";
import { influxUrlOf } from "./influx";
import type { ConnectorPlan, LongTermPlan } from "./plan";
import { salTopics } from "./sal";

/** Configuration of the connectors that run in Kafka Connect. */

type Config = Record<string, string | number | boolean>;
type JdbcPlan = Extract<LongTermPlan, { kind: "jdbc" }>;
type S3Plan = Extract<LongTermPlan, { kind: "parquet" }>;

/** A connector as Kafka Connect runs it. */
export interface ConnectConnector {
  readonly name: string;
  readonly class: string;
  readonly tasksMax: number;
  readonly config: Config;
  /** Secrets of the namespace that its configuration refers to. */
  readonly secrets: readonly string[];
}

/** Reference to a value that only the worker reads, when it starts the connector. */
const fromSecret = (namespace: string, secret: string, key: string) => `\${secrets:${namespace}/${secret}:${key}}`;

/**
 * What every sink has: its own Kafka user in place of the worker's, its converter with the registry of its topics, and a
 * dead-letter topic with the reason in headers. A record that cannot be read costs no neighbour.
 */
function common(environment: Environment, plan: ConnectorPlan | LongTermPlan): Config {
  const { namespace, kafka } = environment.settings;
  const user = (key: string) => fromSecret(namespace, plan.kafkaUser, key);
  const asUser = (client: "consumer" | "producer" | "admin") => ({
    [`${client}.override.ssl.keystore.type`]: "PEM",
    [`${client}.override.ssl.keystore.certificate.chain`]: user("user.crt"),
    [`${client}.override.ssl.keystore.key`]: user("user.key"),
  });
  const avro = {
    "value.converter": "io.confluent.connect.avro.AvroConverter",
    "value.converter.schema.registry.url": registryUrl(environment, plan.registry),
  };
  const json = {
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": false,
  };
  return {
    "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    ...(plan.format === "avro" ? avro : json),
    "consumer.override.group.id": plan.consumerGroup,
    "consumer.override.auto.offset.reset": "earliest",
    ...asUser("consumer"),
    ...asUser("producer"),
    ...asUser("admin"),
    "errors.tolerance": "all",
    "errors.deadletterqueue.topic.name": plan.deadLetterTopic,
    "errors.deadletterqueue.topic.replication.factor": kafka.replication,
    "errors.deadletterqueue.context.headers.enable": true,
    "errors.log.enable": true,
    "errors.retry.timeout": 600_000,
    "errors.retry.delay.max.ms": 60_000,
  };
}

/**
 * The InfluxDB sink of stream-reactor. It names each topic in its configuration, so a client that uses it declares its
 * topics. Its policy for a failing server is to try again and then to stop; "NOOP" would drop whole batches.
 */
export function influxdbSink(environment: Environment, plan: ConnectorPlan): ConnectConnector {
  const topics = environment.plan.topics
    .map(({ topicName }) => topicName)
    .filter((topic) => matches(plan.selector, topic));
  if (topics.length === 0)
    throw new pulumi.RunError(
      `usdf:sasquatch.environments.${environment.name}.clients.${plan.client}: sink influxdb-sink names each topic, and ` +
        "no kafkaTopics of the client are declared. Declare them, or take the sink connector.",
    );
  const tags = plan.tags.length === 0 ? "" : ` WITHTAG(${plan.tags.join(",")})`;
  const time = plan.timestamp.field === "" ? "sys_time()" : plan.timestamp.field;
  const units = { s: "SECONDS", ms: "MILLISECONDS", us: "MICROSECONDS", ns: "NANOSECONDS" } as const;
  const kcql = topics.sort().map((topic) => {
    const measurement = topic.startsWith(plan.removePrefix) ? topic.slice(plan.removePrefix.length) : topic;
    return `INSERT INTO ${measurement} SELECT * FROM ${topic} WITHTIMESTAMP ${time} TIMESTAMPUNIT=${units[plan.timestamp.unit]}${tags}`;
  });
  const { namespace } = environment.settings;
  return {
    name: plan.name,
    class: "com.datamountaineer.streamreactor.connect.influx.InfluxSinkConnector",
    tasksMax: plan.replicas,
    config: {
      ...common(environment, plan),
      topics: topics.join(","),
      "connect.influx.url": influxUrlOf(environment, plan.influxdb),
      "connect.influx.db": plan.bucket,
      "connect.influx.retention.policy": "autogen",
      "connect.influx.username": plan.influxUser,
      "connect.influx.password": fromSecret(namespace, secretName, influxPasswordField(plan.influxUser)),
      "connect.influx.kcql": kcql.join(";"),
      "connect.influx.error.policy": "RETRY",
      "connect.influx.max.retries": 20,
      "connect.influx.retry.interval": 60_000,
      "connect.progress.enabled": true,
    },
    secrets: [plan.kafkaUser, secretName],
  };
}

/**
 * The JDBC sink. A name of four parts would be read as schema and table, and all topics of SAL would share one table
 * "lsst"."sal"; here each has a table of its own, `<CSC>_<topic>`. Rows are written by key, so that a repeat changes nothing.
 */
export function jdbcSink(environment: Environment, plan: JdbcPlan): ConnectConnector {
  const { url, user, key } = plan.settings;
  const { namespace } = environment.settings;
  const parts = plan.selector.namespace.split(".").length + (plan.from === undefined ? 0 : 1);
  const long = longTables(plan);
  if (long.length > 0)
    throw new pulumi.RunError(
      `usdf:sasquatch.environments.${environment.name}.clients.${plan.client}.jdbc: ${long.length} of its topics would be ` +
        `tables with names above ${maxTableName} bytes, which the database cuts off (${long[0]}). Give it to a client of fewer topics.`,
    );
  return {
    name: plan.name,
    class: "io.confluent.connect.jdbc.JdbcSinkConnector",
    tasksMax: 4,
    config: {
      ...common(environment, plan),
      "topics.regex": plan.patterns.java,
      transforms: "table",
      "transforms.table.type": "org.apache.kafka.connect.transforms.RegexRouter",
      "transforms.table.regex": `(?:[^.]+\\.){${parts}}([^.]+)(?:\\.([^.]+))?`,
      "transforms.table.replacement": "$1_$2",
      "table.name.format": "${topic}",
      "quote.sql.identifiers": "ALWAYS", // names differ by their capitals alone
      "connection.url": url,
      "connection.user": user,
      "connection.password": fromSecret(namespace, secretName, `${user}-password`),
      "insert.mode": "upsert",
      "pk.mode": "record_value",
      "pk.fields": key.join(","),
      "auto.create": true,
      "auto.evolve": true,
      "batch.size": 3000,
      "max.retries": 10,
      "retry.backoff.ms": 3000,
      "db.timezone": "UTC",
    },
    secrets: [plan.kafkaUser, secretName],
  };
}

/** Longest name of a table in PostgreSQL; Oracle and others take more. */
const maxTableName = 63;

/** Tables of known topics whose names are too long. */
function longTables({ selector, removePrefix }: JdbcPlan): string[] {
  const { length } = selector.namespace;
  return salTopics()
    .filter(({ name }) => matches(selector, removePrefix + name))
    .map(({ name }) => name.slice(length + 1).replace(".", "_"))
    .filter((table) => table.length > maxTableName);
}

/**
 * The S3 sink with Parquet files. Hours are those of the records' Kafka time, since private_efdStamp is a floating-point
 * number, which its extractor refuses. The schedule closes the file of a topic that fell silent, which the interval of
 * record times alone never would.
 */
export function s3Sink(environment: Environment, plan: S3Plan): ConnectConnector {
  const { bucket, endpointUrl, prefix } = plan.settings;
  const { namespace } = environment.settings;
  const secret = (key: string) => fromSecret(namespace, secretName, key);
  return {
    name: plan.name,
    class: "io.confluent.connect.s3.S3SinkConnector",
    tasksMax: 4,
    config: {
      ...common(environment, plan),
      "topics.regex": plan.patterns.java,
      "topics.dir": prefix,
      "s3.bucket.name": bucket,
      "store.url": endpointUrl,
      "s3.region": "us-east-1",
      "aws.access.key.id": secret(s3Fields.accessKeyId),
      "aws.secret.access.key": secret(s3Fields.secretAccessKey),
      "storage.class": "io.confluent.connect.s3.storage.S3Storage",
      "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
      "parquet.codec": "snappy",
      "partitioner.class": "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
      "timestamp.extractor": "Record",
      "path.format": "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH",
      "partition.duration.ms": 3_600_000,
      locale: "en-US",
      timezone: "UTC",
      "flush.size": 1_000_000,
      "rotate.interval.ms": 3_600_000,
      "rotate.schedule.interval.ms": 3_600_000,
      "schema.compatibility": "NONE",
      "s3.part.size": 5_242_880,
      "behavior.on.null.values": "ignore",
    },
    secrets: [plan.kafkaUser, secretName],
  };
}

/** Fields of the environment's secret with the keys of the object store. */
export const s3Fields = { accessKeyId: "s3-access-key-id", secretAccessKey: "s3-secret-access-key" } as const;

/** Bootstrap servers of the workers. */
export const connectBootstrap = () => bootstrapOf("tls");
export const connectGroup = `${clusterName}-connect`;
