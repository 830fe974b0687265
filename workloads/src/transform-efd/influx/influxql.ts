import type { SeriesQuery, Span } from "../model";

/** Values that one piece of a chunked answer may hold, so that a piece stays near a megabyte. */
const valuesPerChunk = 100_000;

/** A name in double quotes. */
export function quoted(name: string): string {
  return `"${name.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

/** Nanoseconds since 1970 as RFC 3339 in UTC with nine digits of a second. */
export function rfc3339(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const whole = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, 19);
  return `${whole}.${String(fraction).padStart(9, "0")}Z`;
}

const between = ({ beginNs, endNs }: Span) => `time >= '${rfc3339(beginNs)}' AND time <= '${rfc3339(endNs)}'`;

/**
 * The question for some fields of a topic. The series of each set of tags comes by itself: where two have a sample at one
 * time, InfluxDB would otherwise make rows of one's first field and the other's second.
 */
export function seriesText(source: string, query: SeriesQuery, fields: readonly string[]): string {
  const { preAggregate, span, topic } = query;
  const from = `FROM ${source}.${quoted(topic)} WHERE ${between(span)}`;
  if (!preAggregate) return `SELECT ${fields.map(quoted).join(", ")} ${from} GROUP BY *`;
  const name = preAggregate.function.toUpperCase();
  const list = fields.map((field) => `${name}(${quoted(field)}) AS ${quoted(field)}`).join(", ");
  return `SELECT ${list} ${from} GROUP BY time(${durationText(preAggregate.intervalNs)}) fill(none)`;
}

function durationText(ns: bigint): string {
  return ns % 1_000_000_000n === 0n ? `${ns / 1_000_000_000n}s` : `${ns}ns`;
}

/** Parameters of `/query` that go with {@link InfluxqlDecoder}. */
export function seriesParameters(fields: number): Record<string, string> {
  return { epoch: "ns", chunked: "true", chunk_size: String(Math.max(100, Math.floor(valuesPerChunk / fields))) };
}
