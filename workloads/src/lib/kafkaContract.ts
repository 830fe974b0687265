import { z } from "zod";
import { flag, integer, list, seconds, text } from "./contract";

/** Variables of every workload that reads or writes Kafka topics of records. */
export const kafkaEnv = {
  KAFKA_BROKERS: list({ about: "Bootstrap servers, `host:port,…`" }),
  KAFKA_TLS: flag({ about: "Speak TLS to the brokers" }).default(false),
  KAFKA_CA_FILE: text({
    about: "File with the certificate authority of the brokers (PEM); needs KAFKA_TLS",
  }).optional(),
  KAFKA_CERT_FILE: text({ about: "File with the certificate of the Kafka user (PEM), for mutual TLS" }).optional(),
  KAFKA_KEY_FILE: text({ about: "File with the private key of that certificate (PEM)" }).optional(),
  KAFKA_USERNAME: text({ about: "Kafka user of SCRAM-SHA-512; none without KAFKA_PASSWORD" }).optional(),
} as const;

/** Secrets of {@link kafkaEnv}. */
export const kafkaSecrets = {
  KAFKA_PASSWORD: text({ about: "Password of KAFKA_USERNAME" }).optional(),
} as const;

/** Variables of every workload that reads what an Avro schema describes. */
export const registryEnv = {
  REGISTRY_URL: z
    .string()
    .meta({
      about:
        "Schema registry with Confluent's API, of the cluster that the schema ids are from; a path is kept " +
        "(`/apis/ccompat/v7`, `/contexts/:.summit:`). Empty only where nothing is Avro",
    })
    .default(""),
  REGISTRY_TIMEOUT: seconds({ about: "Longest time of one request to the registry", min: 0.1, max: 60 }).default(5),
  REGISTRY_MAX_SCHEMAS: integer({ about: "Schemas kept in memory; the one not asked for longest goes first", min: 10 }).default(10_000), // prettier-ignore
} as const;
