import { readFileSync } from "node:fs";
import type { KafkaConfig } from "kafkajs";
import { ConfigError } from "../lib/contract";
import { messageOf } from "../lib/errors";
import { brokerFaults } from "../lib/kafka";
import { enqueueContract, type EnqueueEnv } from "./contract";
import { pythonRegexp } from "../lib/pythonRegexp";

/** What the variables of enqueue mean together. */
export interface EnqueueConfig {
  readonly datasetRegexp: RegExp;
  readonly source: WebhookSource | KafkaSource;
}

export interface WebhookSource {
  readonly mode: "webhook";
  /** `opaqueData` of each record; empty only when ALLOW_EMPTY_SECRET says so. */
  readonly secret: string;
}

export interface KafkaSource {
  readonly mode: "kafka";
  /** Bootstrap servers as given, for the log. */
  readonly cluster: string;
  readonly connection: KafkaConfig;
  readonly kafkaTopic: string;
  readonly consumerGroup: string;
  readonly fromBeginning: boolean;
}

/**
 * Reads what one variable alone cannot tell.
 * @throws {@link ConfigError} that lists every fault at once.
 */
export function enqueueConfig(env: EnqueueEnv): EnqueueConfig {
  const faults: string[] = [];
  const datasetRegexp = attempt(() => pythonRegexp(env.DATASET_REGEXP), "DATASET_REGEXP", faults);
  const mode = env.ENQUEUE_MODE ?? (env.KAFKA_CLUSTER === undefined ? "webhook" : "kafka");
  const source = mode === "kafka" ? kafkaSource(env, faults) : webhookSource(env, faults);
  if (faults.length > 0) throw new ConfigError(enqueueContract.name, faults);
  return { datasetRegexp: datasetRegexp as RegExp, source: source as EnqueueConfig["source"] };
}

function webhookSource(env: EnqueueEnv, faults: string[]): WebhookSource | undefined {
  const { NOTIFICATION_SECRET: secret, ALLOW_EMPTY_SECRET: allowEmpty } = env;
  if (secret === undefined || (secret === "" && !allowEmpty)) {
    faults.push(
      `NOTIFICATION_SECRET is ${secret === undefined ? "missing" : "empty"}: without it anyone who reaches the port can ` +
        `queue paths. Give the OpaqueData of the bucket topic, or NOTIFICATION_SECRET="" and ALLOW_EMPTY_SECRET=true`,
    );
    return undefined;
  }
  return { mode: "webhook", secret };
}

function kafkaSource(env: EnqueueEnv, faults: string[]): KafkaSource | undefined {
  const { KAFKA_CLUSTER: cluster, KAFKA_TOPIC: kafkaTopic, KAFKA_SASL_MECHANISM: mechanism } = env;
  if (cluster === undefined) faults.push("KAFKA_CLUSTER is missing: ENQUEUE_MODE=kafka needs the bootstrap servers");
  if (kafkaTopic === undefined) faults.push("KAFKA_TOPIC is missing: ENQUEUE_MODE=kafka needs the topic");
  const brokers = (cluster ?? "").split(",").map((broker) => broker.trim());
  if (cluster !== undefined) faults.push(...brokerFaults("KAFKA_CLUSTER", brokers));
  const { KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  if (mechanism !== undefined && (username === undefined || password === undefined)) {
    faults.push(`KAFKA_SASL_MECHANISM=${mechanism} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`);
  }
  if (mechanism === undefined && (username !== undefined || password !== undefined)) {
    faults.push("KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is given without KAFKA_SASL_MECHANISM");
  }
  if (env.KAFKA_TLS_CA !== undefined && !env.KAFKA_TLS) faults.push("KAFKA_TLS_CA is given without KAFKA_TLS=true");
  const ca =
    env.KAFKA_TLS && env.KAFKA_TLS_CA !== undefined
      ? attempt(() => readFileSync(env.KAFKA_TLS_CA as string, "utf8"), "KAFKA_TLS_CA", faults)
      : undefined;
  if (faults.length > 0) return undefined;
  return {
    mode: "kafka",
    cluster: cluster as string,
    kafkaTopic: kafkaTopic as string,
    consumerGroup: env.KAFKA_GROUP_ID,
    fromBeginning: env.KAFKA_OFFSET_RESET === "earliest",
    connection: {
      clientId: enqueueContract.name,
      brokers,
      ssl: env.KAFKA_TLS ? (ca === undefined ? true : { ca: [ca] }) : false,
      ...(mechanism === undefined
        ? {}
        : { sasl: { mechanism, username: username as string, password: password as string } as KafkaConfig["sasl"] }),
    },
  };
}

function attempt<T>(read: () => T, variable: string, faults: string[]): T | undefined {
  try {
    return read();
  } catch (error) {
    faults.push(`${variable}: ${messageOf(error)}`);
    return undefined;
  }
}
