import colour from "picocolors";
import type { Column } from "../../workloads/src/transform-efd/columns";
import type { Span } from "../../workloads/src/transform-efd/model";
import { reasonOf } from "./coverage";
import type { ValueExplained } from "./explain";
import { oneLine } from "./table";

/** Fields of an unpivoted column that are listed. */
const fieldLimit = 12;
/** Part of a difference that counts as none: the order of a sum may differ. */
const sameWithin = 1e-12;

/** What a person reads of one value. */
export function explanationLines(explained: ValueExplained): string[] {
  const { column, record, explanation, task } = explained;
  const { table, span, samplesRead, samplesUsed, firstNs, lastNs, isAggregated, texts } = explanation;
  const offset =
    column.startOffsetNs === 0n ? "" : `, from ${Number(-column.startOffsetNs) / 3_600e9} h before its begin`;
  const what = isAggregated ? "buckets" : "rows";
  const used =
    samplesUsed === 0
      ? `${samplesRead} ${what} read, none counted`
      : `${samplesRead} ${what} read, ${samplesUsed} counted, from ${time(firstNs!)} to ${time(lastNs!)}`;
  const lines = [
    colour.bold(`${table}.${column.name}, ${record.id}`),
    [
      "record",
      `${record.kind === "exposure" ? "exposure" : "visit"}, day ${record.dayObs}, number ${record.seqNum}, ${spanText(record.span)}${offset}`,
    ],
    ["column", column.description],
    ["function", functionText(column)],
    ["topic", `${column.topic}: ${fieldsText(column)}`],
    ...(column.subset ? [["subset", `${column.subset.field} = ${column.subset.values.join(" or ")}`]] : []),
    ...texts.map((text, index) => [index === 0 ? (texts.length > 1 ? "queries" : "query") : "", text]),
    ["samples", isSameSpan(span, record.span) ? used : `${used}, within ${spanText(span)}`],
    ...(explanation.missingFields.length > 0 && samplesUsed > 0
      ? [["left out", `fields without any value: ${few(explanation.missingFields)}`]]
      : []),
    ["task", task ? `${task.id}: ${oneLine(reasonOf(task), 200)}` : reasonOf(undefined)],
  ].map((line) => (typeof line === "string" ? line : `  ${line[0]!.padEnd(9)} ${line[1]}`));
  return [...lines, ...valueLines(explained), ""];
}

function valueLines(explained: ValueExplained): string[] {
  const { column, explanation, stored, hasRow, task } = explained;
  const { values, reason } = explanation;
  const lines: string[] = [];
  if (column.isUnpivoted) {
    const byField = new Map(stored.map(({ field, value }) => [field, value]));
    const pairs = values.map(({ field, value }) => ({ field: field!, now: value, then: byField.get(field) }));
    const other = pairs.filter(({ now, then }) => !isSame(now, then ?? null));
    for (const { field, now, then } of pairs.slice(0, fieldLimit)) {
      lines.push(`  ${field.padEnd(24)} now ${shown(now)}, stored ${then === undefined ? "no row" : shown(then)}`);
    }
    if (pairs.length > fieldLimit) lines.push(`  … ${pairs.length - fieldLimit} more fields; --json shows all`);
    lines.push(verdict(other.length === 0, other.length === 0 ? "all fields are as stored" : `${other.length} of ${pairs.length} fields differ: ${few(other.map(({ field }) => field))}`)); // prettier-ignore
  } else {
    const [now, then] = [values[0]!.value, stored[0]?.value ?? null];
    lines.push(`  now       ${shown(now)}`, `  stored    ${hasRow ? shown(then) : "no row"}`);
    const isFine = hasRow && isSame(now, then);
    lines.push(verdict(isFine, isFine ? "as stored" : hasRow ? difference(now, then) : "there is no row"));
  }
  if (reason !== undefined) lines.push(note(`why NULL: ${reason}`));
  if (!hasRow) lines.push(note(`why no row: ${whyNoRow(explained)}`));
  else if (reason === undefined && task && ["failed", "stale"].includes(task.status)) {
    lines.push(note(`what is stored may be older: ${oneLine(reasonOf(task))}`));
  }
  return lines;
}

function whyNoRow({ task, rowOwner }: ValueExplained): string {
  if (rowOwner !== undefined) return `${rowOwner} has the same day and number, and the larger id has the row`;
  if (task === undefined) return "no task was ever made for it; usdf efd gaps --requeue makes one";
  return oneLine(reasonOf(task));
}

const note = (text: string) => `  ${colour.yellow(text)}`;
const verdict = (isFine: boolean, text: string) => `  ${isFine ? colour.green(text) : colour.red(text)}`;

function difference(now: number | null, then: number | null): string {
  if (now === null) return "stored, but there is no value now";
  if (then === null) return "not stored, but there is a value now";
  return `differs by ${Math.abs(now - then)}, ${(Math.abs(now - then) / Math.max(Math.abs(now), Math.abs(then))).toExponential(1)} of the larger one`;
}

function isSame(now: number | null, then: number | null): boolean {
  if (now === null || then === null) return now === then;
  return now === then || Math.abs(now - then) <= sameWithin * Math.max(Math.abs(now), Math.abs(then));
}

function functionText({ function: func, bucketNs }: Column): string {
  const { name, ...args } = func;
  const given = Object.entries(args).map(([key, value]) => `${key} ${value}`);
  const buckets = bucketNs === undefined ? "" : ` of the means of buckets of ${Number(bucketNs) / 1e9} s`;
  return `${name}${given.length > 0 ? ` (${given.join(", ")})` : ""}${buckets.replace("means", `${name}s`)}`;
}

function fieldsText({ fields, isPacked }: Column): string {
  return `${few(fields)}${isPacked ? ", packed: a row holds many samples" : ""}`;
}

function few(words: readonly string[]): string {
  return words.length <= 8 ? words.join(", ") : `${words.slice(0, 7).join(", ")}, … (${words.length})`;
}

const isSameSpan = (a: Span, b: Span) => a.beginNs === b.beginNs && a.endNs === b.endNs;
const shown = (value: number | null) => (value === null ? "NULL" : String(value));
const spanText = ({ beginNs, endNs }: Span) => `${time(beginNs)} to ${time(endNs)}`;

/** ISO 8601 in UTC with all digits that are not zero. */
function time(ns: bigint): string {
  const [whole, fraction] = [ns / 1_000_000_000n, ns % 1_000_000_000n];
  const digits = String(fraction).padStart(9, "0").replace(/0+$/, "");
  return `${new Date(Number(whole) * 1000).toISOString().slice(0, 19)}${digits ? `.${digits}` : ""}Z`;
}
