import type { TopicSelector } from "../../../workloads/src/lib/topicSelector";
import type { KafkaTopicSpec, KafkaUserSpec } from "../../kafka";
import type { Aggregate, JdbcSink, ParquetSink } from "../../config";

/**
 * The plan of an environment: what its configuration comes to, as plain lists. Components declare it, the preview checks
 * it, `usdf topics audit` and `usdf sasquatch size` read it; nothing here knows Pulumi.
 */
export interface Plan {
  readonly environment: string;
  readonly connectors: readonly ConnectorPlan[];
  readonly topics: readonly TopicPlan[];
  readonly users: readonly UserPlan[];
  readonly buckets: readonly BucketPlan[];
  readonly mirrors: readonly MirrorPlan[];
  /** Consumers of clients besides the connectors to the bucket. */
  readonly longTerm: readonly LongTermPlan[];
}

/** The server that is asked, or the second one that takes its place; each has connectors of its own. */
export type InfluxdbRole = "active" | "standby";

/** One consumer group that writes topics of a client to its bucket. */
export interface ConnectorPlan {
  /** RFC 1123 name, unique in the environment: `<client>` or `<client>-<part>`, dots as "-". */
  readonly name: string;
  readonly client: string;
  readonly sink: "connector" | "telegraf" | "influxdb-sink";
  /** Its topics as they are named where they are produced. */
  readonly selector: TopicSelector;
  /** Environment that the topics are mirrored from; undefined for topics that are produced here. */
  readonly from?: string;
  /** Anchored patterns of the names as they are here; all take the same names. No comma in them. */
  readonly patterns: Readonly<Record<Dialect, string>>;
  readonly format: "avro" | "json";
  /** An empty field is the time of the Kafka record. */
  readonly timestamp: { readonly field: string; readonly unit: "s" | "ms" | "us" | "ns" };
  readonly tags: readonly string[];
  /** What is taken off a topic's name to make the measurement: `<alias>.` or empty. */
  readonly removePrefix: string;
  readonly bucket: string;
  /** Which of the environment's two servers it writes to. */
  readonly influxdb: InfluxdbRole;
  readonly consumerGroup: string;
  readonly kafkaUser: string;
  readonly influxUser: string;
  /** Registry with the schemas: the environment's own, or the one that reads the mirrored schemas of that alias. */
  readonly registry: "local" | { readonly alias: string };
  readonly deadLetterTopic: string;
  readonly replicas: number;
  readonly batchLines?: number;
  readonly maxBufferBytes?: number;
  readonly topicRefreshSeconds?: number;
  readonly resources: Resources;
}

/** A client's topics read for another store than its bucket, or for statistics in topics of their own. */
export type LongTermPlan = {
  /** RFC 1123 name: `<client>-parquet`, `<client>-jdbc`, `<client>-aggregate`. */
  readonly name: string;
  readonly client: string;
  readonly selector: TopicSelector;
  readonly from?: string;
  readonly patterns: Readonly<Record<Dialect, string>>;
  readonly format: "avro" | "json";
  readonly timestamp: ConnectorPlan["timestamp"];
  readonly removePrefix: string;
  readonly consumerGroup: string;
  readonly kafkaUser: string;
  readonly registry: ConnectorPlan["registry"];
  readonly deadLetterTopic: string;
} & (
  | { readonly kind: "parquet"; readonly settings: ParquetSink }
  | { readonly kind: "jdbc"; readonly settings: JdbcSink }
  | { readonly kind: "aggregate"; readonly settings: Aggregate }
);

/** Language whose regular expressions a pattern is written for. */
export type Dialect = "go" | "java" | "python";

export interface Resources {
  readonly requests: { readonly cpu: string; readonly memory: string };
  readonly limits: { readonly cpu: string; readonly memory: string };
}

/** A topic that is declared. */
export type TopicPlan = KafkaTopicSpec;

export interface UserPlan extends KafkaUserSpec {
  /** scram-sha-512: field of the environment's secret in Vault with the password, `<user>-password`. */
  readonly passwordField?: string;
}

/** A bucket (InfluxDB 1: a database with retention policy autogen). */
export interface BucketPlan {
  readonly name: string;
  readonly client: string;
  /** 0 = infinite. */
  readonly retentionSeconds: number;
  readonly shardGroupSeconds: number;
  /** Users of InfluxDB that may write to it, and to nothing else. */
  readonly writers: readonly string[];
  readonly readers: readonly string[];
  /** For a bucket of the ladder: length of its windows and the bucket that it is made of. */
  readonly downsampled?: { readonly from: string; readonly everySeconds: number };
  /** A series silent for so long is told of. */
  readonly deadmanSeconds?: number;
}

/** Replication of another environment's topics to this one. */
export interface MirrorPlan {
  /** Alias of the source: name of its environment. */
  readonly from: string;
  /** Alias of the target: this environment. */
  readonly to: string;
  readonly bootstrap: string;
  /** Topics as they are named at the source, without registry-schemas. */
  readonly selectors: readonly TopicSelector[];
  /** Java patterns of them and of registry-schemas; MirrorMaker joins them by commas. */
  readonly patterns: readonly string[];
  readonly offset: "earliest" | "latest";
  readonly offsetSyncs: "source" | "target";
  /** Whether registry-schemas is mirrored: then the environment has a second registry for it. */
  readonly schemas: boolean;
}
