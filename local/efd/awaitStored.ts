import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../exit";
import type { Filled } from "./fillTelemetry";

/** What telemetry passes on its way from Kafka to InfluxDB. */
export interface TelemetryPath {
  readonly sal: { readonly brokers: readonly string[] };
  readonly connectors: readonly {
    readonly name: string;
    readonly topicPattern: string;
    readonly consumerGroup: string;
    readonly deadLetterTopic: string;
  }[];
  readonly influxdb: {
    readonly url: string;
    readonly database: string;
    readonly username: string;
    readonly password: string;
  };
}

export interface Stored {
  readonly messages: number;
  readonly topics: number;
  readonly bytes: number;
}

/** `12,345 messages (6.7 MB) of 31 topics in Kafka, all in InfluxDB`. */
export function telemetryLine({ messages, topics, bytes }: Stored): string {
  const megabytes = (bytes / 1e6).toFixed(1);
  return `${messages.toLocaleString("en-US")} messages (${megabytes} MB) of ${topics} topics in Kafka, all in InfluxDB`;
}

/** Longest way from Kafka to InfluxDB, ms. */
const limitMs = 60_000;
const requestMs = 20_000;

/**
 * Waits until the connectors have committed all that was sent, and counts what InfluxDB has of it.
 * @throws CommandError that names the topics that are behind, or whose points are fewer than messages.
 */
export async function awaitStored(path: TelemetryPath, { sent, span }: Filled): Promise<Stored> {
  const groups = new Map<string, string[]>();
  for (const topic of sent.keys()) {
    const connector = path.connectors.find(({ topicPattern }) => new RegExp(topicPattern).test(topic));
    if (!connector) throw new CommandError(`No connector of the stack stores topic ${topic}.`);
    groups.set(connector.consumerGroup, [...(groups.get(connector.consumerGroup) ?? []), topic]);
  }
  const { Kafka, logLevel } = await import("../../workloads/src/lib/kafkajs"); // commands name this file before they need it
  const kafka = new Kafka({
    brokers: [...path.sal.brokers],
    clientId: "usdf",
    logLevel: logLevel.NOTHING,
    requestTimeout: requestMs,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const behind: string[] = [];
      for (const [groupId, topics] of groups) {
        for (const { topic, partitions } of await admin.fetchOffsets({ groupId, topics })) {
          // -1: nothing is committed yet.
          if (BigInt(partitions[0]?.offset ?? -1) < sent.get(topic)!.end) behind.push(topic);
        }
      }
      if (behind.length === 0) break;
      if (Date.now() > deadline)
        throw new CommandError(
          `Telemetry waits in Kafka: after ${limitMs / 1000} s ${behind.length} of ${sent.size} topics are not stored, ` +
            `first ${behind[0]}. See: usdf logs ${path.connectors.map(({ name }) => name).join(" ")}`,
        );
      await sleep(50);
    }
  } finally {
    await admin.disconnect();
  }
  const counts = await countPoints(path.influxdb, [...sent.keys()], span);
  const short = [...sent].filter(([topic, { messages }]) => (counts.get(topic) ?? 0) < messages);
  if (short.length > 0) {
    const [topic, { messages }] = short[0]!;
    throw new CommandError(
      `InfluxDB lacks points of ${short.length} topics, first ${topic}: ${counts.get(topic) ?? 0} of ${messages}. ` +
        `What was refused is in ${[...new Set(path.connectors.map(({ deadLetterTopic }) => deadLetterTopic))].join(", ")}.`,
    );
  }
  const all = [...sent.values()];
  const sum = (key: "messages" | "bytes") => all.reduce((total, one) => total + one[key], 0);
  return { messages: sum("messages"), topics: sent.size, bytes: sum("bytes") };
}

/** Points of measurements in a span, as a client of the EFD asks. */
export async function countPoints(
  { url, database, username, password }: TelemetryPath["influxdb"],
  measurements: readonly string[],
  { beginNs, endNs }: Filled["span"],
): Promise<Map<string, number>> {
  const from = (name: string) =>
    `SELECT count("private_seqNum") FROM "${database}"."autogen"."${name}" WHERE time >= ${beginNs} AND time < ${endNs}`;
  const answer = await fetch(`${url}/query?${new URLSearchParams({ db: database })}`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ q: measurements.map(from).join(";") }),
    signal: AbortSignal.timeout(requestMs),
  });
  const text = await answer.text();
  if (!answer.ok) throw new CommandError(`InfluxDB answers ${url}/query with ${answer.status}: ${text.slice(0, 200)}`);
  const { results } = JSON.parse(text) as {
    results: { error?: string; series?: { name: string; values: [number | string, number][] }[] }[];
  };
  const fault = results.find(({ error }) => error !== undefined)?.error;
  if (fault !== undefined) throw new CommandError(`InfluxDB refuses to count points of ${database}: ${fault}`);
  return new Map(
    results.flatMap(({ series = [] }) => series.map(({ name, values }) => [name, values[0]![1]] as const)),
  );
}
