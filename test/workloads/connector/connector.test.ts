import { until } from "../../support/network";
import { ConnectorStand, encoded, salSchema } from "./stand";
import { survives } from "./survive";

let stand: ConnectorStand;
beforeAll(async () => {
  stand = await ConnectorStand.start("connector", 30);
});
afterEach(() => stand.stopPods());
afterAll(() => stand?.stop());

const baseS = 1_764_000_000;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

test("Avro: points are what was sent, with the names of the EFD; offsets are committed after them", async () => {
  const topic = `lsst.sal.${stand.unique("Types")}.telemetry`;
  const schema = salSchema(topic, [
    { name: "salIndex", type: "int" },
    { name: "n", type: "long" },
    { name: "big", type: "long" },
    { name: "single", type: "float" },
    { name: "flag", type: "boolean" },
    { name: "text", type: "string" },
    { name: "maybe", type: ["null", "double"], default: null },
    { name: "list", type: { type: "array", items: "double" } },
    { name: "mode", type: { type: "enum", name: "Mode", symbols: ["ON", "OFF"] } },
  ]);
  await stand.createTopic(topic, 2);
  const registered = await stand.register(`${topic}-value`, schema);
  const row = (n: number) => ({ private_efdStamp: baseS + n / 64, salIndex: 3, n, big: 2n ** 62n + BigInt(n), single: 0.1 * n, flag: n % 2 === 0, text: `é "q" \\ ${n}\nb`, maybe: n % 3 ? null : n / 7, list: [n, NaN, -n / 3], mode: n % 2 ? "ON" : "OFF" }); // prettier-ignore
  await stand.send(
    topic,
    range(300).map((n) => encoded(registered, row(n))),
  );
  const name = stand.unique("types");
  const pod = await stand.connector(name, topic.replaceAll(".", "\\."));
  const points = await stand.stored(topic, 300);
  const expected = range(300).map((n) => {
    const { list, maybe, single, big, ...rest } = row(n);
    return {
      timeNs: BigInt(baseS) * 1_000_000_000n + BigInt(n) * 15_625_000n,
      fields: { ...rest, big: String(big), single: Math.fround(single), ...(maybe !== null && { maybe }), list0: list[0], list2: list[2]! + 0 }, // prettier-ignore
    };
  });
  expect(points).toEqual(expected);
  await stand.committedBecomes(name, topic, 300);
  expect(await pod.metric("usdf_connector_points_total")).toBe(300);
  await until("no lag", async () => (await pod.metric("usdf_connector_lag_messages")) === 0);
  expect(await pod.stop()).toBe(0);
});

test("JSON: numbers are doubles; tags are no fields; the prefix goes; the record's own time", async () => {
  const id = stand.unique("skyFlux");
  const topic = `summit.lsst.example.${id}`;
  await stand.createTopic(topic);
  const name = stand.unique("json");
  const now = Date.now();
  await stand.send(topic, [
    {
      value: JSON.stringify({ n: 1, band: "r, i", flux: -2.5, deep: { a: [1, null, { b: true }] } }),
      timestamp: String(now),
    },
    { value: JSON.stringify([{ n: 2, note: "x" }]), timestamp: String(now + 1) },
    { value: "{", timestamp: String(now + 2) },
    { value: JSON.stringify({ band: "g", n: null }), timestamp: String(now + 3) },
  ]);
  const pod = await stand.connector(name, "summit\\.lsst\\.example\\..*", { FORMAT: "json", REGISTRY_URL: "", TIMESTAMP_FIELD: "", TAGS: "band", REMOVE_PREFIX: "summit." }); // prettier-ignore
  expect(await stand.stored(`lsst.example.${id}`, 2)).toEqual([
    { timeNs: BigInt(now) * 1_000_000n, fields: { band: "r, i", n: 1, flux: -2.5, deep_a0: 1, deep_a2_b: true } },
    { timeNs: BigInt(now + 1) * 1_000_000n, fields: { n: 2, note: "x" } },
  ]);
  const dead = await stand.deadLetters(name, 1);
  expect([...dead.keys()]).toEqual([`${topic}/0/2`]);
  await stand.committedBecomes(name, topic, 4);
  expect(await pod.metric("usdf_connector_empty_total")).toBe(1);
});

test("what cannot be stored is parked as it came, with its reason, and costs no good neighbour", async () => {
  const topic = `lsst.sal.${stand.unique("Poison")}.logevent_x`;
  await stand.createTopic(topic);
  const good = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "double" }]));
  const other = await stand.register(`${topic}-other`, salSchema(topic, [{ name: "n", type: "string" }]));
  const ok = (n: number) => encoded(good, { private_efdStamp: baseS + n, n });
  const unknown = Buffer.from(ok(1));
  unknown.writeUInt32BE(999_999, 1);
  await stand.send(topic, [
    ok(0),
    null,
    Buffer.from("no Avro"),
    ok(1).subarray(0, 12),
    Buffer.concat([ok(1), Buffer.from([7])]),
    unknown,
    encoded(good, { private_efdStamp: (baseS + 1) * 1e6, n: 1 }),
    encoded(good, { private_efdStamp: 12, n: 1 }),
    encoded(good, { private_efdStamp: NaN, n: 1 }),
    { value: encoded(other, { private_efdStamp: baseS + 2, n: "text" }), key: "its key", headers: { kept: "yes" } },
    ok(3),
  ]);
  const name = stand.unique("poison");
  const pod = await stand.connector(name, topic);
  const points = await stand.stored(topic, 2);
  expect(points.map(({ fields }) => fields.n)).toEqual([0, 3]);
  const dead = await stand.deadLetters(name, 9);
  const reasons = [...dead].map(([at, { headers }]) => [Number(at.split("/").at(-1)), headers["usdf.reason"]]);
  expect(reasons.sort((one, two) => Number(one[0]) - Number(two[0]))).toEqual([
    [1, "EMPTY"],
    [2, "MESSAGE"],
    [3, "MESSAGE"],
    [4, "MESSAGE"],
    [5, "SCHEMA_UNKNOWN"],
    [6, "TIMESTAMP_UNIT"],
    [7, "TIMESTAMP_RANGE"],
    [8, "TIMESTAMP_RANGE"],
    [9, "TYPE_CONFLICT"],
  ]);
  expect(dead.get(`${topic}/0/6`)!.headers["usdf.message"]).toBe(
    `Cannot store the record: private_efdStamp is ${(baseS + 1) * 1e6}: that is a time in us, not in s.`,
  );
  const { headers, message } = dead.get(`${topic}/0/9`)!;
  expect(headers).toMatchObject({ kept: "yes", "usdf.key": "its key", "usdf.topic": topic, "usdf.partition": "0", "usdf.offset": "9", "usdf.schema": String(other.id), "usdf.connector": name }); // prettier-ignore
  expect(message.value).toEqual(encoded(other, { private_efdStamp: baseS + 2, n: "text" }));
  await stand.committedBecomes(name, topic, 11);
  expect(await pod.metric("usdf_connector_dead_letters_total")).toBe(9);
});

test("topics that come are read from their beginning, those that go are let go, and partitions that are added are read", async () => {
  const csc = stand.unique("Come");
  const topics = ["one", "two"].map((topic) => `lsst.sal.${csc}.${topic}`);
  const name = stand.unique("come");
  const pod = await stand.connector(name, `lsst\\.sal\\.${csc}\\..*`);
  const send = async (topic: string, from: number, partition = 0) => {
    const registered = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "int" }]));
    const values = range(10).map((i) => ({
      partition,
      value: encoded(registered, { private_efdStamp: baseS + from + i, n: from + i }),
    }));
    await stand.producer.send({ topic, messages: values });
  };
  await stand.createTopic(topics[0]!);
  await send(topics[0]!, 0);
  await stand.stored(topics[0]!, 10);
  await stand.createTopic(topics[1]!);
  await send(topics[1]!, 0);
  await stand.stored(topics[1]!, 10);
  await stand.committedBecomes(name, topics[0]!, 10);
  await stand.deleteTopic(topics[0]!);
  await until("one topic", async () => (await pod.metric("usdf_connector_topics")) === 1);
  await stand.admin.createPartitions({ topicPartitions: [{ topic: topics[1]!, count: 2 }] });
  await until("the new partition", () => send(topics[1]!, 10, 1).then(() => true));
  await stand.stored(topics[1]!, 20);
  // Made anew: it is read from its beginning, not from where the old one ended.
  await stand.createTopic(topics[0]!);
  await send(topics[0]!, 10);
  await stand.stored(topics[0]!, 20);
  expect(pod.restarts).toBe(0);
});

test.each(["gzip", "snappy", "lz4"])("records that the broker keeps as %s are read", async (codec) => {
  const topic = `lsst.sal.${stand.unique("Codec")}.t`;
  await stand.createTopic(topic, 1, { "compression.type": codec });
  const registered = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "int" }, { name: "s", type: "string" }])); // prettier-ignore
  // What repeats and what does not, more than one block of 64 kB of each.
  let seed = 7;
  const noise = (length: number) => Array.from({ length }, () => String.fromCharCode(33 + ((seed = (seed * 48271) % 2147483647) % 90))).join("").replace(/["\\]/g, "x"); // prettier-ignore
  const row = (n: number) => ({ private_efdStamp: baseS + n, n, s: n % 2 ? noise(500) : "same ".repeat(200 + n) });
  const rows = range(400).map(row);
  await stand.send(
    topic,
    rows.map((value) => encoded(registered, value)),
  );
  await stand.connector(stand.unique("codec"), topic);
  const points = await stand.stored(topic, 400);
  expect(points.map(({ fields }) => ({ private_efdStamp: fields.private_efdStamp, n: fields.n, s: fields.s }))).toEqual(
    rows,
  );
});

describe("survives", () => survives(() => stand));
