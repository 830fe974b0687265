import { join } from "node:path";
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { Redis } from "ioredis";
import { clientOf, instrumentNamed } from "../../../local/camera";
import { type RunningKafka, type RunningRedis, startKafka, startRedis } from "../../../local/services";
import { type Admin, Kafka, logLevel, type Producer } from "../../../workloads/src/lib/kafkajs";
import { createLogger } from "../../../workloads/src/lib/log";
import { type Raw, RawArrivals, rawListener } from "../../../workloads/src/lib/raws";
import { parkedLetters, reviveLetter } from "../../../workloads/src/lib/visits";
import { startGateway, type TestGateway, testProfile } from "../../support/gateway";
import { testAddress, testFolder, until } from "../../support/network";
import { buildWorkloads, Pod } from "../../support/pod";
import { notificationOf, recordOf } from "../../support/notification";

const address = testAddress(50);
const folder = testFolder("router");
const bucket = "rubin-pp-dev";
const kafkaTopic = "prompt-processing-dev";
const consumerGroup = "router";
const day = "20260603";
let redisServer: RunningRedis;
let broker: RunningKafka;
let gateway: TestGateway;
let s3: S3Client;
let redis: Redis;
let admin: Admin;
let producer: Producer;
let pod: Pod;
let sent = 0;
const log = createLogger("test", "ERROR");

beforeAll(async () => {
  [redisServer, broker, gateway] = await Promise.all([
    startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" }),
    startKafka({ dir: join(folder.dir, "kafka"), address }),
    startGateway(join(folder.dir, "rgw"), address),
    buildWorkloads(),
  ]);
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 100 });
  listener = rawListener(redis);
  redis.on("error", () => undefined);
  const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
  [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([
    admin.connect(),
    producer.connect(),
    broker.createTopic(kafkaTopic, 1),
    gateway.createBucket(bucket).then((made) => (s3 = clientOf(made))),
  ]);
  pod = await Pod.start({
    workload: "notification-router",
    address: testAddress(51),
    dir: folder.dir,
    env: {
      ...gateway.env,
      REDIS_HOST: address,
      REDIS_PASSWORD: "pw",
      KAFKA_BROKERS: broker.bootstrap,
      BUCKET_TOPIC: kafkaTopic,
      CONSUMER_GROUP: consumerGroup,
      IMAGE_BUCKET: `${testProfile}@${bucket}`,
      SIDECAR_WAIT: "12",
      FOREIGN_GROUP_WAIT: "1",
      SESSION_SECONDS: "6",
    },
  });
});
afterAll(async () => {
  await pod?.stop();
  await Promise.all([admin?.disconnect(), producer?.disconnect()]);
  redis?.disconnect();
  listener?.disconnect();
  s3?.destroy();
  await Promise.all([redisServer?.stop(), broker?.stop(), gateway?.rgw.stop()]);
  folder.remove();
});

const obsIdOf = (seqNum: number, controller = "O") => `MC_${controller}_${day}_${String(seqNum).padStart(6, "0")}`;
const stemOf = (obsId: string, sensor: string) => `LSSTCam/${day}/${obsId}/${obsId}_${sensor}`;
const fits = (obsId: string, sensor = "R22_S11") => `${stemOf(obsId, sensor)}.fits`;
const announce = (group: string, instrument = "LSSTCam") => redis.hset(`visit:${instrument}:${group}`, "nimages", "1");
async function putSidecar(obsId: string, header: object | string, sensor = "R22_S11"): Promise<string> {
  const key = `${stemOf(obsId, sensor)}.json`;
  const body = typeof header === "string" ? header : JSON.stringify(header);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  return key;
}
async function send(...values: (string | null | Buffer)[]): Promise<void> {
  for (let first = 0; first < values.length; first += 500) {
    const messages = values.slice(first, first + 500).map((value) => ({ value }));
    await until("the broker", () => producer.send({ topic: kafkaTopic, messages }));
  }
  sent += values.length;
}
const notify = (...keys: string[]) => send(...keys.map((key) => notificationOf(bucket, key)));
async function committed(): Promise<number> {
  const [found] = await admin.fetchOffsets({ groupId: consumerGroup, topics: [kafkaTopic] });
  return Number(found?.partitions[0]?.offset ?? -1);
}
const allCommitted = () =>
  until("all offsets to be committed", async () => (await committed()) === sent, {
    state: async () => ({ sent, committed: await committed(), log: pod.tail() }),
  });
const rawsOf = async (group: string, instrument = "LSSTCam") =>
  Object.fromEntries(
    Object.entries(await redis.hgetall(`raws:${instrument}:${group}`)).map(([field, text]) => [field, JSON.parse(text) as Raw]), // prettier-ignore
  );
/** Dead letters as they stand in the stream: code, group, source and payload. */
async function deadLetters() {
  const entries = await redis.xrange("dead-letters", "-", "+");
  return entries.map(([, flat]) => {
    const fields: Record<string, string> = {};
    for (let at = 0; at < flat.length; at += 2) fields[flat[at]!] = flat[at + 1]!;
    return { ...fields, payload: Buffer.from(fields.payload!, "base64").toString() } as Record<string, string>;
  });
}
/** The next raw of a worker; fails when none comes. */
const nextOf = async (arrivals: RawArrivals) => {
  const raw = await arrivals.next(Date.now() + 30_000);
  if (!raw) throw new Error(`No raw came. ${JSON.stringify(pod.tail())}`);
  return raw;
};
const workers: RawArrivals[] = [];
let listener: Redis;
function worker(group: string, detector: number, instrument = "LSSTCam"): RawArrivals {
  const arrivals = new RawArrivals(redis, listener, { instrument, group, detector }, log);
  workers.push(arrivals);
  return arrivals;
}
afterEach(() => {
  for (const arrivals of workers.splice(0)) arrivals.close();
});

test("a raw file reaches the worker of its group and detector, waiting or late, and no other; a repeat rings no bell", async () => {
  const group = "2026-06-04T03:12:00.123";
  const obsId = obsIdOf(1);
  await announce(group);
  const [waiting, other] = [worker(group, 94), worker(group, 93)];
  await putSidecar(obsId, { GROUPID: group, CURINDEX: 2, RA: NaN });
  await notify(fits(obsId), fits(obsId), fits(obsId, "R00_SW1"));
  const expected = {
    instrument: "LSSTCam",
    group,
    detector: 94,
    snap: 1,
    exposureId: 2026060300001,
    obsId: "MC_O_20260603_000001",
    bucket,
    key: "LSSTCam/20260603/MC_O_20260603_000001/MC_O_20260603_000001_R22_S11.fits",
    identity: "9f8b4bd2a5c4cb33b1d1a2ea8a3a9c2f/B86A1F6A7B2C0D12/",
  };
  expect(await nextOf(waiting)).toEqual(expected);
  await allCommitted();
  // The same observation by another controller is another exposure of the same number; a file that is PUT anew is told again.
  const byCamera = obsIdOf(1, "C");
  await putSidecar(byCamera, { GROUPID: group, CURINDEX: 1 });
  await notify(fits(obsId), fits(byCamera));
  expect(await nextOf(waiting)).toMatchObject({ obsId: byCamera, exposureId: 2026060300001, snap: 0 });
  await send(notificationOf(bucket, fits(obsId), "anew"));
  expect(await nextOf(waiting)).toEqual({ ...expected, identity: "anew/B86A1F6A7B2C0D12/" });
  const late = worker(group, 192);
  expect(await nextOf(late)).toMatchObject({ detector: 192, obsId, snap: 1 });
  expect(await other.next(Date.now() + 1)).toBeUndefined();
  expect(Object.keys(await rawsOf(group)).sort()).toEqual([`192/${obsId}`, `94/${byCamera}`, `94/${obsId}`]);
  expect(await redis.ttl(`raws:LSSTCam:${group}`)).toBeGreaterThan(86_000);
});

test("what cannot be read is parked with its reason and costs no neighbour; what is nothing for a worker is left out", async () => {
  const group = "2026-06-04T03:13:00.000";
  const good = obsIdOf(10);
  await Promise.all([announce(group), announce("0123", "HSC")]);
  await putSidecar(good, { GROUPID: group, CURINDEX: 1 });
  const [garbled, snapless, groupless, late, missing] = [11, 12, 13, 14, 15].map((seqNum) => obsIdOf(seqNum));
  await putSidecar(garbled!, "{");
  await putSidecar(snapless!, { GROUPID: group, CURINDEX: 0 });
  await putSidecar(groupless!, { CURINDEX: 1 });
  const first = sent;
  const bad: [value: string | null | Buffer, code: string, reason: string][] = [
    ['{"Records":[', "NOTIFICATION", "The notification is no JSON: "],
    [null, "NOTIFICATION", "The notification is empty (a tombstone)."],
    [Buffer.from([0xff, 0xfe]), "NOTIFICATION", "The notification is no JSON: "],
    [JSON.stringify({ Records: [{ s3: {} }] }), "NOTIFICATION", "The notification has Records[0]: s3.bucket: "],
    [notificationOf("other", fits(good)), "UNKNOWN_BUCKET", `Object "${fits(good)}" is in bucket "other", not in `],
    [notificationOf(bucket, fits(good, "R99_S00")), "UNKNOWN_DETECTOR", `Cannot read raw file "${fits(good, "R99_S00")}": LSSTCam has no sensor R99_S00.`], // prettier-ignore
    [notificationOf(bucket, "NoCam/1/a_b/a_b_R22_S11.fits"), "UNKNOWN_CAMERA", 'Cannot read raw file "NoCam/'],
    [notificationOf(bucket, `LSSTCam/${day}/${good}/notes.txt`), "RAW_PATH", "Cannot read raw file"],
    [notificationOf(bucket, fits(garbled!)), "SIDECAR_INVALID", `Cannot tell the group of sidecar "${stemOf(garbled!, "R22_S11")}.json": `], // prettier-ignore
    [notificationOf(bucket, fits(snapless!)), "SIDECAR_INVALID", `Cannot tell the group of sidecar "${stemOf(snapless!, "R22_S11")}.json": CURINDEX is no whole number from 1.`], // prettier-ignore
    [notificationOf(bucket, fits(missing!)), "SIDECAR_MISSING", `Cannot tell the group of sidecar "${stemOf(missing!, "R22_S11")}.json": it is not there.`], // prettier-ignore
  ];
  await send(...bad.map(([value]) => value));
  const ignored = [`LSSTCam/${day}/${good}/${good}_R00_SG0_guider.fits`, `${stemOf(good, "R22_S12")}.json`, "unobserved/HSC/0/0123/0/123/g/x.fits", fits(groupless!)]; // prettier-ignore
  await notify(...ignored);
  const removed = { ...recordOf(bucket, fits(good, "R22_S02")), eventName: "ObjectRemoved:Delete" };
  const two = [recordOf(bucket, fits(good)), removed, recordOf(bucket, fits(late!)), recordOf(bucket, "no")];
  await send(JSON.stringify({ Records: two }));
  const old = { value: notificationOf(bucket, fits(good, "R22_S01")), timestamp: String(Date.now() - 90_000_000) };
  await producer.send({ topic: kafkaTopic, messages: [old] });
  sent++;
  await notify("HSC/42/0123/1/404/k2022/HSC-0123-1-404-k2022-42.fz");

  // Behind those that wait, in the same partition, others go their way; their own offsets are not committed.
  const [here, hsc, waiting] = [worker(group, 94), worker("0123", 42, "HSC"), worker("late", 94)];
  expect(await nextOf(here)).toMatchObject({ obsId: good });
  expect(await nextOf(hsc)).toMatchObject({ group: "0123", snap: 1, exposureId: 404, obsId: "404" });
  await putSidecar(late!, { GROUPID: "late", CURINDEX: 1 });
  expect(await nextOf(waiting)).toMatchObject({ obsId: late });
  await allCommitted();

  const letters = await deadLetters();
  const ours = letters.filter(({ code }) => code !== "FOREIGN_GROUP");
  const bySource = new Map(ours.map((letter) => [letter.source, letter]));
  bad.forEach(([value, code, reason], index) => {
    const letter = bySource.get(`${kafkaTopic}/0/${first + index}`);
    expect(letter).toMatchObject({ stage: "router", code, payload: value === null ? "" : value.toString() });
    expect(letter!.reason).toContain(reason);
  });
  const ofTwo = `${kafkaTopic}/0/${first + bad.length + ignored.length}/3`;
  expect(bySource.get(ofTwo)).toMatchObject({ code: "UNKNOWN_CAMERA" });
  expect(ours).toHaveLength(bad.length + 1);
  expect(Object.keys(await rawsOf(group))).toEqual([`94/${good}`]);

  // A sidecar that is PUT later: a person gives the dead letter back.
  await putSidecar(missing!, { GROUPID: group, CURINDEX: 1 });
  const letter = (await parkedLetters(redis)).find(({ code }) => code === "SIDECAR_MISSING");
  await reviveLetter(redis, letter!);
  expect(await nextOf(here)).toMatchObject({ obsId: missing });
  expect((await deadLetters()).map(({ code }) => code)).not.toContain("SIDECAR_MISSING");
  const text = await (await fetch(`${pod.url}/metrics`)).text();
  const leftOut = [...text.matchAll(/^usdf_notification_router_ignored_total\{reason="(\w+)"\} (\d+)$/gm)];
  expect(Object.fromEntries(leftOut.map(([, reason, count]) => [reason, Number(count)]))).toEqual({
    event: 1,
    sidecar: 1,
    guider: 1,
    folder: 1,
    group: 1,
    expired: 1,
  });
});

test("a group that nobody announced is published, and reported once", async () => {
  const [foreign, announced] = ["2026-06-04T03:14:00.000", "2026-06-04T03:14:01.000"];
  await putSidecar(obsIdOf(20), { GROUPID: foreign, CURINDEX: 1 });
  await putSidecar(obsIdOf(21), { GROUPID: announced, CURINDEX: 1 });
  const readsBefore = await pod.metric("usdf_notification_router_sidecar_reads_total");
  await announce(announced);
  await notify(fits(obsIdOf(20)), fits(obsIdOf(21)));
  const reports = async () => (await deadLetters()).filter(({ code, group }) => code === "FOREIGN_GROUP" && group !== "late"); // prettier-ignore
  await until("the report", async () => (await reports()).length > 0);
  await notify(fits(obsIdOf(20), "R22_S12"), fits(obsIdOf(20), "R22_S10"));
  await until("nothing to be left to report", async () => (await redis.zcard("raws-unannounced")) === 0);
  await allCommitted();
  expect(await reports()).toMatchObject([{ group: foreign, instrument: "LSSTCam", source: `raws:LSSTCam:${foreign}` }]);
  expect(Object.keys(await rawsOf(foreign))).toHaveLength(3);
  expect(await pod.metric("usdf_notification_router_sidecar_reads_total")).toBe(readsBefore + 2); // one an exposure
});

test("kill -9 of the router and of Redis while exposures come: every raw is there, and waiting workers have theirs", async () => {
  const { detectors } = instrumentNamed("LSSTCam");
  const groups = [1, 2, 3].map((n) => `2026-06-04T03:15:0${n}.000`);
  const sensors = detectors.map(({ raft, sensor }) => `${raft}_${sensor}`);
  await Promise.all(groups.map((group) => announce(group)));
  // One sidecar tells the group of all detectors, also where it is not that of the file that comes first after a crash.
  for (const [index, group] of groups.entries())
    await putSidecar(obsIdOf(30 + index), { GROUPID: group, CURINDEX: 1 }, sensors[100]);
  const waiting = groups.map((group, index) => worker(group, 10 * index));
  for (const [index] of groups.entries()) {
    const obsId = obsIdOf(30 + index);
    await notify(...sensors.map((sensor) => fits(obsId, sensor)));
    if (index !== 1) pod.kill("SIGKILL");
    else await redisServer.restart("SIGKILL");
  }
  await allCommitted();
  for (const [index, arrivals] of waiting.entries()) {
    expect(await nextOf(arrivals)).toMatchObject({ group: groups[index], detector: 10 * index });
  }
  for (const [index, group] of groups.entries()) {
    const obsId = obsIdOf(30 + index);
    const expected = detectors.map(({ id, raft, sensor }) => [`${id}/${obsId}`, fits(obsId, `${raft}_${sensor}`)]);
    const found = Object.entries(await rawsOf(group)).map(([field, { key }]) => [field, key]);
    expect(found.sort()).toEqual(expected.sort());
  }
  expect(pod.restarts).toBeGreaterThan(0);
  expect((await deadLetters()).filter(({ group }) => groups.includes(group ?? ""))).toEqual([]);
  expect(await pod.stop()).toBe(0);
});
