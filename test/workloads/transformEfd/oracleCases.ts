/** Topics, records and columns that look random, what numpy makes of them, and how it is compared. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { ensureButlerPython } from "../../../local/services";
import { type ColumnEntry, columnsOf } from "../../../workloads/src/transform-efd/columns";
import type { DimensionRecord, EfdClient, RecordKind, Summary } from "../../../workloads/src/transform-efd/model";
import { type LegacySwitches, summarise } from "../../../workloads/src/transform-efd/window";
import { seededRandom, type Topic } from "./oracleClient";
import { entry, originNs, second } from "./windowStand";

export interface Case {
  readonly about: string;
  readonly topics: Record<string, Topic>;
  readonly records: readonly { kind: RecordKind; begin: number; end: number }[];
  readonly legacy: LegacySwitches;
}

const functions: [string, Partial<ColumnEntry>][] = [
  ["mean", { function: "mean" }],
  ["min", { function: "min" }],
  ["max", { function: "max" }],
  ["stddev", { function: "stddev" }],
  ["stddev0", { function: "stddev", function_args: { ddof: 0 } }],
  ["last", { function: "most_recent_value" }],
];
const fits: [string, Partial<ColumnEntry>][] = [
  ["line", { function: "rms_from_polynomial_fit" }],
  ["fourth", { function: "rms_from_polynomial_fit", function_args: { degree: 4, fit_basis: "index" } }],
  ["time", { function: "rms_from_polynomial_fit", function_args: { degree: 3, fit_basis: "time" } }],
];
const wide = Array.from({ length: 12 }, (_, i) => `w${i}`).join(" ");
export const columns: ColumnEntry[] = [
  ...[...functions, ...fits].flatMap(([name, rest]) => [
    entry(`plain_${name}`, "a", rest, "plain"),
    entry(`subset_${name}`, "x salIndex", { ...rest, subset_field: "salIndex", subset_value: 301 }, "indexed"),
    entry(`packed_${name}`, "angle", { ...rest, packed_series: true }, "packed"),
    entry(`fields_${name}`, "w0 w1 w2", { ...rest, store_unpivoted: true }, "wide"),
  ]),
  ...functions.flatMap(([name, rest]) => [
    entry(`all_${name}`, "a b c", rest, "plain"),
    entry(`list_${name}`, "y x salIndex", { ...rest, subset_field: "salIndex", subset_value: [111, "112"] }, "indexed"),
    entry(`wide_${name}`, wide, { ...rest, store_unpivoted: true }, "wide"),
    entry(`event_${name}`, "e", { ...rest, start_offset: -0.5 }, "events"),
  ]),
  entry("subset_text", "x salIndex", { subset_field: "salIndex", subset_value: "301" }, "indexed"),
  entry("subset_none", "x salIndex", { subset_field: "salIndex", subset_value: 999 }, "indexed"),
  entry("second", "f0 f1", { pre_aggregate_interval: "1s" }, "forces"),
  entry("second_each", "f0 f1 f2", { pre_aggregate_interval: "1s", store_unpivoted: true }, "forces"),
];

/** Samples about `stepSeconds` apart, some at the same time, with holes. */
function topic(random: () => number, seconds: number, stepSeconds: number, fields: string[], holes = 0.02): Topic {
  const times: number[] = [];
  for (let at = -3600; at < seconds + 30; at += stepSeconds * (0.5 + random())) {
    times.push(Math.round(at * second));
    if (random() < 0.02) times.push(times.at(-1)!);
  }
  const value = (offset: number) => (random() < holes ? NaN : offset + random() - 0.5);
  return { times, fields: Object.fromEntries(fields.map((field, i) => [field, times.map(() => value(3 + 10 * i))])) };
}

/** Topics and records that a seed decides. */
export function makeCase(about: string, seed: number, seconds: number, legacy: LegacySwitches = {}): Case {
  const random = seededRandom(seed);
  const plain = topic(random, seconds, 0.4, ["a", "b", "c"]);
  const indexed = topic(random, seconds, 0.3, ["x", "y"]);
  indexed.fields.salIndex = indexed.times.map(() => [301, 111, 112, 5][Math.floor(random() * 4)]!);
  const wideTopic = topic(random, seconds, 1, wide.split(" "), 0.004);
  // A field that was not there for a while, and one that never was: neither takes the other fields along.
  wideTopic.fields.w3 = wideTopic.fields.w3!.map((value, row) =>
    wideTopic.times[row]! > seconds * 0.4 * second ? NaN : value,
  );
  delete wideTopic.fields.w7;
  const events = topic(random, seconds, 400, ["e"], 0);
  const forces = topic(random, seconds, 0.12, ["f0", "f1", "f2"]);
  const packed: Topic = {
    times: [],
    fields: { cRIO_timestamp: [], ...Object.fromEntries([...Array(5).keys()].map((i) => [`angle${i}`, []])) },
  };
  for (let row = -10; row < seconds + 10; row++) {
    if (random() < 0.05) continue; // a gap
    const jitter = Math.floor(random() * 1000) / 1e6;
    packed.times.push(Math.round((row + 1.1 + jitter) * second));
    packed.fields.cRIO_timestamp!.push(1_760_000_000 + 37 + row + jitter);
    for (let i = 0; i < 5; i++) packed.fields[`angle${i}`]!.push(Math.sin(row / 20) + random() / 100);
  }
  const records: { kind: RecordKind; begin: number; end: number }[] = [];
  for (let begin = 0.2 + random(); begin < seconds;) {
    const length = [30, 0.7, 5, 2.5, 15][Math.floor(random() * 5)]! * (0.9 + random() / 5);
    records.push({
      kind: random() < 0.5 ? "exposure" : "visit1",
      begin: Math.round(begin * second),
      end: Math.round((begin + length) * second),
    });
    begin += length + random() * 40;
  }
  // Both ends of these lie on samples, and count.
  const [first, last] = [
    3 + plain.times.findIndex((time) => time > 0),
    plain.times.findIndex((time) => time > 20 * second),
  ];
  records.push({ kind: "exposure", begin: plain.times[first]!, end: plain.times[last]! });
  records.push({ kind: "visit1", begin: plain.times[first]!, end: plain.times[first]! });
  records.push({ kind: "exposure", begin: Math.round(-20 * second), end: Math.round((seconds + 20) * second) });
  return { about, topics: { plain, indexed, wide: wideTopic, events, forces, packed }, records, legacy };
}

type Value = number | null | Record<string, number>;
/** What numpy makes of a case: `[column][record]`. */
export type Expected = Value[][];

/** One process for all of them. */
export async function askNumpy(cases: readonly Case[]): Promise<Expected[]> {
  const python = await ensureButlerPython();
  const given = cases.map(({ topics, records, legacy }) => ({
    origin: String(originNs),
    topics,
    records,
    legacy,
    columns,
  }));
  return new Promise((resolve, reject) => {
    const child = execFile(python, [join(__dirname, "oracle.py")], { maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr)) : resolve(JSON.parse(stdout)),
    );
    child.stdin!.end(JSON.stringify(given, (_, value) => (Number.isNaN(value) ? null : value)));
  });
}

/** The summary of a case by our own code. */
export async function summaryOf({ records, legacy }: Case, client: EfdClient): Promise<Summary> {
  const dimension = records.map(({ kind, begin, end }, id): DimensionRecord => {
    const span = { beginNs: originNs + BigInt(begin), endNs: originNs + BigInt(end) };
    return { kind, id, dayObs: 20251009, seqNum: id, span };
  });
  const { columns: checked, faults } = columnsOf("test", { version: "1", columns });
  expect(faults).toEqual([]);
  const summary = await summarise(dimension, checked, client, { legacy, signal: new AbortController().signal });
  expect(summary.topics.filter(({ status }) => status !== "ok")).toEqual([]);
  return summary;
}

/** Every value within 1e-12 of numpy's, what fits leave within 1e-9; and none that numpy does not have. */
export function expectToAgree(summary: Summary, expected: Expected): void {
  const actual = new Map<string, number>();
  for (const { columns: names, rows } of Object.values(summary.pivoted)) {
    for (const { record, values } of rows) {
      values.forEach((value, at) => value !== null && actual.set(`${names[at]} ${record.id}`, value));
    }
  }
  for (const { record, property, field, value } of Object.values(summary.unpivoted).flat()) {
    actual.set(`${property} ${record.id} ${field}`, value);
  }
  const wrong: string[] = [];
  let compared = 0;
  columns.forEach((column, at) => {
    const isFit = column.function.startsWith("rms");
    expected[at]!.forEach((value, id) => {
      const single = typeof value === "number" ? { "": value } : (value ?? {});
      for (const [field, want] of Object.entries(single)) {
        const key = `${column.name} ${id}${field && ` ${field}`}`;
        const got = actual.get(key);
        compared++;
        actual.delete(key);
        // A curve through all points leaves nothing but rounding, in numpy too.
        const allowed = isFit ? Math.max(1e-9 * Math.abs(want), 1e-12) : 1e-12 * Math.abs(want);
        if (got === undefined || !(Math.abs(got - want) <= allowed)) wrong.push(`${key}: ${got}, numpy ${want}`);
      }
    });
  });
  expect(wrong).toEqual([]);
  expect([...actual.keys()]).toEqual([]);
  expect(compared).toBeGreaterThan(600);
}
