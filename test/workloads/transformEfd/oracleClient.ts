import type { EfdClient, Series, SeriesQuery } from "../../../workloads/src/transform-efd/model";

/** A topic's rows: times after {@link MemoryEfd.originNs}, NaN where a field has no value. */
export interface Topic {
  readonly times: number[];
  readonly fields: Record<string, number[]>;
  readonly textFields?: readonly string[];
}

/** An EFD of arrays: answers as InfluxDB does, by going through every row. The real one is used in other tests. */
export class MemoryEfd implements EfdClient {
  readonly queries: SeriesQuery[] = [];
  /** Topics whose queries fail. */
  readonly broken = new Set<string>();

  constructor(
    readonly originNs: bigint,
    readonly topics: Record<string, Topic>,
  ) {}

  async fieldsOf(topic: string) {
    return new Map(Object.keys(this.topics[topic]?.fields ?? {}).map((field) => [field, "float" as const]));
  }

  async query(query: SeriesQuery, signal: AbortSignal): Promise<Series> {
    signal.throwIfAborted();
    this.queries.push(query);
    await Promise.resolve();
    if (this.broken.has(query.topic)) throw new Error(`${query.topic}: the server answered 500`);
    const topic = this.topics[query.topic] ?? { times: [], fields: {} };
    const [begin, end] = [Number(query.span.beginNs - this.originNs), Number(query.span.endNs - this.originNs)];
    const inside = [...topic.times.keys()].filter((row) => topic.times[row]! >= begin && topic.times[row]! <= end);
    const known = query.fields.filter((field) => topic.fields[field]);
    const rows = inside.filter((row) => known.some((field) => !Number.isNaN(topic.fields[field]![row]!)));
    const plain = {
      times: rows.map((row) => topic.times[row]!),
      fields: Object.fromEntries(known.map((field) => [field, rows.map((row) => topic.fields[field]![row]!)])),
    };
    const { times, fields } = query.preAggregate ? this.bucketMeans(plain, query.preAggregate.intervalNs) : plain;
    const values = Object.entries(fields).filter(([, column]) => column.some((value) => !Number.isNaN(value)));
    return {
      originNs: this.originNs,
      timesNs: Float64Array.from(times),
      values: new Map(values.map(([field, column]) => [field, Float64Array.from(column)])),
      textFields: new Set(query.fields.filter((field) => topic.textFields?.includes(field))),
    };
  }

  private bucketMeans({ times, fields }: Topic, intervalNs: bigint): Topic {
    const rowsOf = new Map<number, number[]>();
    times.forEach((ns, row) => {
      const label = Number(((BigInt(ns) + this.originNs) / intervalNs) * intervalNs - this.originNs);
      rowsOf.set(label, [...(rowsOf.get(label) ?? []), row]);
    });
    const mean = (column: number[], rows: number[]) => {
      const inside = rows.map((row) => column[row]!).filter((value) => !Number.isNaN(value));
      return inside.reduce((sum, value) => sum + value, 0) / inside.length;
    };
    const means = Object.entries(fields).map(([field, column]) => {
      return [field, [...rowsOf.values()].map((rows) => mean(column, rows))] as const;
    });
    return { times: [...rowsOf.keys()], fields: Object.fromEntries(means) };
  }

  textsOf({ topic, span, fields }: SeriesQuery): string[] {
    return [`${fields.join(", ")} of ${topic} from ${span.beginNs} to ${span.endNs}`];
  }

  async close(): Promise<void> {}
}

/** Numbers that look random and are the same each time. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
