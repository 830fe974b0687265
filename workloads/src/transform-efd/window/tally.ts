import type { SummaryFunction } from "../columns";
import { basisOf, indexBasis, residualsOf } from "./fit";
import type { Rows } from "./selection";

/** n values by their number, mean, sum of squared deviations and bounds: enough for mean, stddev, min and max. */
interface Moments {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
  readonly min: number;
  readonly max: number;
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
  /** Rows that count; so many values has each field. */
  rows = 0;
  firstNs?: bigint;
  lastNs?: bigint;
  private readonly isSeen: Uint8Array;
  private readonly mean: Float64Array;
  private readonly squares: Float64Array;
  private readonly min: Float64Array;
  private readonly max: Float64Array;
  private readonly last: Float64Array;
  /** Single samples, part by part, where a fit needs them. */
  private times: { originNs: bigint; timesNs: Float64Array }[] = [];
  private samples: Float64Array[][] = [];
  private overall?: Moments;

  constructor(
    fieldCount: number,
    private readonly keepsSamples: boolean,
  ) {
    this.isSeen = new Uint8Array(fieldCount);
    const perField = () => new Float64Array(fieldCount);
    [this.mean, this.squares, this.min, this.max, this.last] = [
      perField(),
      perField(),
      perField(),
      perField(),
      perField(),
    ];
  }

  /** Adds rows `from` up to `to`; parts come in order of time. */
  add({ series, values, at }: Rows, from: number, to: number): void {
    if (from >= to) return;
    const rows = at ? at.subarray(from, to) : rowNumbers(from, to);
    const missing = values.map((column) => (column ? countMissing(column, rows) : rows.length));
    const isHere = (field: number) => missing[field]! < rows.length;
    if (missing.some((_, field) => isHere(field) && !this.isSeen[field])) {
      this.startOver();
      missing.forEach((_, field) => isHere(field) && (this.isSeen[field] = 1));
    }
    const fields = [...missing.keys()].filter((field) => this.isSeen[field]);
    if (fields.length === 0 || !fields.every(isHere)) return; // no complete row
    const columns = fields.map((field) => values[field]!);
    const hasGaps = fields.some((field) => missing[field]! > 0);
    const kept = hasGaps ? rows.filter((row) => columns.every((column) => !Number.isNaN(column[row]!))) : rows;
    if (kept.length === 0) return;
    fields.forEach((field, index) => this.addField(field, columns[index]!, kept));
    if (this.keepsSamples) {
      this.samples.push(values.map((column, field) => (column && this.isSeen[field] ? pick(column, kept) : noSamples)));
      this.times.push({ originNs: series.originNs, timesNs: pick(series.timesNs, kept) });
    }
    const timeOf = (row: number) => series.originNs + BigInt(series.timesNs[row]!);
    this.firstNs ??= timeOf(kept[0]!);
    this.lastNs = timeOf(kept.at(-1)!);
    this.rows += kept.length;
    this.overall = undefined;
  }

  private startOver(): void {
    this.rows = 0;
    this.firstNs = this.lastNs = this.overall = undefined;
    this.times = [];
    this.samples = [];
  }

  /** Two passes: the second one takes out what rounding left in the first mean. */
  private addField(field: number, column: Float64Array, rows: Uint32Array): void {
    let [sum, min, max] = [0, Infinity, -Infinity];
    for (let k = 0; k < rows.length; k++) {
      const value = column[rows[k]!]!;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    const about = sum / rows.length;
    let [rest, squares] = [0, 0];
    for (let k = 0; k < rows.length; k++) {
      const deviation = column[rows[k]!]! - about;
      rest += deviation;
      squares += deviation * deviation;
    }
    const shift = rest / rows.length;
    this.merge(field, rows.length, about + shift, Math.max(0, squares - rest * shift), min, max);
    this.last[field] = column[rows[rows.length - 1]!]!;
  }

  private merge(field: number, count: number, mean: number, squares: number, min: number, max: number): void {
    if (this.rows === 0) {
      [this.mean[field], this.squares[field], this.min[field], this.max[field]] = [mean, squares, min, max];
      return;
    }
    const all = merged(this.momentsOf(field), { count, mean, squares, min, max });
    [this.mean[field], this.squares[field], this.min[field], this.max[field]] = [
      all.mean,
      all.squares,
      all.min,
      all.max,
    ];
  }

  private momentsOf(field: number): Moments {
    return {
      count: this.rows,
      mean: this.mean[field]!,
      squares: this.squares[field]!,
      min: this.min[field]!,
      max: this.max[field]!,
    };
  }

  /** Whether the record has any value of a field, by its position in the selection. */
  has(field: number): boolean {
    return this.isSeen[field] === 1;
  }

  /** The value of one field; null when it cannot be computed. */
  valueOf(field: number, func: SummaryFunction, legacyRms: boolean): number | null {
    if (!this.has(field) || this.rows === 0) return null;
    if (func.name === "most_recent_value") return finite(this.last[field]!);
    if (func.name === "rms_from_polynomial_fit") return this.scatter(field, func, legacyRms);
    return reduce(this.momentsOf(field), func);
  }

  /** One value over all fields; of the first one where a function takes a single one. */
  value(func: SummaryFunction, legacyRms: boolean): number | null {
    const first = this.isSeen.indexOf(1);
    if (first < 0 || this.rows === 0) return null;
    if (func.name === "most_recent_value" || func.name === "rms_from_polynomial_fit") {
      return this.valueOf(first, func, legacyRms);
    }
    this.overall ??= [...this.isSeen.keys()]
      .filter((field) => this.isSeen[field])
      .map((field) => this.momentsOf(field))
      .reduce(merged);
    return reduce(this.overall, func);
  }

  private scatter(field: number, { degree, fitBasis }: PolynomialFit, legacyRms: boolean): number | null {
    if (this.rows <= degree) return null;
    const y = concat(this.samples.map((part) => part[field]!));
    const basis = fitBasis === "index" ? indexBasis(y.length, degree) : basisOf(this.sinceFirst(), degree);
    const residuals = residualsOf(y, basis);
    if (!legacyRms) return finite(Math.sqrt(meanSquare(residuals)));
    const fit = y.map((value, i) => value - residuals[i]!);
    return finite(Math.sqrt(variance(y) + variance(fit)));
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

type PolynomialFit = Extract<SummaryFunction, { name: "rms_from_polynomial_fit" }>;

const noSamples = new Float64Array(0);

function rowNumbers(from: number, to: number): Uint32Array {
  const rows = new Uint32Array(to - from);
  for (let k = 0; k < rows.length; k++) rows[k] = from + k;
  return rows;
}

function countMissing(column: Float64Array, rows: Uint32Array): number {
  let missing = 0;
  for (let k = 0; k < rows.length; k++) if (Number.isNaN(column[rows[k]!]!)) missing++;
  return missing;
}

/** Moments of two sets from those of each. @see Chan, Golub, LeVeque 1979 */
function merged(one: Moments, other: Moments): Moments {
  const count = one.count + other.count;
  const delta = other.mean - one.mean;
  return {
    count,
    mean: one.mean + (delta * other.count) / count,
    squares: one.squares + other.squares + (delta * delta * one.count * other.count) / count,
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
  };
}

function reduce(moments: Moments, func: Exclude<SummaryFunction, PolynomialFit>): number | null {
  switch (func.name) {
    case "stddev":
      // One value has no spread, whatever is taken off.
      if (moments.count <= Math.max(1, func.ddof)) return null;
      return finite(Math.sqrt(moments.squares / (moments.count - func.ddof)));
    case "min":
      return finite(moments.min);
    case "max":
      return finite(moments.max);
    default:
      return finite(moments.mean);
  }
}

function pick(values: Float64Array, rows: Uint32Array): Float64Array {
  const picked = new Float64Array(rows.length);
  for (let k = 0; k < rows.length; k++) picked[k] = values[rows[k]!]!;
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
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return meanSquare(values.map((value) => value - mean));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
