/** Topics, columns and records as the tests of windows write them, and what becomes of them. */
import { type ColumnEntry, columnsOf } from "../../../workloads/src/transform-efd/columns";
import type { DimensionRecord, RecordKind, Summary } from "../../../workloads/src/transform-efd/model";
import { type LegacySwitches, summarise } from "../../../workloads/src/transform-efd/window";
import { MemoryEfd, type Topic } from "./oracleClient";

export const originNs = 1_760_000_000_000_000_000n; // 2025-10-09
export const second = 1e9;
export const signal = new AbortController().signal;

export const entry = (name: string, fields: string, rest: Partial<ColumnEntry> = {}, topic = "t"): ColumnEntry => ({
  name,
  function: "mean",
  datatype: "float",
  description: "",
  packed_series: false,
  topics: [{ name: topic, fields: fields.split(" ").map((field) => ({ name: field })) }],
  ...rest,
});
export const columnsFrom = (...entries: ColumnEntry[]) => columnsOf("test", { version: "1", columns: entries }).columns;
export const record = (kind: RecordKind, id: number, beginNs: number, endNs: number): DimensionRecord => ({
  kind,
  id,
  dayObs: 20251009,
  seqNum: id,
  span: { beginNs: originNs + BigInt(beginNs), endNs: originNs + BigInt(endNs) },
});
/** One sample a second from 0 on. */
export const everySecond = (fields: Record<string, number[]>, textFields?: string[]): Topic => ({
  times: Object.values(fields)[0]!.map((_, row) => row * second),
  fields,
  textFields,
});
/** Pivoted values of exposures by column. */
export const valuesOf = ({ pivoted }: Summary, id = 1) => {
  const { columns, rows } = pivoted.exposure_efd;
  const row = rows.find((candidate) => candidate.record.id === id)!;
  return Object.fromEntries(columns.map((name, at) => [name, row.values[at]]));
};

export async function run(
  topics: Record<string, Topic>,
  entries: ColumnEntry[],
  records: DimensionRecord[],
  options: { legacy?: LegacySwitches; concurrency?: number; broken?: string[] } = {},
) {
  const client = new MemoryEfd(originNs, topics);
  for (const topic of options.broken ?? []) client.broken.add(topic);
  const summary = await summarise(records, columnsFrom(...entries), client, { ...options, signal });
  const spans = client.queries.map(({ span }) => [Number(span.beginNs - originNs), Number(span.endNs - originNs)]);
  return { summary, client, spans };
}
