import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { choice, commonEnv, integer, list, seconds, text } from "../lib/contract";
import { kafkaEnv, kafkaSecrets, registryEnv } from "../lib/kafkaContract";

/** Writes the records of Kafka topics to InfluxDB, each as one point. */
export const connectorContract = {
  name: "connector",
  about:
    "Writes the records of Kafka topics to one InfluxDB bucket, each as one point; what cannot be stored is parked in a topic.",
  env: z.object({
    ...commonEnv,
    ...kafkaEnv,
    ...registryEnv,
    CONSUMER_GROUP: text({ about: "Consumer group; whoever shares it shares the partitions" }),
    TOPIC_PATTERN: text({ about: "Topics to read: a regular expression that must match the whole name" }),
    TOPIC_REFRESH_SECONDS: seconds({ about: "How often new and deleted topics are looked for", min: 1, max: 3600 }).default(30), // prettier-ignore
    FORMAT: choice(["avro", "json"], {
      about: "`avro`: Confluent's wire format, schemas by REGISTRY_URL; `json`: an object, or a list of objects",
    }).default("avro"),
    TIMESTAMP_FIELD: z
      .string()
      .meta({ about: "Field with the time of the point; empty: the time of the Kafka record" })
      .default("private_efdStamp"),
    TIMESTAMP_UNIT: choice(["s", "ms", "us", "ns"], {
      about: "Unit of TIMESTAMP_FIELD, since 1970. Points are stored to the microsecond, with `ns` to the nanosecond",
    }).default("s"),
    TIMESTAMP_MIN: z
      .string()
      .refine((value) => !Number.isNaN(Date.parse(value)), "is no ISO 8601 time")
      .meta({ about: "A time before this is taken for a wrong unit or clock: the record is parked" })
      .default("2000-01-01T00:00:00Z"),
    TIMESTAMP_MAX_AHEAD: seconds({ about: "A time so much later than now is taken for a wrong unit or clock", min: 1 }).default(86_400), // prettier-ignore
    TAGS: list({ about: "Comma-separated fields that are tags and no fields; those that a record has not, or empty, are left out" }).default([]), // prettier-ignore
    REMOVE_PREFIX: z
      .string()
      .meta({ about: "What the measurement of a JSON record lacks of the topic's name; a topic without it is refused" })
      .default(""),
    INFLUXDB_URL: text({ about: "InfluxDB 1.x, 2.x (with a DBRP mapping) or Enterprise; it must serve `/write`" }),
    INFLUXDB_DATABASE: text({ about: "Database, or bucket by way of its DBRP mapping" }),
    INFLUXDB_RETENTION_POLICY: text({ about: "Retention policy" }).default("autogen"),
    INFLUXDB_USERNAME: text({
      about: "User that may write to the database; none without INFLUXDB_PASSWORD",
    }).optional(),
    INFLUXDB_TIMEOUT: seconds({ about: "Longest time of one write; then it is tried again", min: 1, max: 300 }).default(
      30,
    ),
    INFLUXDB_CONNECTIONS: integer({ about: "Writes at the same time", min: 1, max: 32 }).default(4),
    DEAD_LETTER_TOPIC: text({ about: "Topic for records that cannot be stored, with the reason in their headers" }),
    BATCH_LINES: integer({ about: "Most points of one write", min: 1, max: 100_000 }).default(5_000),
    MAX_BUFFER_BYTES: integer({
      about: "Most line protocol in memory: what is being filled and what is being written, together",
      unit: "bytes",
      min: 1_048_576,
    }).default(50_331_648),
    LINGER_MS: integer({ about: "Longest time that a point waits for a write that is under way; after that it is written beside it. It never waits for other points", unit: "ms", max: 10_000 }).default(1_000), // prettier-ignore
    NOT_READY_SECONDS: seconds({ about: "Not ready when InfluxDB or the registry has failed for so long", min: 1 }).default(30), // prettier-ignore
  }),
  secrets: z.object({
    ...kafkaSecrets,
    INFLUXDB_PASSWORD: text({ about: "Password of INFLUXDB_USERNAME" }).optional(),
  }),
  httpPort: 8000,
  longestStepSeconds: 20,
  runs: "until-stopped",
} as const satisfies Contract;

export type ConnectorEnv = EnvOf<typeof connectorContract>;
