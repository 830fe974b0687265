import type { SeriesQuery } from "../model";
import { rfc3339 } from "./influxql";

/** A text in double quotes. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("${", "\\${").replaceAll("\n", "\\n")}"`;
}

/** The question for some fields of a topic: one column a field, one table for each set of tags. */
export function seriesText(bucket: string, query: SeriesQuery, fields: readonly string[]): string {
  const { preAggregate, span, topic } = query;
  const steps = [
    `from(bucket: ${quoted(bucket)})`,
    `range(start: ${rfc3339(span.beginNs)}, stop: ${rfc3339(span.endNs + 1n)})`,
    `filter(fn: (r) => r._measurement == ${quoted(topic)} and ${oneOf(fields)})`,
  ];
  if (preAggregate) {
    const every = `${preAggregate.intervalNs}ns`;
    // InfluxQL knows no tags here and names a bucket by its begin, also where the range begins later.
    steps.push(
      `group(columns: ["_field"])`,
      `aggregateWindow(every: ${every}, fn: ${preAggregate.function}, createEmpty: false, timeSrc: "_start")`,
      `truncateTimeColumn(unit: ${every})`,
      `toFloat()`, // one type for all fields, or they do not go into one table
      `group()`,
    );
  } else steps.push(`drop(columns: ["_start", "_stop", "_measurement"])`);
  steps.push(`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, `sort(columns: ["_time"])`);
  return steps.join("\n  |> ");
}

/** A tree of pairs: Flux refuses a row of a hundred `or`, which nests once for each. */
function oneOf(fields: readonly string[]): string {
  if (fields.length === 1) return `r._field == ${quoted(fields[0]!)}`;
  const half = fields.length >> 1;
  return `(${oneOf(fields.slice(0, half))} or ${oneOf(fields.slice(half))})`;
}

/** The question for the fields of a topic; the type of each is that of its newest value. */
export function fieldsText(bucket: string, topic: string): string {
  return [
    `from(bucket: ${quoted(bucket)})`,
    `range(start: 0)`,
    `filter(fn: (r) => r._measurement == ${quoted(topic)})`,
    `last()`,
    `keep(columns: ["_field", "_value"])`,
  ].join("\n  |> ");
}

/** What `/api/v2/query` gets; annotations are how types and defaults come along. */
export function fluxBody(text: string): string {
  return JSON.stringify({
    query: text,
    type: "flux",
    dialect: { header: true, delimiter: ",", annotations: ["datatype", "group", "default"], commentPrefix: "#" },
  });
}
