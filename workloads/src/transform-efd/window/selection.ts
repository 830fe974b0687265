import type { Column } from "../columns";
import type { Series } from "../model";

/** Rows that columns share: the same fields of the same subset. */
export interface Selection {
  readonly fields: readonly string[];
  readonly subset?: Column["subset"];
  readonly columns: readonly Column[];
  /** Whether single samples must be kept: a fit needs them all. */
  readonly keepsSamples: boolean;
}

export function selectionsOf(columns: readonly Column[]): Selection[] {
  const byKey = new Map<string, Column[]>();
  for (const column of columns) {
    const key = JSON.stringify([column.fields, column.subset?.field, column.subset?.values]);
    byKey.set(key, [...(byKey.get(key) ?? []), column]);
  }
  return [...byKey.values()].map((members) => ({
    fields: members[0]!.fields,
    subset: members[0]!.subset,
    columns: members,
    keepsSamples: members.some((column) => column.function.name === "rms_from_polynomial_fit"),
  }));
}

/** Rows of a series that a selection reads, ascending in time. */
export interface Rows {
  readonly series: Series;
  /** Values by field, in the selection's order; undefined where the field gave none. */
  readonly values: readonly (Float64Array | undefined)[];
  /** Positions in the series; undefined for all of it. */
  readonly at?: Uint32Array;
}

/** Chooses rows of one series; splits it by a subset's field once. */
export class RowChooser {
  private readonly splits = new Map<string, Map<number, Uint32Array>>();

  constructor(private readonly series: Series) {}

  rowsOf({ fields, subset }: Selection): Rows {
    const { series } = this;
    const values = fields.map((field) => series.values.get(field));
    return { series, values, at: subset && this.subsetRows(subset) };
  }

  private subsetRows({ field, values }: NonNullable<Selection["subset"]>): Uint32Array {
    const split = this.splits.get(field) ?? splitBy(this.series.values.get(field));
    this.splits.set(field, split);
    const parts = values.flatMap((value) => split.get(value) ?? []);
    if (parts.length <= 1) return parts[0] ?? new Uint32Array(0);
    const joined = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let end = 0;
    for (const part of parts) {
      joined.set(part, end);
      end += part.length;
    }
    return joined.sort();
  }
}

function splitBy(values: Float64Array | undefined): Map<number, Uint32Array> {
  const rows = new Map<number, number[]>();
  values?.forEach((value, row) => {
    const known = rows.get(value);
    if (known) known.push(row);
    else rows.set(value, [row]);
  });
  return new Map([...rows].map(([value, found]) => [value, Uint32Array.from(found)]));
}

/** First and one past the last of the rows with times in [beginNs, endNs]. */
export function rowsWithin({ series, at }: Rows, beginNs: bigint, endNs: bigint): readonly [from: number, to: number] {
  const offset = (ns: bigint) => Number(ns - series.originNs);
  return [bound(series.timesNs, at, offset(beginNs)), bound(series.timesNs, at, offset(endNs) + 1)];
}

/** First row whose time is not before `ns`. */
function bound(timesNs: Float64Array, at: Uint32Array | undefined, ns: number): number {
  let [low, high] = [0, at ? at.length : timesNs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timesNs[at ? at[middle]! : middle]! < ns) low = middle + 1;
    else high = middle;
  }
  return low;
}
