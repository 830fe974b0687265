import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { choice, commonEnv, flag, integer, list, redisEnv, redisSecrets, seconds, text } from "../lib/contract";

/** Receives bucket notifications, by HTTP or from Kafka, and queues the object paths for ingest. */
export const enqueueContract = {
  name: "enqueue",
  about: "Receives bucket notifications, by HTTP or from Kafka, and queues the object paths for ingest.",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    ENQUEUE_MODE: choice(["webhook", "kafka"], {
      about: "Where notifications come from; by default `kafka` when KAFKA_CLUSTER is set, else `webhook`",
    }).optional(),
    DATASET_REGEXP: text({
      about:
        "Object paths to queue: a Python regular expression, searched for anywhere in `[profile@]bucket/key` " +
        "(`\\d` and `\\w` match Unicode, `$` also matches before a final newline)",
    }).default("fits$"),
    PROFILE: z
      .string()
      .meta({ about: "S3 profile that is put before the bucket, `PROFILE@bucket`; empty for none" })
      .default(""),
    BUCKETS: list({
      about:
        "Comma-separated `[profile@]bucket` names that have an ingester; a record of another bucket is dead-lettered " +
        "as UNKNOWN_BUCKET. Empty accepts every bucket",
    }).default([]),
    KEY_ENCODING: choice(["raw", "url"], {
      about: "How the object store writes keys in its events: Ceph `raw`, S3 itself `url` (`+` a space, `%XX` a byte)",
    }).default("raw"),
    ENQUEUE_DEDUPE_TTL: seconds({
      about: "How long the same notification of an object is taken for a repeat",
      min: 1,
    }).default(604_800),
    ALLOW_EMPTY_SECRET: flag({
      about: "Webhook: accept an empty NOTIFICATION_SECRET, so that anyone who reaches the port can queue paths",
    }).default(false),
    BODY_LIMIT: integer({ about: "Webhook: largest request body", unit: "bytes", min: 1024 }).default(4_194_304),
    KAFKA_CLUSTER: text({ about: "Kafka: bootstrap servers, `host:port,…`" }).optional(),
    KAFKA_TOPIC: text({ about: "Kafka: topic of the bucket notifications" }).optional(),
    KAFKA_GROUP_ID: text({ about: "Kafka: consumer group" }).default("embargo-butler-enqueue"),
    KAFKA_OFFSET_RESET: choice(["earliest", "latest"], {
      about:
        "Kafka: where a group without offsets starts. `earliest` repeats what was queued already, which is harmless; " +
        "`latest` skips what was sent before",
    }).default("earliest"),
    KAFKA_TLS: flag({ about: "Kafka: speak TLS to the brokers" }).default(false),
    KAFKA_TLS_CA: text({ about: "Kafka: file with the certificate authority of the brokers (PEM)" }).optional(),
    KAFKA_SASL_MECHANISM: choice(["plain", "scram-sha-256", "scram-sha-512"], {
      about: "Kafka: SASL mechanism; none by default",
    }).optional(),
    KAFKA_SASL_USERNAME: text({ about: "Kafka: SASL user" }).optional(),
  }),
  secrets: z.object({
    ...redisSecrets,
    NOTIFICATION_SECRET: z
      .string()
      .meta({ about: "Webhook: `opaqueData` that each record must carry; required in webhook mode" })
      .optional(),
    KAFKA_SASL_PASSWORD: text({ about: "Kafka: SASL password" }).optional(),
  }),
  httpPort: 8000,
  longestStepSeconds: 15,
  runs: "until-stopped",
} as const satisfies Contract;

export type EnqueueEnv = EnvOf<typeof enqueueContract>;
