import { z } from "zod";
import { choice, integer, seconds, text } from "./contract";
import { kafkaEnv, kafkaSecrets, registryEnv } from "./kafkaContract";
import { timeUnits } from "./recordTime";

/** Variables of a program that reads Avro records of many topics as one consumer group. */
export const recordEnv = {
  ...kafkaEnv,
  ...registryEnv,
  REGISTRY_URL: text({
    about: "Schema registry with Confluent's API, of the cluster that the schema ids are from; a path is kept",
  }),
  CONSUMER_GROUP: text({ about: "Consumer group" }),
  TOPIC_PATTERN: text({ about: "Topics to read: a regular expression that the whole name must match" }),
  SESSION_SECONDS: seconds({
    about: "A member of the group that was not heard of for so long is given up; the brokers take 6 to 1,800",
    min: 6,
    max: 1_800,
  }).default(30),
  TOPIC_REFRESH_SECONDS: seconds({ about: "How often new and deleted topics are looked for", min: 0.1 }).default(30),
  TIMESTAMP_FIELD: z
    .string()
    .meta({
      about:
        "Field with a record's own time (UTC). A record without it, or with a time outside of 2000 to 2100, goes by its Kafka timestamp; empty: all do", // prettier-ignore
    })
    .default("private_efdStamp"),
  TIMESTAMP_UNIT: choice(timeUnits, { about: "Unit of that field, since 1970" }).default("s"),
  DEAD_LETTER_TOPIC: text({
    about: "Topic for messages that cannot be read, with the reason in their headers; it must exist",
  }),
  CONCURRENCY: integer({ about: "Partitions that are worked on at the same time", min: 1, max: 64 }).default(4),
} as const;

export const recordSecrets = kafkaSecrets;
