import type { Series, SeriesQuery } from "../model";
import type { Samples } from "./samples";

/** What one request brought: some of the fields, by tags. */
export interface Part {
  readonly fields: readonly string[];
  readonly series: ReadonlyMap<string, Samples>;
}

/** Samples at rising times; a column that is missing has no value. */
interface Table {
  readonly times: Float64Array;
  readonly columns: ReadonlyMap<string, Float64Array>;
}

/** Puts the parts of one question together: parts side by side on their times, then sets of tags one into the other. */
export function joinParts(query: SeriesQuery, parts: readonly Part[], refused: ReadonlySet<string>): Series {
  const tags = [...new Set(parts.flatMap(({ series }) => [...series.keys()]))].sort();
  const tables = tags.map((key) => sideBySide(parts.map((part) => tableOf(part, key))));
  const { times, columns } = tables.length === 1 ? tables[0]! : interleaved(tables);
  const textFields = new Set(refused);
  const numberless = new Set(refused);
  for (const part of parts)
    for (const samples of part.series.values())
      part.fields.forEach((field, index) => {
        if (samples.text[index]! > 0) textFields.add(field);
        if (samples.text[index]! > 1) numberless.add(field);
      });
  const values = new Map<string, Float64Array>();
  for (const field of query.fields) {
    const column = columns.get(field);
    if (column && !numberless.has(field)) values.set(field, column);
  }
  return { originNs: query.span.beginNs, timesNs: times, values, textFields };
}

/** Columns that hold a value; text that is no number counts as one, as it is dropped later for its name. */
function tableOf(part: Part, key: string): Table {
  const samples = part.series.get(key);
  if (!samples) return { times: new Float64Array(0), columns: new Map() };
  const columns = new Map<string, Float64Array>();
  part.fields.forEach((field, index) => {
    const column = samples.columns[index]!.subarray(0, samples.rows);
    if (column.some((value) => value === value)) columns.set(field, column);
  });
  return { times: samples.times.subarray(0, samples.rows), columns };
}

/** Outer join on time; times of one set of tags are distinct. */
function sideBySide(tables: readonly Table[]): Table {
  const [first] = tables;
  const isSame = tables.every(({ times }) => times.length === first!.times.length && times.every((time, i) => time === first!.times[i])); // prettier-ignore
  if (isSame) return { times: first!.times, columns: new Map(tables.flatMap(({ columns }) => [...columns])) };
  const times = tables.map((table) => table.times).reduce(union);
  return { times, columns: new Map(tables.flatMap((table) => [...spread(table, placesOf(table.times, times), times.length)])) }; // prettier-ignore
}

/** All rows of all tables by time; rows of one time in the order of the tables. */
function interleaved(tables: readonly Table[]): Table {
  const length = tables.reduce((sum, { times }) => sum + times.length, 0);
  const times = new Float64Array(length);
  const places = tables.map((table) => new Uint32Array(table.times.length));
  const next = tables.map(() => 0);
  for (let row = 0; row < length; row++) {
    let from = -1;
    for (let i = 0; i < tables.length; i++) {
      const at = next[i]!;
      if (at === tables[i]!.times.length) continue;
      if (from < 0 || tables[i]!.times[at]! < tables[from]!.times[next[from]!]!) from = i;
    }
    times[row] = tables[from]!.times[next[from]!]!;
    places[from]![next[from]!] = row;
    next[from]!++;
  }
  const columns = new Map<string, Float64Array>();
  tables.forEach((table, i) => spread(table, places[i]!, length, columns));
  return { times, columns };
}

/** Rising times of both, each once. */
function union(left: Float64Array, right: Float64Array): Float64Array {
  const all = new Float64Array(left.length + right.length);
  let length = 0;
  for (let i = 0, j = 0; i < left.length || j < right.length;) {
    const time = j === right.length || left[i]! <= right[j]! ? left[i]! : right[j]!;
    if (left[i] === time) i++;
    if (right[j] === time) j++;
    all[length++] = time;
  }
  return all.subarray(0, length);
}

/** Where each of `times`, which all are among them, stands in `all`. */
function placesOf(times: Float64Array, all: Float64Array): Uint32Array {
  const places = new Uint32Array(times.length);
  for (let i = 0, j = 0; i < times.length; i++) {
    while (all[j] !== times[i]) j++;
    places[i] = j;
  }
  return places;
}

/** Columns with their values at other places, added to `columns`. */
function spread(
  table: Table,
  places: Uint32Array,
  length: number,
  columns = new Map<string, Float64Array>(),
): Map<string, Float64Array> {
  for (const [field, values] of table.columns) {
    let column = columns.get(field);
    if (!column) columns.set(field, (column = new Float64Array(length).fill(NaN)));
    for (let i = 0; i < values.length; i++) column[places[i]!] = values[i]!;
  }
  return columns;
}
