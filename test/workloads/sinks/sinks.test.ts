import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureButlerPython } from "../../../local/services";
import { until } from "../../support/network";
import { encode, type ReadFile, Stand } from "./stand";

const stand = new Stand();
beforeAll(() => stand.start());
afterEach(() => stand.stopPods());
afterAll(() => stand.stop());

const hourMs = 3_600_000;
const beginMs = Date.UTC(2026, 5, 3, 22); // two hours before the day ends

const efdFields = [
  { name: "salIndex", type: "int" },
  { name: "private_efdStamp", type: "double", units: "second" },
  { name: "seq", type: "long" },
];
const everyType = {
  type: "record",
  name: "everything",
  namespace: "lsst.sal.MTMount",
  fields: [
    ...efdFields,
    { name: "angle", type: "float", units: "deg" },
    { name: "position", type: "double" },
    { name: "isOn", type: "boolean" },
    { name: "text", type: "string" },
    { name: "forces", type: { type: "array", items: "double" } },
    { name: "counts", type: { type: "array", items: "long" } },
    { name: "optional", type: ["null", "int"] },
    { name: "maybeList", type: ["null", { type: "array", items: ["null", "float"] }] },
    { name: "bytes", type: "bytes" },
    { name: "fixed", type: { type: "fixed", name: "four", size: 4 } },
    { name: "state", type: { type: "enum", name: "state", symbols: ["OFF", "ON"] } },
    { name: "byName", type: { type: "map", values: "long" } },
    { name: "inner", type: { type: "record", name: "inner", fields: [{ name: "x", type: ["null", "double"] }] } },
    { name: "either", type: ["null", "int", "string"] },
  ],
};
const newer = {
  ...everyType,
  fields: [...everyType.fields, { name: "added", type: ["null", "double"], default: null }],
};

function record(seq: number, timeMs: number): Record<string, unknown> {
  return {
    salIndex: seq % 3,
    private_efdStamp: timeMs / 1000,
    seq: seq % 7 === 0 ? 9_007_199_254_740_993n + BigInt(seq) : seq,
    angle: seq / 3,
    position: seq % 11 === 0 ? NaN : seq / 7,
    isOn: seq % 2 === 0,
    text: `ä "${seq}"\n`,
    forces: Array.from({ length: seq % 4 }, (_, index) => seq + index / 8),
    counts: [seq, -9_223_372_036_854_775_808n],
    optional: seq % 5 === 0 ? null : -seq,
    maybeList: seq % 3 === 0 ? null : [null, seq / 2],
    bytes: Buffer.from([seq % 256, 0, 255]),
    fixed: Buffer.from([1, 2, 3, seq % 256]),
    state: seq % 2 === 0 ? "OFF" : "ON",
    byName: seq % 2 === 0 ? {} : { a: seq, b: 9_007_199_254_740_995n },
    inner: { x: seq % 2 === 0 ? null : seq / 16 },
    either: [null, seq, `s${seq}`][seq % 3],
    ...(seq >= 100 && { added: seq % 2 === 0 ? null : seq * 1.5 }),
  };
}

/** What pyarrow must say of a sent record. */
function expected(sent: Record<string, unknown>): unknown {
  const plain = (value: unknown): unknown => {
    if (typeof value === "bigint") return String(value);
    if (Buffer.isBuffer(value)) return value.toString("hex");
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === "number" && Number.isNaN(value)) return "nan";
    return value;
  };
  const { angle, maybeList, byName, inner, either, ...others } = sent;
  const { x } = inner as { x: number | null };
  return {
    ...Object.fromEntries(Object.entries(others).map(([name, value]) => [name, plain(value)])),
    angle: Math.fround(angle as number),
    maybeList: maybeList && (maybeList as (number | null)[]).map((one) => (one === null ? null : Math.fround(one))),
    byName: Object.entries(byName as object).map(([key, value]) => [key, plain(value)]),
    inner: { x },
    either: either === null ? null : JSON.stringify(typeof either === "number" ? { int: either } : { string: either }),
  };
}

const seqsOf = (files: readonly ReadFile[]) => files.flatMap(({ rows }) => rows.map(({ seq }) => Number(seq)));

test("hourly files hold what was sent, read by pyarrow; what cannot be read is a dead letter with its reason", async () => {
  const topic = "lsst.sal.MTMount.everything";
  await stand.createTopic(topic);
  const ids = [await stand.register(topic, everyType), await stand.register(topic, newer)];
  const kafkaMs = Math.floor(Date.now() / hourMs) * hourMs; // brokers delete what is older than a week
  const sent: { hour: number; schemaId: number; value: Record<string, unknown> }[] = [];
  const message = (seq: number, timeMs: number) => {
    const [schemaId, definition] = seq >= 100 ? [ids[1]!, newer] : [ids[0]!, everyType];
    const value = record(seq, timeMs);
    sent.push({ hour: timeMs === 0 ? kafkaMs : Math.floor(timeMs / hourMs) * hourMs, schemaId, value });
    return { value: encode(schemaId, definition, value), timestamp: String(kafkaMs) };
  };
  const minutes = (count: number) => beginMs + count * 60_000;
  const messages = [
    { value: Buffer.from("no avro"), timestamp: String(kafkaMs) }, // offset 0: before the first file
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((seq) => message(seq, minutes(seq * 4))),
    { value: null, timestamp: String(kafkaMs) },
    { value: encode(4_000_000, everyType, record(1, beginMs)), timestamp: String(kafkaMs) },
    { value: message(99, minutes(50)).value.subarray(0, 20), timestamp: String(kafkaMs) },
    // the turn of the hour, with stragglers, and a producer of a newer schema beside an older one
    ...[13, 101, 14, 102, 15, 103, 16, 104].map((seq, index) => message(seq, minutes(index % 2 === 0 ? 59 : 61))),
    ...[17, 105, 18].map((seq) => message(seq, minutes(125))), // next day
    message(19, 0), // no time of its own
  ];
  sent.splice(12, 1); // the one that was cut
  await stand.producer.send({ topic, messages });
  const pod = await stand.startPod("parquet-sink", topic.replaceAll(".", "\\."), { ROTATE_SECONDS: "0.5" });
  await stand.committedAll(`parquet-sink-${topic.replaceAll(".", "\\.")}`, topic);

  const files = await stand.files(topic);
  const folder = `topics/${topic}`;
  const days = /year=\d{4}\/month=\d\d\/day=\d\d\/hour=\d\d\//;
  expect(files.map(({ key }) => key.slice(folder.length + 1).replace(days, ""))).toEqual(
    [1, 18, 17, 24, 25, 27].map((first) => `${topic}+0+${String(first).padStart(10, "0")}.snappy.parquet`),
  );
  for (const { key, metadata, rows, codec, avro } of files) {
    const [, ...parts] = /year=(\d{4})\/month=(\d\d)\/day=(\d\d)\/hour=(\d\d)\/.*\+0\+(\d{10})/.exec(key)!;
    const [year, month, day, hour, offset] = parts;
    const mine = sent.filter(({ hour: at }) =>
      new Date(at).toISOString().startsWith(`${year}-${month}-${day}T${hour}:`),
    );
    const bySeq = new Map(mine.map((one) => [String(one.value.seq), one]));
    expect([...bySeq.keys()]).toEqual(expect.arrayContaining(rows.map(({ seq }) => String(seq))));
    expect(rows).toEqual(rows.map(({ seq }) => expected(bySeq.get(String(seq))!.value)));
    expect(metadata).toMatchObject({ records: String(rows.length), "first-offset": String(Number(offset)) });
    expect([...new Set(rows.map(({ seq }) => bySeq.get(String(seq))!.schemaId))]).toEqual([
      Number(metadata["schema-id"]),
    ]);
    expect(codec).toBe("SNAPPY");
    expect(JSON.parse(avro)).toEqual(Number(metadata["schema-id"]) === ids[0] ? everyType : newer);
  }
  const seqs = files.flatMap(({ rows }) => rows.map(({ seq }) => String(seq)));
  expect([...seqs].sort()).toEqual(sent.map(({ value }) => String(value.seq)).sort());
  expect(files[0]!.schema).toMatchObject({
    salIndex: "int32 not null",
    seq: "int64 not null",
    angle: "float not null",
    forces: "list<element: double not null> not null",
    maybeList: "list<element: float>",
    optional: "int32",
    byName: "map<string, int64 ('byName')> not null",
    inner: "struct<x: double> not null",
  });

  const dead = (await stand.read("dead")).map(({ headers, value }) => {
    const text = Object.fromEntries(Object.entries(headers ?? {}).map(([name, one]) => [name, String(one)]));
    return [text["usdf.reason"], text["usdf.topic"], text["usdf.offset"], (value as Buffer).length];
  });
  expect(dead).toEqual([
    ["MESSAGE", topic, "0", 7],
    ["SCHEMA_UNKNOWN", topic, "14", messages[14]!.value!.length],
    ["MESSAGE", topic, "15", 20],
  ]);
  expect(await pod.metric("usdf_parquet_sink_dead_lettered_total")).toBe(3);
  expect(await pod.metric("usdf_parquet_sink_records_total")).toBe(sent.length);
  expect(await pod.stop()).toBe(0);
});

const small = { type: "record", name: "small", namespace: "lsst.sal.Test", fields: efdFields };

test("each record is in one file, whatever is killed: members, again and again, while they write; one that hangs; the gateway", async () => {
  const topic = "lsst.sal.Test.crashes";
  const partitions = 3;
  await stand.createTopic(topic, partitions);
  const id = await stand.register(topic, small);
  let seq = 0;
  const send = async (count: number) => {
    const messages = Array.from({ length: count }, () => {
      seq += 1;
      const late = seq % 10 === 0 ? -hourMs : 0; // a straggler of the hour before
      const value = { salIndex: 1, private_efdStamp: (beginMs + seq * 5_000 + late) / 1000, seq };
      return { value: encode(id, small, value), partition: seq % partitions };
    });
    await stand.producer.send({ topic, messages });
  };
  const pattern = "lsst\\.sal\\.Test\\.crashes";
  const env = { FLUSH_RECORDS: "40", ROTATE_SECONDS: "0.2" };
  const pods = await Promise.all([stand.startPod("parquet-sink", pattern, env), stand.startPod("parquet-sink", pattern, env)]); // prettier-ignore
  for (let round = 0; round < 4; round++) {
    await send(300);
    await sleep(100 + Math.random() * 500);
    pods[round % 2]!.kill("SIGKILL");
    if (round === 2) await stand.restartRegistry();
  }
  // One hangs for longer than the group waits for it, and goes on with what it had in hand when another has its partitions.
  pods[0]!.kill("SIGSTOP");
  await send(300);
  await stand.committedAll(`parquet-sink-${pattern}`, topic);
  await send(300);
  pods[0]!.kill("SIGCONT");
  await stand.restartGateway();
  await send(300);
  await stand.committedAll(`parquet-sink-${pattern}`, topic);
  const files = await stand.files(topic);
  expect(seqsOf(files).sort((one, other) => one - other)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
  for (const { metadata, rows, key } of files) {
    expect(metadata.records).toBe(String(rows.length));
    expect(key).toContain(`+${metadata["first-offset"]!.padStart(10, "0")}.snappy.parquet`);
  }
});

const pythonStatistics = async (samples: number[][]) =>
  JSON.parse(
    execFileSync(await ensureButlerPython(), [join(__dirname, "window_statistics.py")], { input: JSON.stringify(samples) }).toString(), // prettier-ignore
  ) as Record<string, number | null>[];

const telemetry = {
  type: "record",
  name: "temperature",
  namespace: "lsst.sal.ESS",
  fields: [
    ...efdFields,
    { name: "value", type: "float", units: "deg_C" },
    { name: "counter", type: ["null", "long"], default: null },
    { name: "isOn", type: "boolean" },
    { name: "list", type: { type: "array", items: "double" } },
  ],
};

test("statistics of windows are Python's, of each device apart, and the same after kills", async () => {
  const topic = "lsst.sal.ESS.temperature";
  const pattern = "lsst\\.sal\\.ESS\\..*";
  await Promise.all([topic, "lsst.sal.ESS.logevent_state", "lsst.sal.ESS.command_start"].map((one) => stand.createTopic(one))); // prettier-ignore
  const id = await stand.register(topic, telemetry);
  const windows = new Map<string, { count: number; value: number[]; counter: number[] }>();
  let seq = 0;
  const batch = (count: number, startMs: number) => {
    const messages = [];
    for (let index = 0; index < count; index++) {
      seq += 1;
      // two devices; steps of 0.13 s with some disorder below the grace
      const timeMs = startMs + index * 130 + (seq % 5 === 0 ? -400 : 0);
      const salIndex = seq % 2;
      const value = Math.fround(20 + Math.sin(seq));
      const counter = seq % 4 === 0 ? null : 1_700_000_000_000 + seq;
      const record = { salIndex, private_efdStamp: timeMs / 1000, seq, value, counter, isOn: true, list: [1] };
      messages.push({ value: encode(id, telemetry, record) });
      const key = `${Math.floor((record.private_efdStamp * 1000) / 1000) * 1000}/${salIndex}`;
      const window = windows.get(key) ?? { count: 0, value: [], counter: [] };
      window.count += 1;
      window.value.push(value);
      if (counter !== null) window.counter.push(counter);
      windows.set(key, window);
    }
    return messages;
  };
  const filter = { topic, fields: ["value", "counter"], map: { counter: "pulses" } };
  const env = { IDLE_SECONDS: "2.5", GRACE_SECONDS: "2", FILTERS: JSON.stringify([filter]) };
  const pod = await stand.startPod("aggregator", pattern, env);
  for (let round = 0; round < 4; round++) {
    await stand.producer.send({ topic, messages: batch(60, beginMs + round * 60 * 130) });
    await stand.producer.send({
      topic: "lsst.sal.ESS.logevent_state",
      messages: [{ value: Buffer.from("never read") }],
    });
    await sleep(200 + Math.random() * 300);
    if (round < 3) pod.kill("SIGKILL");
  }
  // a straggler of a window long gone
  await stand.producer.send({ topic, messages: [{ value: encode(id, telemetry, { salIndex: 0, private_efdStamp: beginMs / 1000, seq: 0, value: 999, counter: null, isOn: true, list: [] }) }] }); // prettier-ignore
  await stand.committedAll(`aggregator-${pattern}`, topic);

  const messages = await stand.read(`${topic}-aggregated`);
  const records = new Map<string, Record<string, unknown>>();
  for (const { key, value } of messages) {
    const decoded = await stand.decode(value as Buffer);
    const same = records.get(String(key));
    if (same) expect(decoded).toEqual(same); // sent twice: the same
    records.set(String(key), decoded);
  }
  expect([...records.keys()].sort()).toEqual([...windows.keys()].sort());
  const names = [...windows.keys()];
  const [value, counter] = await Promise.all([
    pythonStatistics(names.map((name) => windows.get(name)!.value)),
    pythonStatistics(names.map((name) => windows.get(name)!.counter)),
  ]);
  names.forEach((name, index) => {
    const record = records.get(name)!;
    const [startMs, salIndex] = name.split("/").map(Number) as [number, number];
    const { time, window_size, count, salIndex: device, private_efdStamp: stamp, ...statistics } = record;
    expect(stamp).toBe((startMs * 1000 + 500_000 + salIndex) / 1e6); // a point of its own for each device
    expect([time, window_size, count, device]).toEqual([startMs / 1000 + 0.5, 1, windows.get(name)!.count, salIndex]);
    const wanted: Record<string, number | null> = {};
    for (const [field, of] of [
      ["value", value],
      ["pulses", counter],
    ] as const)
      // prettier-ignore
      for (const [operation, one] of Object.entries(of[index]!)) wanted[`${operation}_${field}`] = one;
    expect(Object.keys(statistics).sort()).toEqual(Object.keys(wanted).sort());
    for (const [statistic, one] of Object.entries(wanted)) {
      if (one === null) expect(statistics[statistic]).toBeNull();
      else
        expect(Math.abs((statistics[statistic] as number) - one)).toBeLessThanOrEqual(
          1e-12 * Math.max(1, Math.abs(one)),
        );
    }
  });
  expect(await stand.admin.listTopics()).not.toContain("lsst.sal.ESS.logevent_state-aggregated");
  expect(await pod.metric("usdf_aggregator_late_total")).toBe(1);
  await until("no window to be open", async () => (await pod.metric("usdf_aggregator_open_windows")) === 0);
});
