import type { Admin, Producer } from "kafkajs";
import { FacilityError, messageOf } from "../lib/errors";
import { aggregatedSuffix } from "./contract";
import { type RecordTimeField, type TimeUnit, unitsPerMs } from "../lib/recordTime";
import type { Shape } from "./shape";
import { type Operation, statisticsOf } from "./statistics";
import type { ClosedWindow } from "./windows";

export interface OutputsOptions {
  readonly producer: Producer;
  readonly admin: Admin;
  readonly registryUrl: string;
  readonly registryTimeoutMs: number;
  readonly partitions: number;
  readonly windowMs: number;
  /** Taken off the beginning of a source's name: aggregated records of mirrored topics are of this cluster. */
  readonly removePrefix: string;
  readonly time: RecordTimeField;
  readonly minSamples: number;
  readonly operations: readonly Operation[];
}

/** Kafka or the registry does not take aggregated records. */
export class OutputUnavailableError extends FacilityError {
  readonly code = "OUTPUT_UNAVAILABLE";
  readonly retryable = true;
  constructor(what: string, cause: unknown) {
    super(`${what} failed: ${messageOf(cause)}. Look at the brokers, the registry and the rights of the Kafka user.`, {
      cause,
    });
  }
}

/** Topics of aggregated records: each is made, and its schema registered, before its first record. */
export class Outputs {
  private readonly topics = new Set<string>();
  private readonly schemaIds = new WeakMap<Shape, number>();

  constructor(private readonly options: OutputsOptions) {}

  /**
   * Sends the statistics of windows, and resolves when every replica in sync has them. A window that is sent twice has the
   * same key, time and values.
   * @throws {@link OutputUnavailableError}: the call may be repeated.
   */
  async send(sourceTopic: string, windows: readonly ClosedWindow[]): Promise<void> {
    const { removePrefix } = this.options;
    const isPrefixed = removePrefix !== "" && sourceTopic.startsWith(removePrefix);
    const topic = sourceTopic.slice(isPrefixed ? removePrefix.length : 0) + aggregatedSuffix;
    try {
      await this.ensureTopic(topic);
      const messages = [];
      for (const window of windows) {
        const id = this.schemaIds.get(window.shape) ?? (await this.register(topic, window.shape));
        messages.push({ key: this.keyOf(window), value: this.encode(window, id) });
      }
      await this.options.producer.send({ topic, acks: -1, messages });
    } catch (error) {
      throw new OutputUnavailableError(`Sending to ${topic}`, error);
    }
  }

  /** Start of the window (ms) and its key fields: compaction keeps one of a window sent twice. */
  private keyOf({ startMs, keys }: ClosedWindow): string {
    return [startMs, ...keys.map(String)].join("/");
  }

  private encode({ startMs, shape, count, keys, samples }: ClosedWindow, id: number): Buffer {
    const { windowMs, minSamples, operations, time } = this.options;
    const middleMs = startMs + windowMs / 2;
    const record: Record<string, unknown> = { time: middleMs / 1000, window_size: windowMs / 1000, count };
    if (time.field !== "")
      record[time.field] ??= ownTime(middleMs, windowMs, shape.keys.length > 0 ? keys[0] : 0, time.unit);
    shape.keys.forEach((key, index) => {
      record[key] = keys[index];
    });
    for (const [field, name] of shape.fields) {
      const statistics = statisticsOf(samples.get(field) ?? [], minSamples);
      for (const operation of operations) record[`${operation}_${name}`] = statistics[operation];
    }
    const head = Buffer.alloc(5);
    head.writeUInt32BE(id, 1);
    return Buffer.concat([head, shape.type.toBuffer(record)]);
  }

  private async ensureTopic(topic: string): Promise<void> {
    if (this.topics.has(topic)) return;
    const { admin, partitions } = this.options;
    // with the cluster's own replication; false when it is there already
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }] });
    this.topics.add(topic);
  }

  private async register(topic: string, shape: Shape): Promise<number> {
    const { registryUrl, registryTimeoutMs } = this.options;
    const url = `${registryUrl.replace(/\/+$/, "")}/subjects/${encodeURIComponent(`${topic}-value`)}/versions`;
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
      body: JSON.stringify({ schema: JSON.stringify(shape.definition) }),
      signal: AbortSignal.timeout(registryTimeoutMs),
    });
    const text = await response.text();
    const id = response.ok ? (JSON.parse(text) as { id?: unknown }).id : undefined;
    if (typeof id !== "number") throw new Error(`${url} answers ${response.status}: ${text.slice(0, 300)}`);
    this.schemaIds.set(shape, id);
    return id;
  }
}

/**
 * Middle of a window in the unit of the sources' time, plus as many microseconds as the device's index: in InfluxDB a
 * point is known by measurement and time, and windows of all devices have the same middle.
 */
function ownTime(middleMs: number, windowMs: number, key: unknown, unit: TimeUnit): number | bigint {
  const index = Number.isInteger(key) && (key as number) > 0 ? (key as number) : 0;
  const us = Math.round(middleMs * 1000) + (index % Math.max(1, Math.floor(windowMs * 500)));
  if (unit === "s") return us / 1e6;
  return unit === "ns" ? BigInt(us) * 1000n : Math.floor((us / 1000) * unitsPerMs[unit]);
}
