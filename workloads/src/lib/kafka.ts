import { readFileSync } from "node:fs";
import type { z } from "zod";
import { ConfigError } from "./contract";
import { messageOf } from "./errors";
import type { kafkaEnv, kafkaSecrets } from "./kafkaContract";
import { registerCodecs } from "./kafkaCodecs";
import { Kafka, type KafkaConfig, logLevel } from "./kafkajs";
import type { Logger } from "./log";

export { kafkaEnv, kafkaSecrets, registryEnv } from "./kafkaContract";

type Shape = typeof kafkaEnv & typeof kafkaSecrets;
/** The variables of Kafka, parsed. */
export type KafkaEnv = Readonly<z.output<z.ZodObject<Shape>>>;

/** Longest delay between two attempts that kafkajs makes by itself, ms. */
const maxRetryMs = 10_000;

/**
 * Reads what the Kafka variables mean together, and the files that they name.
 * @param program - Name of the workload, for the client's id and the error.
 * @throws {@link ConfigError} that lists every fault at once.
 */
export function kafkaConnection(program: string, env: KafkaEnv): KafkaConfig {
  const faults: string[] = [];
  if (env.KAFKA_BROKERS.length === 0) faults.push("KAFKA_BROKERS is empty: give the bootstrap servers");
  faults.push(...brokerFaults("KAFKA_BROKERS", env.KAFKA_BROKERS));
  const { KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = env;
  if ((username === undefined) !== (password === undefined))
    faults.push("KAFKA_USERNAME and KAFKA_PASSWORD go together: one of them is missing");
  if ((env.KAFKA_CERT_FILE === undefined) !== (env.KAFKA_KEY_FILE === undefined))
    faults.push("KAFKA_CERT_FILE and KAFKA_KEY_FILE go together: one of them is missing");
  const files = { ca: "KAFKA_CA_FILE", cert: "KAFKA_CERT_FILE", key: "KAFKA_KEY_FILE" } as const;
  const tls: Partial<Record<keyof typeof files, string>> = {};
  for (const [part, variable] of Object.entries(files) as [keyof typeof files, (typeof files)[keyof typeof files]][]) {
    const file = env[variable];
    if (file === undefined) continue;
    if (!env.KAFKA_TLS) {
      faults.push(`${variable} is given without KAFKA_TLS=true`);
      continue;
    }
    try {
      tls[part] = readFileSync(file, "utf8");
    } catch (error) {
      faults.push(`${variable}: ${messageOf(error)}`);
    }
  }
  if (faults.length > 0) throw new ConfigError(program, faults);
  return {
    clientId: program,
    brokers: env.KAFKA_BROKERS,
    ssl: env.KAFKA_TLS && (Object.keys(tls).length === 0 || tls),
    ...(username !== undefined && { sasl: { mechanism: "scram-sha-512", username, password: password! } }),
  };
}

/** Faults of a list of bootstrap servers that stands in `variable`. */
export function brokerFaults(variable: string, brokers: readonly string[]): string[] {
  return brokers
    .filter((broker) => !/^[^\s:]+:\d{1,5}$|^\[[^\]]+\]:\d{1,5}$/.test(broker))
    .map((broker) => `${variable}="${brokers.join(",")}" is refused: "${broker}" is not host:port`);
}

/**
 * A Kafka client with our limits and our log; it reads every compression that producers use (zstd: Node.js 22.15 or newer).
 * kafkajs tries again a little by itself; callers try on, with back-off, and say so.
 */
export function kafkaClient(connection: KafkaConfig, log: Logger): Kafka {
  registerCodecs();
  return new Kafka({
    ...connection,
    connectionTimeout: 5_000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 300, maxRetryTime: maxRetryMs, retries: 2 },
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => {
      const { message, error, ...fields } = entry.log;
      const detail = { kafka: entry.namespace, error: error as unknown, groupId: fields.groupId as unknown };
      if (entry.level === logLevel.ERROR) log.warn(detail, message);
      else if (entry.level === logLevel.WARN) log.info(detail, message);
      else log.debug(detail, message);
    },
  });
}
