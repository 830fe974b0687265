import { ConfigError } from "../lib/contract";
import { messageOf } from "../lib/errors";
import { type ConnectorEnv, connectorContract } from "./contract";

/** What the variables mean together. */
export interface ConnectorSettings {
  /** Matches whole names of topics. */
  readonly topicPattern: RegExp;
  /** Most bytes of one batch of line protocol. */
  readonly batchBytes: number;
}

/** @throws {@link ConfigError} that lists every fault at once. */
export function connectorSettings(env: ConnectorEnv): ConnectorSettings {
  const faults: string[] = [];
  let topicPattern = /^$/;
  try {
    topicPattern = new RegExp(`^(?:${env.TOPIC_PATTERN})$`, "u");
  } catch (error) {
    faults.push(`TOPIC_PATTERN="${env.TOPIC_PATTERN}" is refused: ${messageOf(error)}`);
  }
  if (topicPattern.test(env.DEAD_LETTER_TOPIC))
    faults.push(`DEAD_LETTER_TOPIC="${env.DEAD_LETTER_TOPIC}" is refused: TOPIC_PATTERN takes it, so what is parked would be read again`); // prettier-ignore
  if (env.FORMAT === "avro" && !/^https?:\/\//.test(env.REGISTRY_URL))
    faults.push(
      `REGISTRY_URL="${env.REGISTRY_URL}" is refused: FORMAT=avro needs the http(s) URL of a schema registry`,
    );
  if (!/^https?:\/\//.test(env.INFLUXDB_URL)) faults.push(`INFLUXDB_URL="${env.INFLUXDB_URL}" is refused: it is no http(s) URL`); // prettier-ignore
  if ((env.INFLUXDB_USERNAME === undefined) !== (env.INFLUXDB_PASSWORD === undefined))
    faults.push("INFLUXDB_USERNAME and INFLUXDB_PASSWORD go together: one of them is missing");
  for (const tag of env.TAGS)
    if (tag === "time" || tag.startsWith("_")) faults.push(`TAGS="${env.TAGS.join(",")}" is refused: InfluxDB keeps "${tag}" for itself`); // prettier-ignore
  if (env.TAGS.includes(env.TIMESTAMP_FIELD)) faults.push(`TAGS="${env.TAGS.join(",")}" is refused: "${env.TIMESTAMP_FIELD}" is the time of a point`); // prettier-ignore
  if (faults.length > 0) throw new ConfigError(connectorContract.name, faults);
  return { topicPattern, batchBytes: Math.floor(env.MAX_BUFFER_BYTES / (env.INFLUXDB_CONNECTIONS + 1)) };
}
