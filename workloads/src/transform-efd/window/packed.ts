import { utcNsOf } from "../../lib/tai";
import type { Series } from "../model";

/** When the first element of a row was measured: seconds since 1970-01-01 TAI. */
export const rowTimeField = "cRIO_timestamp";

/** Length of a row that stands alone; the encoders send one each second. */
const defaultRowNs = 1e9;

/** `base0`, `base1`, ...: the fields of a packed series, in their order. */
export function elementsOf(base: string, fields: Iterable<string>): string[] {
  const elements = [...fields].filter((field) => field.startsWith(base) && /^\d+$/.test(field.slice(base.length)));
  return elements.sort((a, b) => Number(a.slice(base.length)) - Number(b.slice(base.length)));
}

/**
 * A packed series with one row a sample. Elements of a row are spread evenly up to the next row; where that one is
 * missing, over the usual length of a row: so a gap stays a gap.
 * @param series - Rows with the elements and {@link rowTimeField}.
 * @param base - What the samples are called.
 */
export function unpack(series: Series, base: string, elements: readonly string[]): Series {
  const { originNs } = series;
  const textFields = new Set(elements.some((field) => series.textFields.has(field)) ? [base] : []);
  const stamps = series.values.get(rowTimeField);
  const parts = elements.map((field) => series.values.get(field));
  if (!stamps || parts.every((part) => part === undefined)) {
    return { originNs, timesNs: new Float64Array(0), values: new Map(), textFields };
  }
  // A row without its time cannot be placed.
  const rows = [...stamps.keys()].filter((row) => !Number.isNaN(stamps[row]!));
  const rowNs = stamps.map((stamp) => (Number.isNaN(stamp) ? NaN : sinceOrigin(stamp, originNs)));
  rows.sort((a, b) => rowNs[a]! - rowNs[b]!);
  const begins = Float64Array.from(rows, (row) => rowNs[row]!);
  const lengths = rowLengths(begins);
  const count = elements.length;
  const timesNs = new Float64Array(rows.length * count);
  const values = new Float64Array(timesNs.length);
  rows.forEach((row, k) => {
    for (let i = 0; i < count; i++) {
      timesNs[k * count + i] = Math.round(begins[k]! + (i * lengths[k]!) / count);
      values[k * count + i] = parts[i]?.[row] ?? NaN;
    }
  });
  const order = ascending(timesNs);
  const ordered = (of: Float64Array) => (order ? Float64Array.from(order, (k) => of[k]!) : of);
  return { originNs, timesNs: ordered(timesNs), values: new Map([[base, ordered(values)]]), textFields };
}

/** Exact to the nanosecond as far as the seconds are: whole seconds and their fraction are converted apart. */
function sinceOrigin(taiSeconds: number, originNs: bigint): number {
  const whole = Math.floor(taiSeconds);
  const taiNs = BigInt(whole) * 1_000_000_000n + BigInt(Math.round((taiSeconds - whole) * 1e9));
  return Number(utcNsOf(taiNs) - originNs);
}

function rowLengths(begins: Float64Array): Float64Array {
  const steps = begins.slice(1).map((begin, at) => begin - begins[at]!);
  const positive = steps.filter((step) => step > 0).sort();
  // Rounded, so that it does not depend on which rows were read.
  const usual = Number((positive[positive.length >> 1] ?? defaultRowNs).toPrecision(3));
  return begins.map((_, at) => {
    const step = steps[at];
    return step !== undefined && step >= usual / 2 && step <= usual * 1.5 ? step : usual;
  });
}

/** The order that makes times ascend; undefined when they do, as they mostly do. */
function ascending(times: Float64Array): Uint32Array | undefined {
  if (times.every((time, at) => at === 0 || time >= times[at - 1]!)) return undefined;
  return Uint32Array.from(times.keys()).sort((a, b) => times[a]! - times[b]! || a - b);
}
