import type { Span } from "../../workloads/src/transform-efd/model";
import { isInteger, type Signal, signalsOf } from "./telemetrySamples";
import type { Topic } from "./telemetryTopics";

export { SalProducer, type SalTarget, type Sent } from "./salProducer";
export { type Samples, samplesOf, Signal, signalsOf } from "./telemetrySamples";
export { type ColumnSource, isEvent, type Topic, topicsOf } from "./telemetryTopics";
export { type InfluxTarget, type Written, writeTelemetry } from "./telemetryWriter";

export interface TelemetryOptions {
  readonly topics: readonly Topic[];
  /** Rows at or after its begin and before its end, so that spans can be put side by side. */
  readonly span: Span;
  /** Another seed, other values and times. Default 1. */
  readonly seed?: number;
  /** Size of one buffer, bytes, about. Default 2 MiB. */
  readonly batchBytes?: number;
}

/**
 * Telemetry as a telescope would have sent it, in InfluxDB's line protocol with times in ns; every buffer ends with a line.
 * Topics come one after the other, times ascend in each. The same options give the same bytes, and any span gives the same
 * rows as part of a longer one.
 *
 * ```ts
 * const topics = topicsOf(columns); // of the column configuration
 * await writeTelemetry(target, telemetry({ topics, span }));
 * countRows(topics, span); // rows and values by topic
 * samplesOf(signal, span); // what is in it, for an independent computation
 * ```
 */
export function* telemetry({ topics, span, seed, batchBytes = 2 << 20 }: TelemetryOptions): Generator<Buffer> {
  let lines: string[] = [];
  let characters = 0;
  for (const topic of topics) {
    for (const signal of signalsOf(topic, seed)) {
      const toLine = lineWriter(signal);
      const endRow = signal.firstRow(span.endNs);
      for (let row = signal.firstRow(span.beginNs); row < endRow; row++) {
        const line = toLine(row);
        lines.push(line);
        characters += line.length;
        if (characters >= batchBytes) {
          yield Buffer.from(lines.join(""), "latin1");
          lines = [];
          characters = 0;
        }
      }
    }
  }
  if (lines.length > 0) yield Buffer.from(lines.join(""), "latin1");
}

/** Rows and field values of each topic that {@link telemetry} makes for a span. */
export function countRows(
  topics: readonly Topic[],
  span: Span,
  seed?: number,
): { topic: string; rows: number; values: number }[] {
  return topics.map((topic) => {
    const rows = signalsOf(topic, seed).reduce(
      (sum, signal) => sum + signal.firstRow(span.endNs) - signal.firstRow(span.beginNs),
      0,
    );
    const added = Number(topic.salIndices.length > 0) + Number(topic.samplesPerRow > 1);
    return { topic: topic.name, rows, values: rows * (topic.fields.length * topic.samplesPerRow + added) };
  });
}

/** Line of a row. What stands before each value is the same in all rows, and is made once. */
function lineWriter(signal: Signal): (row: number) => string {
  const { name, fields, samplesPerRow } = signal.topic;
  const isPacked = samplesPerRow > 1;
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  for (let sample = 0; sample < samplesPerRow; sample++) {
    for (const field of fields) {
      const first = prefixes.length === 0;
      prefixes.push(`${first ? `${name} ` : ","}${isPacked ? `${field}${sample}` : field}=`);
      suffixes.push(isInteger(field) ? "i" : "");
    }
  }
  const salIndex = signal.salIndex === undefined ? "" : `,salIndex=${signal.salIndex}i`;
  return (row) => {
    let line = "";
    signal.eachValue(row, (field, sample, value) => {
      const place = sample * fields.length + field;
      line += prefixes[place]! + value + suffixes[place]!;
    });
    const packed = isPacked ? `,cRIO_timestamp=${signal.packedTimestamp(row)}` : "";
    return `${line}${packed}${salIndex} ${signal.timeNs(row)}\n`;
  };
}
