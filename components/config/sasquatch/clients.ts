import { z } from "zod";
import { partialResources } from "../field";
import { aggregate, jdbcSink, parquetSink } from "./longTerm";

/**
 * A client is what writes one family of time series: its record says all that its topics, connectors, bucket, Kafka users
 * and credentials follow from. Defaults are filled in by `resolve.ts`, since an environment may set any of them anew.
 */

/** Part of a topic's name: what Kafka takes, without the dot that separates parts. */
const namePart = z.string().regex(/^[A-Za-z0-9_-]+$/, "must be of A-Z, a-z, 0-9, _ and -");

const topicName = z
  .string()
  .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, 'must be parts of A-Z, a-z, 0-9, _ and - with "." between');

export const kinds = ["telemetry", "events", "commands", "acks"] as const;

const narrowing = {
  components: z
    .array(namePart)
    .min(1)
    .optional()
    .describe("CSCs, e.g. MTMount: the part after the namespace. Default: all."),
  kinds: z
    .array(z.enum(kinds))
    .min(1)
    .optional()
    .describe("Kinds of SAL topics: events = logevent_…, commands = command_…, acks = ackcmd, telemetry = all others."),
  topics: z
    .array(topicName)
    .min(1)
    .optional()
    .describe("Names, whole, of what follows the namespace; with components or kinds: of what follows the component."),
  except: z
    .array(topicName)
    .min(1)
    .optional()
    .describe("Names, as in topics, that are left out together with all below them (`<name>.…`)."),
};

/** Which topics: the typed form that all patterns are made of (`workloads/src/lib/topicSelector.ts`). */
export const selectorSchema = z.strictObject({
  namespace: topicName.describe("What the names begin with, e.g. lsst.sal; a dot and more follow."),
  ...narrowing,
});

const seriesName = z.string().regex(/^[A-Za-z0-9_][\w.-]*$/, "must be of A-Z, a-z, 0-9, _, . and -");

/** Name of a Kafka user or of a user of InfluxDB. */
const userName = z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "must be of a-z, 0-9, . and -");

export const duration = z.string().regex(/^[1-9]\d*(m|h|d|w|y)$/, 'must be a duration such as "72h", "180d" or "3y"');

export const retention = z
  .string()
  .regex(/^(infinite|[1-9]\d*(h|d|w|y))$/, 'must be "infinite" or a duration such as "72h", "180d" or "3y"');

export const kafkaTopicSchema = z.strictObject({
  name: topicName.describe("Name in Kafka."),
  partitions: z.int().min(1).default(1).describe("Partitions. An event topic of SAL has exactly one."),
  config: z
    .record(z.string(), z.union([z.string(), z.int()]))
    .default({})
    .describe("Configuration, e.g. retention.ms."),
});

const connectorPart = z.strictObject({
  ...narrowing,
  rest: z
    .literal(true)
    .optional()
    .describe("All components of the client that no other part names, so that a new CSC is stored from its first day."),
  enabled: z.boolean().optional().describe("False: this environment has no such part. Default: true."),
  replicas: z.int().min(1).max(32).optional().describe("Pods that share the part's partitions. Default: 1."),
  batchLines: z.int().min(1).max(100_000).optional().describe("Lines of one write. Default: the connector's."),
  maxBufferBytes: z
    .int()
    .min(1_000_000)
    .optional()
    .describe("Bytes read and not yet written at most. Default: the connector's."),
  topicRefreshSeconds: z
    .int()
    .min(1)
    .max(3600)
    .optional()
    .describe("How often new and deleted topics are looked for. Default: the connector's, 30 s."),
  ...partialResources(),
});

export const timestamp = z.strictObject({
  field: z
    .string()
    .describe("Field with the time of a point, e.g. private_efdStamp (UTC). Empty: the time of the Kafka record."),
  unit: z.enum(["s", "ms", "us", "ns"]).describe("Unit of that field, since 1970."),
});

/** A topic that is deliberately not stored, and why. */
export const unstoredSchema = z.strictObject({
  ...narrowing,
  namespace: topicName.optional().describe("Default: the client's."),
  reason: z.string().min(10, "must be a reason that the next reader understands").describe("Why."),
});

const fieldType = z
  .string()
  .regex(
    /^(boolean|int|long|float|double|string)(\[[1-9]\d{0,4}\])?$/,
    'must be a type of Avro such as "double", or "double[3]"',
  );

/** What an environment may say anew. Everything but `topics`, which is what makes the client. */
export const clientOverrides = {
  about: z.string().optional().describe("What the client is, for a reader."),
  format: z
    .enum(["avro", "json"])
    .optional()
    .describe("Format of the messages. Default: avro, with the schema registry."),
  fields: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, "must be a name of Avro"), fieldType)
    .optional()
    .describe("Schema of its messages, where it is one: type by field. Tags, time and names are held against it."),
  timestamp: timestamp.optional().describe("Where a point's time is. Default: private_efdStamp, seconds."),
  tags: z
    .array(z.string().min(1))
    .optional()
    .describe("Fields that become tags: less than 10,000 values each. Default: none."),
  bucket: seriesName
    .optional()
    .describe("Bucket (InfluxDB 1: database) of its points, no other client's. Default: the client's name."),
  retention: retention.optional().describe('How long the bucket keeps points. Default: "infinite".'),
  sink: z
    .enum(["connector", "telegraf", "influxdb-sink"])
    .optional()
    .describe(
      "Who writes to the bucket: connector = ours; telegraf = Telegraf; influxdb-sink = Kafka Connect with a KafkaConnector. " +
        "Default: connector.",
    ),
  connectors: z
    .record(z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be of a-z, 0-9 and -"), connectorPart)
    .optional()
    .describe("Parts of the topics that are written apart from each other. Default: one, of all topics."),
  kafkaTopics: z
    .array(kafkaTopicSchema)
    .optional()
    .describe("Topics that are declared. Others are made by their producers."),
  writers: z.array(userName).optional().describe("Kafka users that write its topics. Default: none of ours."),
  consumers: z
    .array(userName)
    .optional()
    .describe("Kafka users, besides the connectors, that read its topics. Default: none."),
  readers: z.array(userName).optional().describe("InfluxDB users that read its bucket. Default: efdreader."),
  downsample: z
    .array(
      z.strictObject({
        every: duration.describe("Length of a window; the bucket's name ends with it, e.g. efd_1m."),
        retention: retention.describe("How long that bucket keeps its points."),
      }),
    )
    .optional()
    .describe("Ladder of buckets with statistics of ever longer windows, each made of the one before. Default: none."),
  deadman: z
    .strictObject({ after: duration.describe("A series that has been silent for so long is told of.") })
    .optional()
    .describe("Tells of series that fall silent. Default: not."),
  parquet: parquetSink.optional(),
  jdbc: jdbcSink.optional(),
  aggregate: aggregate.optional(),
  colliding: z
    .array(unstoredSchema)
    .optional()
    .describe(
      "Topics of which it is known, for the reason given, that flattened arrays have the name of another field. Default: none.",
    ),
  unstored: z
    .array(unstoredSchema)
    .optional()
    .describe("Topics that are deliberately not stored, with the reason. Default: none."),
};

export const clientSchema = z.strictObject({
  topics: selectorSchema.optional().describe("Its topics. Only a client that the program knows may leave this out."),
  ...clientOverrides,
});

export type Selector = z.output<typeof selectorSchema>;
export type ConnectorPart = z.output<typeof connectorPart>;
export type ClientConfig = z.output<typeof clientSchema>;
export type Unstored = z.output<typeof unstoredSchema>;
