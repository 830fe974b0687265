import type { SummaryFunction } from "../columns";
import { indices, residualsOf } from "./fit";
import type { Rows } from "./selection";

/** n values by their number, mean, sum of squared deviations and bounds: enough for mean, stddev, min and max. */
interface Moments {
  count: number;
  mean: number;
  squares: number;
  min: number;
  max: number;
}

/** One field's part of a {@link Tally}. */
interface FieldTally extends Moments {
  last: number;
  samples: Float64Array[];
}

/**
 * What a record's samples amount to, part by part as they arrive.
 *
 * A row counts when every field of the selection has a value in it. A field that has no value in the whole record is left
 * out, instead of emptying every row: so a row counts that is complete in the fields that the record has. Those are known
 * only at the end; but a part that lacks one of them holds no complete row, so it is enough to keep the parts whose
 * fields are all that were seen so far.
 */
export class Tally {
  /** Rows that count. */
  rows = 0;
  firstNs?: bigint;
  lastNs?: bigint;
  private fields: (FieldTally | undefined)[];
  private times: { originNs: bigint; timesNs: Float64Array }[] = [];

  constructor(
    fieldCount: number,
    private readonly keepsSamples: boolean,
  ) {
    this.fields = new Array<undefined>(fieldCount).fill(undefined);
  }

  /** Adds rows `from` up to `to`; parts come in order of time. */
  add({ series, values, at }: Rows, from: number, to: number): void {
    if (from >= to) return;
    const present = values.map((column) => column && presenceOf(column, at, from, to));
    const isNew = present.some((presence, field) => presence && presence !== "none" && !this.fields[field]);
    const isKnown = present.map((presence) => presence !== undefined && presence !== "none");
    if (isNew) this.startOver(isKnown);
    if (this.fields.some((field, index) => field && !isKnown[index])) return; // no complete row
    if (!isKnown.includes(true)) return;
    const columns = values.map((column, index) => (this.fields[index] ? column : undefined));
    const kept = present.includes("some") ? completeRows(columns, at, from, to) : sliceOf(at, from, to);
    if (kept.length === 0) return;
    this.rows += kept.length;
    const timeOf = (row: number) => series.originNs + BigInt(series.timesNs[row]!);
    this.firstNs ??= timeOf(kept[0]!);
    this.lastNs = timeOf(kept.at(-1)!);
    columns.forEach((column, index) => {
      if (column) this.addField(this.fields[index]!, column, kept);
    });
    if (this.keepsSamples) this.times.push({ originNs: series.originNs, timesNs: pick(series.timesNs, kept) });
  }

  private startOver(isKnown: readonly boolean[]): void {
    this.rows = 0;
    this.firstNs = this.lastNs = undefined;
    this.times = [];
    this.fields = this.fields.map((field, index) =>
      field || isKnown[index] ? { ...noMoments(), last: NaN, samples: [] } : undefined,
    );
  }

  private addField(field: FieldTally, column: Float64Array, kept: Uint32Array): void {
    merge(field, momentsOf(column, kept));
    field.last = column[kept.at(-1)!]!;
    if (this.keepsSamples) field.samples.push(pick(column, kept));
  }

  /** Whether the record has any value of a field, by its position in the selection. */
  has(field: number): boolean {
    return this.fields[field] !== undefined;
  }

  /** The value of one field; null when it cannot be computed. */
  valueOf(index: number, func: SummaryFunction, legacyRms: boolean): number | null {
    const field = this.fields[index];
    if (!field || this.rows === 0) return null;
    if (func.name === "most_recent_value") return finite(field.last);
    if (func.name !== "rms_from_polynomial_fit") return finite(reduce(field, func));
    const y = concat(field.samples);
    if (y.length <= func.degree) return null;
    const x = func.fitBasis === "index" ? indices(y.length) : this.sinceFirst();
    const residuals = residualsOf(x, y, func.degree);
    if (!legacyRms) return finite(Math.sqrt(meanSquare(residuals)));
    const fit = y.map((value, i) => value - residuals[i]!);
    return finite(Math.sqrt(variance(y) + variance(fit)));
  }

  /** One value over all fields; of the first one where a function takes a single one. */
  value(func: SummaryFunction, legacyRms: boolean): number | null {
    const present = [...this.fields.keys()].filter((index) => this.fields[index]);
    const [first] = present;
    if (first === undefined) return null;
    if (present.length === 1 || func.name === "most_recent_value" || func.name === "rms_from_polynomial_fit") {
      return this.valueOf(first, func, legacyRms);
    }
    const all = noMoments();
    for (const index of present) merge(all, this.fields[index]!);
    return all.count === 0 ? null : finite(reduce(all, func));
  }

  private sinceFirst(): Float64Array {
    const [first] = this.times;
    const parts = this.times.map(({ originNs, timesNs }) => {
      const shift = Number(originNs - first!.originNs) - first!.timesNs[0]!;
      return timesNs.map((ns) => ns + shift);
    });
    return concat(parts);
  }
}

function presenceOf(column: Float64Array, at: Uint32Array | undefined, from: number, to: number) {
  let missing = 0;
  for (let k = from; k < to; k++) if (Number.isNaN(column[at ? at[k]! : k]!)) missing++;
  return missing === 0 ? "all" : missing === to - from ? "none" : "some";
}

function sliceOf(at: Uint32Array | undefined, from: number, to: number): Uint32Array {
  if (at) return at.subarray(from, to);
  const rows = new Uint32Array(to - from);
  for (let k = from; k < to; k++) rows[k - from] = k;
  return rows;
}

function completeRows(
  columns: readonly (Float64Array | undefined)[],
  at: Uint32Array | undefined,
  from: number,
  to: number,
): Uint32Array {
  const rows = sliceOf(at, from, to);
  return rows.filter((row) => columns.every((column) => !column || !Number.isNaN(column[row]!)));
}

/** Twice over the values: the second pass takes out what rounding left in the first mean. */
function momentsOf(column: Float64Array, rows: Uint32Array): Moments {
  let [sum, min, max] = [0, Infinity, -Infinity];
  for (const row of rows) {
    const value = column[row]!;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const count = rows.length;
  const about = sum / count;
  let [rest, squares] = [0, 0];
  for (const row of rows) {
    const deviation = column[row]! - about;
    rest += deviation;
    squares += deviation * deviation;
  }
  const shift = rest / count;
  return { count, mean: about + shift, squares: Math.max(0, squares - rest * shift), min, max };
}

function noMoments(): Moments {
  return { count: 0, mean: 0, squares: 0, min: Infinity, max: -Infinity };
}

/** @see Chan, Golub, LeVeque 1979: moments of two sets from those of each. */
function merge(into: Moments, other: Moments): void {
  const count = into.count + other.count;
  if (other.count === 0) return;
  const delta = other.mean - into.mean;
  into.mean = into.count === 0 ? other.mean : into.mean + (delta * other.count) / count;
  into.squares += other.squares + (into.count === 0 ? 0 : (delta * delta * into.count * other.count) / count);
  into.count = count;
  into.min = Math.min(into.min, other.min);
  into.max = Math.max(into.max, other.max);
}

function reduce(moments: Moments, func: Exclude<SummaryFunction, { name: "rms_from_polynomial_fit" }>): number {
  switch (func.name) {
    case "stddev":
      // One value has no spread, whatever is taken off.
      return moments.count <= Math.max(1, func.ddof) ? NaN : Math.sqrt(moments.squares / (moments.count - func.ddof));
    case "min":
      return moments.min;
    case "max":
      return moments.max;
    default:
      return moments.mean;
  }
}

function pick(values: Float64Array, rows: Uint32Array): Float64Array {
  const picked = new Float64Array(rows.length);
  rows.forEach((row, k) => (picked[k] = values[row]!));
  return picked;
}

function concat(parts: readonly Float64Array[]): Float64Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

function meanSquare(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum / values.length;
}

/** Of a population. */
function variance(values: Float64Array): number {
  const { squares, count } = momentsOf(values, sliceOf(undefined, 0, values.length));
  return squares / count;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
