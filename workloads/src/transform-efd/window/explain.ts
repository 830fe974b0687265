import type { Column } from "../columns";
import type { DimensionRecord, EfdClient, OutputTable, Span } from "../model";
import { groupsOf, type LegacySwitches } from "./groups";
import { partsOf, type Reader } from "./read";
import { rowsWithin, selectionsOf } from "./selection";
import { Tally } from "./tally";
import { readingsOf } from "./targets";

/** How a value came to be. */
export interface Explanation {
  readonly table: OutputTable;
  /** Samples with these times count; with buckets, labels of buckets. */
  readonly span: Span;
  /** Whether the server aggregated; a record that holds no whole bucket is computed from raw samples. */
  readonly isAggregated: boolean;
  /** Texts of the queries that were sent. */
  readonly texts: readonly string[];
  readonly samplesRead: number;
  /** Rows that counted: within the span, of the subset, complete. */
  readonly samplesUsed: number;
  readonly firstNs?: bigint;
  readonly lastNs?: bigint;
  /** Fields without any value within the span (and subset): they were left out. */
  readonly missingFields: readonly string[];
  readonly textFields: readonly string[];
  /** One for a pivoted column, one a field for an unpivoted one. */
  readonly values: readonly { readonly field?: string; readonly value: number | null }[];
  /** Why there is no value. */
  readonly reason?: string;
}

/**
 * Computes one column for one record and tells how.
 * @returns undefined when the column has no table for this kind of record.
 * @throws EfdError when the query fails.
 */
export async function explainColumn(
  column: Column,
  record: DimensionRecord,
  client: EfdClient,
  { legacy = {}, signal }: { readonly legacy?: LegacySwitches; readonly signal: AbortSignal },
): Promise<Explanation | undefined> {
  const table = column.tables.find((name) => name.startsWith(`${record.kind}_`));
  if (!table) return undefined;
  const group = groupsOf([column], legacy)[0]!;
  const selection = selectionsOf([column])[0]!;
  const reading = readingsOf(group, [record], legacy)[0];
  const tally = new Tally(column.fields.length, selection.keepsSamples);
  const texts: string[] = [];
  const recorded: Reader = {
    fieldsOf: (topic, aborted) => client.fieldsOf(topic, aborted),
    query(query, aborted) {
      texts.push(...client.textsOf(query));
      return client.query(query, aborted);
    },
  };
  let [samplesRead, samplesInSpan] = [0, 0];
  const textFields = new Set<string>();
  const select = reading?.targets[0]!.select ?? record.span;
  if (reading) {
    for await (const part of partsOf(group, reading, recorded, signal)) {
      samplesRead += part.samples;
      const rows = part.rowsOf(selection);
      for (const field of group.fields) if (rows.series.textFields.has(field)) textFields.add(field);
      const [from, to] = rowsWithin(rows, select.beginNs, select.endNs);
      samplesInSpan += to - from;
      tally.add(rows, from, to);
    }
  }
  const isText = column.fields.some((field) => textFields.has(field));
  const valueOf = (value: number | null) => (isText ? null : value);
  const values = column.isUnpivoted
    ? column.fields.map((field, at) => ({
        field,
        value: valueOf(tally.valueOf(at, column.function, legacy.rms ?? false)),
      }))
    : [{ value: valueOf(tally.value(column.function, legacy.rms ?? false)) }];
  return {
    table,
    span: select,
    isAggregated: reading?.isAggregated ?? false,
    texts,
    samplesRead,
    samplesUsed: tally.rows,
    firstNs: tally.firstNs,
    lastNs: tally.lastNs,
    missingFields: column.fields.filter((_, at) => !tally.has(at)),
    textFields: [...textFields],
    values,
    reason: values.some(({ value }) => value !== null) ? undefined : reasonOf(),
  };

  function reasonOf(): string {
    if (!reading) return "The record ends before it begins.";
    if (isText) return `${[...textFields].join(", ")} holds text, which cannot be summarised.`;
    if (samplesRead === 0) return `${column.topic} gave no data in the time that was read.`;
    if (samplesInSpan === 0) return "No sample lies within the record's span" + (column.subset ? " and subset." : ".");
    if (tally.rows === 0) return "No sample has a value in every field.";
    return `${tally.rows} samples are too few for ${column.function.name}.`;
  }
}
