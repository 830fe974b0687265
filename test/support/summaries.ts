import { Client } from "pg";
import { type Samples, samplesOf, signalsOf, topicsOf } from "../../local/efd/telemetry";
import { type Column, loadColumns } from "../../workloads/src/transform-efd/columns";
import type { Span } from "../../workloads/src/transform-efd/model";

/** TAI is this much ahead of UTC since 2017. */
const taiMinusUtcNs = 37_000_000_000n;
const second = 1_000_000_000n;

/** When an exposure took light, by the Butler's registry in PostgreSQL. The last nanosecond belongs to it as the first does. */
export async function spanIn(registryUrl: string, exposureId: number): Promise<Span> {
  const [row] = await rowsOf<{ begin: string; end: string }>(
    registryUrl,
    `select lower(timespan) as begin, upper(timespan) as "end" from exposure where id = ${exposureId}`,
  );
  return { beginNs: BigInt(row!.begin) - taiMinusUtcNs, endNs: BigInt(row!.end) - taiMinusUtcNs };
}

/** What is stored for an exposure: columns by name, and unpivoted values by `property field`. */
export async function storedFor(
  consdbUrl: string,
  schema: string,
  exposureId: number,
): Promise<Map<string, number | null>> {
  const [row] = await rowsOf<Record<string, number | null>>(
    consdbUrl,
    `select * from ${schema}.exposure_efd where exposure_id = ${exposureId}`,
  );
  const unpivoted = await rowsOf<{ property: string; field: string; value: number }>(
    consdbUrl,
    `select property, field, value from ${schema}.exposure_efd_unpivoted where exposure_id = ${exposureId}`,
  );
  return new Map([
    ...Object.entries(row!),
    ...unpivoted.map(({ property, field, value }) => [`${property} ${field}`, value] as const),
  ]);
}

/**
 * The same from the simulator's formula, by hand: every column but fits, which numpy judges elsewhere.
 * @param withTelemetry - Topics that have telemetry. Default: all.
 */
export async function expectedFor(
  instrument: string,
  span: Span,
  withTelemetry?: ReadonlySet<string>,
): Promise<Map<string, number | null>> {
  const { columns } = await loadColumns("builtin", instrument);
  const topics = new Map(topicsOf(columns).map((topic) => [topic.name, topic]));
  const expected = new Map<string, number | null>();
  // Columns of a topic and offset read the same samples.
  const played = new Map<string, { salIndex: number | undefined; samples: Samples }[]>();
  const devicesOf = ({ topic, startOffsetNs }: Column) => {
    const key = `${topic} ${startOffsetNs}`;
    const made = played.get(key);
    if (made) return made;
    const long = { ...span, beginNs: span.beginNs + startOffsetNs };
    const devices = signalsOf(topics.get(topic)!).map((signal) => {
      return { salIndex: signal.salIndex, samples: samplesOf(signal, long) };
    });
    played.set(key, devices);
    return devices;
  };
  for (const column of columns.filter((each) => isByHand(each) && (withTelemetry?.has(each.topic) ?? true))) {
    const { subset, bucketNs, fields, name } = column;
    const devices = devicesOf(column).filter(({ salIndex }) => subset?.values.includes(salIndex!) ?? true);
    const valuesOf = (field: string) => {
      const samples = devices
        .flatMap(({ samples: { timesNs, values } }) =>
          timesNs.map((timeNs, index) => ({ timeNs, value: values.get(field)![index]! })),
        )
        .sort((a, b) => Number(a.timeNs - b.timeNs));
      return bucketNs ? bucketMeans(samples, span) : samples.map(({ value }) => value);
    };
    if (column.isUnpivoted)
      for (const field of fields) expected.set(`${name} ${field}`, summary(column, valuesOf(field)));
    else expected.set(name, summary(column, fields.flatMap(valuesOf)));
  }
  return expected;
}

/** Values that differ by more than rounding: name, expected, stored. */
export function differences(
  stored: ReadonlyMap<string, number | null>,
  expected: ReadonlyMap<string, number | null>,
): [string, number | null, number | null | undefined][] {
  const isClose = (one: number | null | undefined, other: number | null) => {
    if (other === null || typeof one !== "number") return one === other;
    return Math.abs(one - other) <= 1e-12 * Math.max(Math.abs(other), 1);
  };
  const wrong = [...expected].filter(([name, value]) => !isClose(stored.get(name), value));
  return wrong.map(([name, value]) => [name, value, stored.get(name)]);
}

/** Columns that this file computes. A packed field that is asked for as if it were a plain one has no values. */
function isByHand({ function: { name }, isPacked, topic, tables }: Column): boolean {
  const isExposure = tables.some((table) => table.startsWith("exposure"));
  return name !== "rms_from_polynomial_fit" && !isPacked && !topic.startsWith("lsst.sal.ATMCS.") && isExposure;
}

/** Means of the whole seconds within the span. */
function bucketMeans(samples: readonly { timeNs: bigint; value: number }[], { beginNs, endNs }: Span): number[] {
  const buckets = new Map<bigint, number[]>();
  for (const { timeNs, value } of samples) {
    const bucket = timeNs / second;
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), value]);
  }
  const whole = [...buckets].filter(([bucket]) => bucket * second >= beginNs && (bucket + 1n) * second <= endNs);
  return whole.map(([, values]) => mean(values));
}

function summary({ function: summary }: Column, values: readonly number[]): number | null {
  if (values.length === 0) return null;
  switch (summary.name) {
    case "mean":
      return mean(values);
    case "min":
      return values.reduce((a, b) => Math.min(a, b));
    case "max":
      return values.reduce((a, b) => Math.max(a, b));
    case "most_recent_value":
      return values.at(-1)!;
    case "stddev": {
      const centre = mean(values);
      const squares = values.map((value) => (value - centre) ** 2);
      if (values.length <= summary.ddof) return null;
      return Math.sqrt((mean(squares) * values.length) / (values.length - summary.ddof));
    }
    default:
      throw new Error(`${summary.name} is not computed here`);
  }
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

async function rowsOf<T extends object>(url: string, sql: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}
