import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { startProcess } from "../../local/process";
import { type RunningKafka, type RunningRedis, startKafka, startRedis } from "../../local/services";
import { ConfigError, parseEnv } from "../../workloads/src/lib/contract";
import { enqueueConfig } from "../../workloads/src/enqueue/config";
import { enqueueContract } from "../../workloads/src/enqueue/contract";
import { type Admin, Kafka, logLevel, type Producer } from "../../workloads/src/lib/kafkajs";
import { buildWorkloads, Pod, root } from "../support/pod";
import { testAddress, testFolder, until } from "../support/network";

const address = testAddress(12);
const folder = testFolder("enqueue-kafka");
const bucket = "embargo@rubin-summit";
const day = "20260603";
let redisServer: RunningRedis;
let broker: RunningKafka;
let redis: Redis;
let admin: Admin;
let producer: Producer;
let topicNumber = 0;
const pods: Pod[] = [];
/** A consumer whose Redis does not answer from the beginning of the first test on: what it waits for passes beside them. */
let stalled: { server: RunningRedis; pod: Pod; kafkaTopic: string; sinceMs: number } | undefined;

beforeAll(async () => {
  [redisServer, broker] = await Promise.all([
    startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" }),
    startKafka({ dir: join(folder.dir, "kafka"), address }),
    buildWorkloads(),
  ]);
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 100 });
  redis.on("error", () => undefined);
  const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  stalled = await stall();
});
afterEach(async () => {
  await Promise.all(pods.splice(0).map((pod) => pod.stop()));
});
afterAll(async () => {
  stalled?.server.process.kill("SIGCONT");
  await stalled?.pod.stop();
  await Promise.all([admin?.disconnect(), producer?.disconnect()]);
  redis?.disconnect();
  await Promise.all([stalled?.server.stop(), redisServer?.stop(), broker?.stop()]);
  folder.remove();
});
beforeEach(() => redis.flushdb());

const pathOf = (seqNum: number) => `${bucket}/${keyOf(seqNum)}`;
function keyOf(seqNum: number): string {
  const expId = `MC_O_${day}_${String(seqNum).padStart(6, "0")}`;
  return `LSSTCam/${day}/${expId}/${expId}_R22_S11.fits`;
}
const record = (key: string, eventName: string | undefined = "ObjectCreated:Put", eTag = "e") => ({
  eventName,
  s3: { bucket: { name: "rubin-summit" }, object: { key, eTag } },
});
const message = (...records: unknown[]) => ({ value: JSON.stringify({ Records: records }) });
const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
const queued = async () => (await redis.lrange(`QUEUE:${bucket}`, 0, -1)).reverse();

async function newTopic(partitions = 1): Promise<string> {
  const kafkaTopic = `notifications-${topicNumber++}`;
  await broker.createTopic(kafkaTopic, partitions);
  return kafkaTopic;
}
async function startEnqueue(kafkaTopic: string, extra: Record<string, string> = {}, host = 20): Promise<Pod> {
  const pod = await enqueueOf(kafkaTopic, extra, host);
  pods.push(pod);
  return pod;
}
function enqueueOf(kafkaTopic: string, extra: Record<string, string>, host: number): Promise<Pod> {
  return Pod.start({
    workload: "enqueue",
    pod: `enqueue-${kafkaTopic}-${host}`,
    address: testAddress(host),
    dir: folder.dir,
    env: {
      REDIS_HOST: address,
      REDIS_PASSWORD: "pw",
      PROFILE: "embargo",
      DATASET_REGEXP: "\\.fits$",
      KAFKA_CLUSTER: broker.bootstrap,
      KAFKA_TOPIC: kafkaTopic,
      KAFKA_GROUP_ID: `group-${kafkaTopic}`,
      ...extra,
    },
  });
}
async function stall(): Promise<typeof stalled> {
  const kafkaTopic = await newTopic();
  const server = await startRedis({ dir: join(folder.dir, "redis-stalled"), address: testAddress(13), password: "pw" });
  const pod = await enqueueOf(kafkaTopic, { REDIS_HOST: server.host }, 24);
  server.process.kill("SIGSTOP");
  await producer.send({ topic: kafkaTopic, messages: [message(record(keyOf(1)))] });
  return { server, pod, kafkaTopic, sinceMs: Date.now() };
}
/** Sum of the committed offsets, from the broker. */
async function committed(kafkaTopic: string): Promise<number> {
  const [found] = await admin.fetchOffsets({ groupId: `group-${kafkaTopic}`, topics: [kafkaTopic] });
  return (found?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
}
const committedBecomes = (kafkaTopic: string, wanted: number) =>
  until(`offset ${wanted} to be committed`, async () => (await committed(kafkaTopic)) === wanted, {
    state: () => committed(kafkaTopic),
  });

test("A3, A4: takes the backlog from its beginning; what cannot be read costs nothing else and is found again", async () => {
  const kafkaTopic = await newTopic();
  await producer.send({
    topic: kafkaTopic,
    messages: [
      message(
        record(keyOf(1)),
        record("LSSTCam/20260603/not_an_exposure/a.fits"),
        record(keyOf(2), "s3:ObjectCreated:Put"),
      ),
      { value: '{"Records":[' },
      { value: null },
      { value: "[]" },
      { value: '{"Records":null}' },
      { value: Buffer.from([0xff, 0xfe, 0x00]) },
      message({ eventName: "ObjectCreated:Put", s3: {} }, record(keyOf(3))),
      message(record(keyOf(9), "ObjectRemoved:Delete"), record("LSSTCam/x.json")),
      message(record(keyOf(4)), record(keyOf(1))),
    ],
  });
  const pod = await startEnqueue(kafkaTopic);
  await committedBecomes(kafkaTopic, 9);
  expect(await queued()).toEqual([1, 2, 3, 4].map(pathOf));
  const bad = `${bucket}/LSSTCam/20260603/not_an_exposure/a.fits`;
  expect(JSON.parse((await redis.hget(`DEAD:${bucket}`, bad)) ?? "")).toMatchObject({ code: "OBJECT_PATH" });
  const rejected = (await redis.lrange("REJECTED", 0, -1)).map(
    (text) => JSON.parse(text) as { source: string; reason: string },
  );
  expect(rejected.map(({ source }) => source).reverse()).toEqual(
    [1, 2, 3, 5, 6].map((offset) => `${kafkaTopic}/0/${offset}`),
  );
  expect(rejected[3]).toMatchObject({ reason: "is empty (a tombstone)" });
  expect(await pod.metric("usdf_enqueue_rejected_total")).toBe(5);
  const text = pod.log();
  expect(text).toContain(
    `"msg":"Kafka consumer started: topic=${kafkaTopic} cluster=${broker.bootstrap} group=group-${kafkaTopic}"`,
  );
  expect(text).toContain(`"msg":"Enqueued ${pathOf(1)} to ${bucket}"`);
  expect(text).toContain(`"msg":"Skipping duplicate enqueue ${pathOf(1)}"`);
});

test("A1, A2: while Redis is down nothing is committed; afterwards nothing is lost and nothing is twice", async () => {
  const kafkaTopic = await newTopic();
  await startEnqueue(kafkaTopic);
  await producer.send({ topic: kafkaTopic, messages: range(0, 10).map((n) => message(record(keyOf(n)))) });
  await committedBecomes(kafkaTopic, 10);
  await redisServer.stop();
  await producer.send({ topic: kafkaTopic, messages: range(10, 2_000).map((n) => message(record(keyOf(n)))) });
  await sleep(4_000);
  expect(await committed(kafkaTopic)).toBe(10);
  await redisServer.restart();
  await committedBecomes(kafkaTopic, 2_010);
  await until("the test's own connection", () => redis.ping());
  expect(await queued()).toEqual(range(0, 2_010).map(pathOf));
});

test("A1: kill -9 in the middle loses nothing and queues nothing twice", async () => {
  const kafkaTopic = await newTopic(2);
  const pod = await startEnqueue(kafkaTopic);
  const total = 20_000;
  const sending = (async () => {
    for (let first = 0; first < total; first += 1_000) {
      await producer.send({ topic: kafkaTopic, messages: range(first, 1_000).map((n) => message(record(keyOf(n)))) });
    }
  })();
  for (let kill = 0; kill < 3; kill++) {
    await sleep(700);
    pod.kill("SIGKILL");
  }
  await sending;
  await until("everything to be queued", async () => (await redis.llen(`QUEUE:${bucket}`)) >= total);
  await committedBecomes(kafkaTopic, total);
  const paths = await queued();
  expect(paths).toHaveLength(total);
  expect(new Set(paths).size).toBe(total);
  expect(pod.restarts).toBeGreaterThan(0);
});

test("A10: a re-PUT object is queued again", async () => {
  const kafkaTopic = await newTopic();
  await startEnqueue(kafkaTopic);
  await producer.send({
    topic: kafkaTopic,
    messages: [message(record(keyOf(1))), message(record(keyOf(1), undefined, "other"))],
  });
  await committedBecomes(kafkaTopic, 2);
  expect(await queued()).toEqual([pathOf(1), pathOf(1)]);
});

test("A11: the group keeps its member while Redis does not answer for longer than the session", async () => {
  const { server, pod, kafkaTopic, sinceMs } = stalled!;
  await sleep(Math.max(0, sinceMs + 33_000 - Date.now())); // the session is 30 s
  const { groups } = await admin.describeGroups([`group-${kafkaTopic}`]);
  expect(await committed(kafkaTopic)).toBe(0);
  server.process.kill("SIGCONT");
  expect(groups[0]?.members).toHaveLength(1);
  await committedBecomes(kafkaTopic, 1);
  const itsRedis = new Redis({ host: server.host, password: "pw" });
  expect(await itsRedis.lrange(`QUEUE:${bucket}`, 0, -1)).toEqual([pathOf(1)]);
  itsRedis.disconnect();
  expect(pod.log().match(/Kafka group joined/g)).toHaveLength(1);
});

test("outlives a restart of the broker, and two members share the partitions", async () => {
  const kafkaTopic = await newTopic(4);
  const [one, two] = [await startEnqueue(kafkaTopic, {}, 21), await startEnqueue(kafkaTopic, {}, 22)];
  const send = (first: number) =>
    producer.send({
      topic: kafkaTopic,
      messages: range(first, 400).map((n) => ({ key: String(n), ...message(record(keyOf(n))) })),
    });
  await send(0);
  await until(
    "both to work",
    async () =>
      (await one.metric("usdf_enqueue_queued_total")) > 0 && (await two.metric("usdf_enqueue_queued_total")) > 0,
  );
  await broker.restart("SIGKILL");
  await until("the broker", () => send(400));
  await until("everything to be queued", async () => (await redis.llen(`QUEUE:${bucket}`)) === 800);
  expect(new Set(await queued()).size).toBe(800);
  expect(one.restarts + two.restarts).toBe(0);
});

test("D2: without a broker it is alive, not ready, and says why; SIGTERM ends it with 0", async () => {
  const logFile = join(folder.dir, "no-broker.log");
  const cluster = `${testAddress(99)}:9092`;
  const child = await startProcess({
    name: "enqueue",
    command: process.execPath,
    args: ["dist/enqueue.js"],
    cwd: join(root, "workloads"),
    env: {
      PATH: process.env.PATH,
      HTTP_HOST: testAddress(23),
      REDIS_HOST: address,
      REDIS_PASSWORD: "pw",
      KAFKA_CLUSTER: cluster,
      KAFKA_TOPIC: "t",
    },
    logFile,
  });
  const ask = async (path: string) => fetch(`http://${testAddress(23)}:8000${path}`).catch(() => undefined);
  await until("the HTTP server", async () => (await ask("/healthz"))?.status === 200);
  const ready = await ask("/readyz");
  expect(ready?.status).toBe(503);
  expect(await ready?.json()).toEqual({
    status: "not ready",
    failed: [{ probe: "kafka", reason: "has not joined group embargo-butler-enqueue" }],
  });
  await until("the reason", () => readFileSync(logFile, "utf8").includes("Kafka cannot be reached"));
  expect(await child.stop()).toMatchObject({ code: 0 });
});

describe("settings", () => {
  const env = { REDIS_HOST: "redis", REDIS_PASSWORD: "pw" };
  const configOf = (more: Record<string, string>) => enqueueConfig(parseEnv(enqueueContract, { ...env, ...more }));

  test("KAFKA_CLUSTER alone chooses Kafka, as with the image it takes over from", () => {
    expect(configOf({ KAFKA_CLUSTER: "172.24.10.54:9094", KAFKA_TOPIC: "t" }).source).toMatchObject({
      mode: "kafka",
      consumerGroup: "embargo-butler-enqueue",
      fromBeginning: true,
      connection: { brokers: ["172.24.10.54:9094"], ssl: false },
    });
    expect(configOf({ NOTIFICATION_SECRET: "s" }).source).toEqual({ mode: "webhook", secret: "s" });
  });

  test("every fault is named at once, no secret is", () => {
    const bad = {
      ENQUEUE_MODE: "kafka",
      KAFKA_CLUSTER: "broker",
      KAFKA_SASL_PASSWORD: "hidden-pw",
      DATASET_REGEXP: "(",
      KAFKA_TLS_CA: "/ca",
    };
    let error: unknown;
    try {
      configOf(bad);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
      [
        "enqueue cannot start: 5 faults in its environment.",
        `  - DATASET_REGEXP: Cannot use "(" as a regular expression: Unterminated group. Write it as Python's re.search would take it.`,
        "  - KAFKA_TOPIC is missing: ENQUEUE_MODE=kafka needs the topic",
        '  - KAFKA_CLUSTER="broker" is refused: "broker" is not host:port',
        "  - KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is given without KAFKA_SASL_MECHANISM",
        "  - KAFKA_TLS_CA is given without KAFKA_TLS=true",
      ].join("\n"),
    );
  });
});
