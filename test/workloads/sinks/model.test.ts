import fc from "fast-check";
import type { KafkaMessage } from "kafkajs";
import { AvroSchema } from "../../../workloads/src/lib/avro";
import type { Logger } from "../../../workloads/src/lib/log";
import type { ObjectStore } from "../../../workloads/src/lib/objectStore";
import type { RecordReader } from "../../../workloads/src/lib/recordReader";
import { readFilters, shapeOf } from "../../../workloads/src/aggregator/shape";
import { statisticsOf } from "../../../workloads/src/aggregator/statistics";
import { type ClosedWindow, TopicWindows } from "../../../workloads/src/aggregator/windows";
import { FileStore } from "../../../workloads/src/parquet-sink/files";
import { ParquetSink } from "../../../workloads/src/parquet-sink/sink";

// What a file holds is the question here, not how: sinks.test.ts reads real ones.
jest.mock("../../../workloads/src/parquet-sink/encode", () => ({
  encodeParquet: (_schema: unknown, messages: Buffer[]) => Buffer.from(messages.map(String).join("\n")),
}));

const log = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Logger;
const hourMs = 3_600_000;
const beginMs = Date.UTC(2026, 0, 1);

/** A store as S3 is: of those who make a key at once, one succeeds. A crash comes after any of its requests. */
class Store {
  readonly bucket = "model";
  readonly objects = new Map<string, { body: string; metadata: Readonly<Record<string, string>> }>();
  /** Requests until whoever asks is killed: the request itself was done. */
  left = Infinity;

  async create(key: string, body: Uint8Array, metadata: Readonly<Record<string, string>> = {}): Promise<boolean> {
    const isNew = !this.objects.has(key);
    if (isNew) this.objects.set(key, { body: Buffer.from(body).toString(), metadata });
    this.count();
    return isNew;
  }
  async metadataOf(key: string): Promise<Readonly<Record<string, string>>> {
    this.count();
    return this.objects.get(key)!.metadata;
  }
  private count(): void {
    this.left -= 1;
    if (this.left < 0) throw new Killed();
  }
}
class Killed extends Error {}

/** One partition, its group and whoever reads it. */
class Model {
  readonly messages: KafkaMessage[] = [];
  readonly store = new Store();
  committed = 0;
  generation = 0;
  private end = 0;
  owner = this.member();
  zombie: ReturnType<Model["member"]> | undefined;

  append(hours: readonly number[], schemaId: number): void {
    for (const hour of hours) {
      if (hour === 3) this.end += 1; // an offset without a message: a marker of a transaction
      const value = Buffer.from(`${this.end} ${hour} ${schemaId}`);
      const fields = { key: null, attributes: 0, timestamp: "0", headers: {}, offset: String(this.end), value };
      this.messages.push(fields as unknown as KafkaMessage);
      this.end += 1;
    }
  }

  member() {
    const generation = this.generation;
    const state = { position: this.committed, sink: undefined as unknown as ParquetSink };
    state.sink = new ParquetSink({
      reader: {
        persistently: (_what: string, work: () => Promise<unknown>) => work(),
        read: async (_topic: string, _partition: number, { value }: KafkaMessage) => {
          const [, hour, id] = String(value).split(" ").map(Number) as [number, number, number];
          return hour === 2 ? undefined : { schema: { id }, value: {}, timeMs: beginMs + hour * hourMs };
        },
      } as unknown as RecordReader,
      files: new FileStore({ store: this.store as unknown as ObjectStore, topicsDir: "topics" }),
      schemaOf: async (id) => new AvroSchema(id, {}),
      group: {
        commit: async ({ nextOffset }) => {
          if (generation !== this.generation) throw new Error("The group has another generation");
          this.committed = Number(nextOffset);
        },
        endOf: async () => BigInt(this.end),
      },
      log,
      rotateMs: 0,
      flushRecords: 6,
      flushBytes: 1e9,
      maxBufferBytes: 1e9,
      maxOpenFiles: 4,
      concurrency: 1,
    });
    return state;
  }

  /** The owner reads; when it is killed another takes its place. */
  async take(count: number, requestsLeft = Infinity): Promise<void> {
    const { position, sink } = this.owner;
    const messages = this.messages.filter(({ offset }) => Number(offset) >= position).slice(0, count);
    if (messages.length === 0) return;
    this.store.left = requestsLeft;
    try {
      await sink.take({ topic: "t", partition: 0, messages, highWatermark: BigInt(this.end) });
      this.owner.position = Number(messages[messages.length - 1]!.offset) + 1;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.replace(false);
    } finally {
      this.store.left = Infinity;
    }
  }

  async tick(requestsLeft = Infinity): Promise<void> {
    this.store.left = requestsLeft;
    await this.owner.sink.tick();
    if (this.store.left < 0) this.replace(false);
    this.store.left = Infinity;
  }

  /** The partition goes to another member; the one before may not know yet. */
  replace(stays: boolean): void {
    this.zombie = stays ? this.owner : undefined;
    this.generation += 1;
    this.owner = this.member();
  }
}

const operation = fc.oneof(
  fc.record({
    what: fc.constant("append" as const),
    // hour 2: a message that cannot be read; hours go back and forth
    hours: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 12 }),
    schemaId: fc.nat({ max: 1 }),
  }),
  fc.record({ what: fc.constant("take" as const), count: fc.integer({ min: 1, max: 10 }) }),
  fc.record({ what: fc.constant("tick" as const) }),
  fc.record({ what: fc.constant("kill" as const), during: fc.constantFrom("take", "tick"), left: fc.nat({ max: 4 }) }),
  fc.record({ what: fc.constant("rebalance" as const) }),
  fc.record({ what: fc.constant("zombie" as const) }),
);

/** A member that lost its partition learns of a longer first file, and hears nothing more of Kafka. */
const staleOwner = [
  { what: "append", hours: [0], schemaId: 1 },
  { what: "take", count: 1 },
  { what: "append", hours: [0], schemaId: 1 },
  { what: "rebalance" },
  { what: "take", count: 2 },
  { what: "tick" },
  { what: "zombie" },
  { what: "zombie" },
] satisfies (typeof operation extends fc.Arbitrary<infer T> ? T : never)[];

test("each record is in one file, wherever members are killed and whoever still writes after a rebalance", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
      const model = new Model();
      for (const one of operations) {
        if (one.what === "append") model.append(one.hours, one.schemaId);
        else if (one.what === "take") await model.take(one.count);
        else if (one.what === "tick") await model.tick();
        else if (one.what === "rebalance") model.replace(true);
        else if (one.what === "zombie") await model.zombie?.sink.tick();
        else if (one.during === "take") await model.take(10, one.left);
        else await model.tick(one.left);
      }
      const last = model.messages[model.messages.length - 1];
      for (let round = 0; round < 200 && last && model.committed <= Number(last.offset); round++) {
        await model.take(10);
        await model.tick();
      }
      const readable = model.messages.map(({ value }) => String(value)).filter((value) => value.split(" ")[1] !== "2");
      const stored = [...model.store.objects.values()].flatMap(({ body }) => body.split("\n"));
      const byOffset = (one: string, other: string) => Number(one.split(" ")[0]) - Number(other.split(" ")[0]);
      expect(stored.sort(byOffset)).toEqual(readable);
      expect(last === undefined || model.committed > Number(last.offset)).toBe(true);
      for (const [key, { body, metadata }] of model.store.objects) {
        const rows = body.split("\n").map((row) => row.split(" "));
        expect(metadata.records).toBe(String(rows.length));
        expect(new Set(rows.map(([, hour, id]) => `${hour} ${id}`)).size).toBe(1); // one hour, one schema
        expect(key).toContain(`+0+${rows[0]![0]!.padStart(10, "0")}.snappy.parquet`); // never beside a name that is taken
      }
    }),
    { numRuns: 400, examples: [[staleOwner]] },
  );
});

const schema = new AvroSchema(1, {
  type: "record",
  name: "temperature",
  namespace: "lsst.sal.ESS",
  fields: [
    { name: "salIndex", type: "int" },
    { name: "value", type: "double" },
  ],
});
const shape = shapeOf("lsst.sal.ESS.temperature", schema, {
  keys: ["salIndex"],
  operations: ["mean"],
  time: { field: "", unit: "s" },
  filters: [],
});
const textOf = ({ startMs, keys, count, samples }: ClosedWindow) =>
  `${startMs}/${keys.join("/")} ${count} ${samples.get("value")?.join(",")}`;

test("windows are the same when they are read again from the committed offset, with the note that was committed", async () => {
  const record = fc.record({ step: fc.integer({ min: -900, max: 1500 }), salIndex: fc.nat({ max: 2 }) });
  const records = fc.array(record, { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      records,
      fc.array(fc.nat({ max: 59 }), { maxLength: 5 }),
      fc.integer({ min: 2, max: 50 }),
      (steps, crashes, maxOpen) => {
        // prettier-ignore
        let timeMs = beginMs;
        const all = steps.map(({ step, salIndex }, offset) => {
          timeMs += step;
          return { timeMs, value: { salIndex, value: offset } };
        });
        const options = { windowMs: 1000, graceMs: 500, maxOpen };
        const read = (kills: ReadonlySet<number>) => {
          const made = new Map<string, string>();
          const killed = new Set<number>();
          let windows = new TopicWindows(options, -Infinity);
          let committed = { offset: 0, closedMs: -Infinity };
          for (let offset = 0; offset < all.length; offset++) {
            if (kills.has(offset) && !killed.has(offset)) {
              killed.add(offset);
              windows = new TopicWindows(options, committed.closedMs);
              offset = committed.offset;
            }
            const { timeMs: at, value } = all[offset]!;
            windows.add(offset, at, value, shape);
            for (const window of windows.close()) {
              const name = textOf(window).split(" ")[0]!;
              if (made.has(name)) expect(textOf(window)).toBe(made.get(name));
              made.set(name, textOf(window));
            }
            if (offset % 7 === 0)
              committed = { offset: windows.firstOffset() ?? offset + 1, closedMs: windows.closedUntilMs };
          }
          for (const window of windows.closeAll()) made.set(textOf(window).split(" ")[0]!, textOf(window));
          return made;
        };
        expect(read(new Set(crashes))).toEqual(read(new Set()));
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  { samples: [1, 2, 3], expected: { min: 1, q1: 1, mean: 2, median: 2, stdev: 1, q3: 3, max: 3 } },
  { samples: [2, 1], expected: { min: 1, q1: 0.75, mean: 1.5, median: 1.5, stdev: Math.SQRT1_2, q3: 2.25, max: 2 } },
  { samples: [7], expected: { min: 7, q1: null, mean: 7, median: 7, stdev: null, q3: null, max: 7 } },
  { samples: [], expected: { min: null, q1: null, mean: null, median: null, stdev: null, q3: null, max: null } },
])("statistics of $samples", ({ samples, expected }) => expect(statisticsOf(samples, 2)).toEqual(expected));

test("filters: each fault is named", () => {
  const filter = { topic: "t", fields: ["a", "b"], map: { a: "b", c: "d" } };
  expect(readFilters(JSON.stringify([filter, { topic: "t", fields: [] }, { fields: ["a"] }])).faults).toEqual([
    'FILTERS[0] (t) maps "c", which is not among its fields (a, b)',
    'FILTERS[0] (t) gives two fields the name "b"',
    "FILTERS[1] (t) has no list of fields",
    "FILTERS[2] has no topic",
    "FILTERS names topic t twice",
  ]);
  expect(readFilters("[").faults).toEqual([
    'FILTERS is no JSON: give a list of {"topic": …, "fields": […], "map": {…}}',
  ]);
  expect(readFilters(JSON.stringify([{ topic: "t", fields: ["a"], map: { a: "z" } }])).faults).toEqual([]);
});
