import type { DimensionRecord, Span } from "../model";
import type { Group, LegacySwitches } from "./groups";

/** Rows of a packed series are stamped when they were sent, which is after their samples: this much more is read. */
const packedMarginNs = 5_000_000_000n;

/** Records with the same span, which share their samples: an exposure and the visit made of it. */
export interface Target {
  /** Samples with these times count. */
  readonly select: Span;
  /** What is read for it. */
  readonly read: Span;
  /** Positions in the list of records. */
  readonly records: readonly number[];
}

/** What is asked of the EFD for a group, and by which records. */
export interface Reading {
  readonly isAggregated: boolean;
  readonly targets: readonly Target[];
}

/**
 * The spans that a group's records need: with buckets where a whole one lies within the span, else raw samples.
 * A record that ends before it begins needs none.
 */
export function readingsOf(group: Group, records: readonly DimensionRecord[], legacy: LegacySwitches): Reading[] {
  const kinds = new Set(group.columns.flatMap(({ tables }) => tables.map((table) => table.split("_")[0])));
  const bySpan = new Map<string, { span: Span; records: number[] }>();
  records.forEach((record, index) => {
    const span = { beginNs: record.span.beginNs + group.startOffsetNs, endNs: record.span.endNs };
    if (!kinds.has(record.kind) || record.span.beginNs > record.span.endNs) return;
    const key = `${span.beginNs} ${span.endNs}`;
    const known = bySpan.get(key);
    if (known) known.records.push(index);
    else bySpan.set(key, { span, records: [index] });
  });
  const raw: Target[] = [];
  const aggregated: Target[] = [];
  for (const { span, records } of bySpan.values()) {
    const whole = group.preAggregate && bucketsOf(span, group.preAggregate.intervalNs, legacy);
    const margin = group.isPacked ? packedMarginNs : 0n;
    if (whole) aggregated.push({ ...whole, records });
    else {
      const read = { beginNs: span.beginNs - margin, endNs: span.endNs + margin };
      raw.push({ select: span, read, records });
    }
  }
  const readings = [
    { isAggregated: true, targets: aggregated },
    { isAggregated: false, targets: raw },
  ];
  return readings.filter(({ targets }) => targets.length > 0);
}

/** The buckets that lie wholly within a span, by their labels; undefined when there is none. */
function bucketsOf(span: Span, intervalNs: bigint, legacy: LegacySwitches): { select: Span; read: Span } | undefined {
  const last = legacy.buckets ? span.endNs : span.endNs - intervalNs + 1n;
  const beginNs = floorTo(span.beginNs + intervalNs - 1n, intervalNs);
  const endNs = floorTo(last, intervalNs);
  if (endNs < beginNs) return undefined;
  return { select: { beginNs, endNs }, read: { beginNs, endNs: endNs + intervalNs - 1n } };
}

function floorTo(ns: bigint, step: bigint): bigint {
  const rest = ns % step;
  return ns - (rest < 0n ? rest + step : rest);
}

/** Spans that overlap or are at most `gapNs` apart, as one: ascending. */
export function mergeSpans(spans: readonly Span[], gapNs: bigint): Span[] {
  const sorted = [...spans].sort((a, b) => (a.beginNs < b.beginNs ? -1 : a.beginNs > b.beginNs ? 1 : 0));
  const merged: { beginNs: bigint; endNs: bigint }[] = [];
  for (const { beginNs, endNs } of sorted) {
    const last = merged.at(-1);
    if (last && beginNs <= last.endNs + gapNs) {
      if (endNs > last.endNs) last.endNs = endNs;
    } else merged.push({ beginNs, endNs });
  }
  return merged;
}
