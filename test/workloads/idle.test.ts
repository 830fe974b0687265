import { join } from "node:path";
import { Redis } from "ioredis";
import { pino } from "pino";
import { register } from "prom-client";
import { type RunningRedis, startRedis } from "../../local/services";
import { publishGauges, publishInfo } from "../../workloads/src/idle/gauges";
import { keepHouse } from "../../workloads/src/idle/housekeeping";
import { splitBucket, takeCensus } from "../../workloads/src/idle/keys";
import { recoverLeased, recoverUntouched } from "../../workloads/src/idle/recover";
import { dayObsOf, parseObjectPath } from "../../workloads/src/lib/objectPath";
import { enqueueObjects, LeasedQueue } from "../../workloads/src/lib/queue";
import { buildWorkloads, Pod } from "../support/pod";
import { testAddress, testFolder, until } from "../support/network";

const address = testAddress(15);
const folder = testFolder("idle");
const log = pino({ level: "silent" });
let server: RunningRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" });
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 100 });
  redis.on("error", () => undefined);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});
beforeEach(() => redis.flushdb());

const bucket = "embargo@rubin-summit";
const day = "20260603";
const pathOf = (seqNum: number, of = bucket) =>
  `${of}/LSSTCam/${day}/MC_O_${day}_${String(seqNum).padStart(6, "0")}/MC_O_${day}_${String(seqNum).padStart(6, "0")}_R22_S11.fits`;
async function enqueue(...paths: string[]): Promise<void> {
  await enqueueObjects(
    redis,
    paths.map((path) => ({ object: parseObjectPath(path), identity: "1" })),
  );
}
const queueOf = (of: string) => redis.lrange(`QUEUE:${of}`, 0, -1);
async function openQueue(pod: string, leaseMs: number, of = bucket): Promise<LeasedQueue> {
  const queue = new LeasedQueue(redis, { bucket: of, pod, log, leaseMs });
  await queue.open();
  return queue;
}

test("B1: the work of a live worker is never taken, however slow it is; that of a lost one is", async () => {
  await enqueue(pathOf(1), pathOf(2));
  const slow = await openQueue("slow", 600);
  expect(await slow.claim(10)).toEqual([pathOf(1), pathOf(2)]);
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150)); // twice as long as the lease: the heartbeat holds it
    expect(await recoverLeased(redis, log)).toBe(0);
    expect(await recoverUntouched(redis, 0, log)).toBe(0);
  }
  await redis.del(`LEASE:${bucket}:slow`); // what remains of a pod that was killed
  expect(await recoverLeased(redis, log)).toBe(2);
  expect((await queueOf(bucket)).reverse()).toEqual([pathOf(1), pathOf(2)]);
  await slow.close();
});

test("B2, B4: looking at a worker list does not keep it from being given back; the oldest work comes first", async () => {
  await enqueue(pathOf(1), pathOf(2));
  const lost = await openQueue("lost", 60_000);
  await lost.claim(10);
  await enqueue(pathOf(3));
  await redis.del(`LEASE:${bucket}:lost`);
  await redis.llen(`WORKER:${bucket}:lost`);
  await redis.lrange(`WORKER:${bucket}:lost`, 0, -1);
  expect(await recoverLeased(redis, log)).toBe(2);
  expect((await queueOf(bucket)).reverse()).toEqual([pathOf(1), pathOf(2), pathOf(3)]);
  await lost.close();
});

test("B3: a tenant's worker list goes back to the tenant's queue, from pods with leases and from pods without", async () => {
  const tenant = "rubin:rubinobs-lfa-cp";
  const path = `${tenant}/FiberSpectrograph:1/fiberSpecBroad/2024/05/28/x.fits`;
  await enqueue(path);
  const lost = await openQueue("embargo-butler-ingest-7c9f-abcde", 60_000, tenant);
  await lost.claim(10);
  await redis.del(`LEASE:${tenant}:embargo-butler-ingest-7c9f-abcde`);
  expect(await recoverLeased(redis, log)).toBe(1);
  expect(await queueOf(tenant)).toEqual([path]);
  await lost.close();
  await redis.lpush(`WORKER:${tenant}:old-pod`, "a", "b");
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect(await recoverUntouched(redis, 1, log)).toBe(2);
  expect((await queueOf(tenant)).reverse()).toEqual(["a", "b", path]);
  expect(await redis.exists("QUEUE:rubin")).toBe(0);
});

test("gives back lists of images without leases only when nobody touched them for IDLE_MAX", async () => {
  await redis.lpush(`WORKER:${bucket}:old-image`, "x");
  expect(await recoverUntouched(redis, 10, log)).toBe(0);
  expect(await redis.lrange(`WORKER:${bucket}:old-image`, 0, -1)).toEqual(["x"]);
});

test("a list that cannot be given back does not keep the others", async () => {
  await redis.sadd("WORKERS", `WORKER:${bucket}:broken`, `WORKER:${bucket}:lost`);
  await redis.set(`WORKER:${bucket}:broken`, "not a list");
  await redis.lpush(`WORKER:${bucket}:lost`, "x");
  expect(await recoverLeased(redis, log)).toBe(1);
});

test("B6: several replicas at once give each object back once", async () => {
  await enqueue(...Array.from({ length: 200 }, (_, i) => pathOf(i)));
  for (let pod = 0; pod < 10; pod++) {
    const lost = await openQueue(`pod-${pod}`, 60_000);
    await lost.claim(20);
    await redis.del(`LEASE:${bucket}:pod-${pod}`);
    await lost.close();
  }
  const connections = Array.from({ length: 4 }, () => new Redis({ host: address, password: "pw" }));
  const counts = await Promise.all(connections.map((connection) => recoverLeased(connection, log)));
  connections.forEach((connection) => connection.disconnect());
  expect(counts.reduce((sum, count) => sum + count)).toBe(200);
  const queued = await queueOf(bucket);
  expect(queued).toHaveLength(200);
  expect(new Set(queued).size).toBe(200);
});

test.each([
  { rest: "embargo@rubin-summit:LSSTCam", bucket: "embargo@rubin-summit", instrument: "LSSTCam" },
  {
    rest: "rubin:rubinobs-lfa-cp:FiberSpectrograph:1/x",
    bucket: "rubin:rubinobs-lfa-cp",
    instrument: "FiberSpectrograph:1/x",
  },
  { rest: "rubin:other:LATISS", bucket: "rubin", instrument: "other:LATISS" },
  { rest: "unknown:GenericCamera:2/y", bucket: "unknown", instrument: "GenericCamera:2/y" },
])("splits $rest", ({ rest, ...expected }) => {
  expect(splitBucket(rest, new Set(["embargo@rubin-summit", "rubin:rubinobs-lfa-cp", "rubin"]))).toEqual(expected);
});

describe("metrics", () => {
  const now = new Date("2026-06-04T11:59:59Z"); // still 20260603: days of observation begin at 12:00 UTC
  const tenant = "rubin:rubinobs-lfa-cp";

  test("D8: publishes the state of every bucket, with the names and labels of today's dashboards, days in UTC-12", async () => {
    await enqueue(pathOf(1), pathOf(2), `${tenant}/FiberSpectrograph:1/fiberSpecBroad/2026/06/02/x.fits`);
    await redis.hset(`FILE:${pathOf(1)}`, "recv_time", String(Date.now() / 1000 - 50));
    const worker = await openQueue("pod-1", 60_000);
    await redis.hset(`INGEST:${bucket}:LSSTCam`, day, 7, "20260101", 3);
    await redis.hset(`FAIL:${bucket}:LSSTCam`, "20260601", 2);
    await redis.zadd(`RETRY:${bucket}`, 1, "r");
    await redis.hset(`DEAD:${bucket}`, "d", "{}");
    await redis.lpush("REJECTED", "{}", "{}");
    await publishGauges(redis, await takeCensus(redis), now);
    await publishInfo(redis);
    const lines = (await register.metrics()).split("\n");
    const of = (text: string) => `bucket="${bucket}"${text}`;
    for (const line of [
      `usdf_queue_length_objects{bucket="${bucket}"} 2`,
      `usdf_queue_length_objects{bucket="${tenant}"} 1`,
      `usdf_queue_retrying_objects{bucket="${bucket}"} 1`,
      `usdf_queue_dead_objects{bucket="${bucket}"} 1`,
      `usdf_queue_workers{bucket="${bucket}"} 1`,
      "usdf_queue_rejected 2",
      `redis_summit_embargo{metric_key_name="RECINSTR",${of(',instrument="LSSTCam",obsday="20260603",map_obs_day="today"')}} 2`,
      `redis_summit_embargo{metric_key_name="INGEST",${of(',instrument="LSSTCam",obsday="20260603",map_obs_day="today"')}} 7`,
      `redis_summit_embargo{metric_key_name="FAIL",${of(',instrument="LSSTCam",obsday="20260601",map_obs_day="today-2"')}} 2`,
      `redis_summit_embargo{metric_key_name="RECINSTR",bucket="${tenant}",instrument="FiberSpectrograph:1/fiberSpecBroad",obsday="20260602",map_obs_day="today-1"} 1`,
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.join("\n")).not.toContain('obsday="20260101"');
    const age = lines.find((line) => line.startsWith(`usdf_queue_oldest_age_seconds{bucket="${bucket}"}`));
    expect(Number(age?.split(" ")[1])).toBeGreaterThan(49);
    expect(lines.some((line) => /^redis_db_info_used_memory \d+/.test(line))).toBe(true);
    await worker.close();
  });

  test("latency from receipt to ingest: least, most and mean of the day", async () => {
    await enqueue(pathOf(1), pathOf(2), pathOf(3));
    const worker = await openQueue("pod-1", 60_000);
    const paths = await worker.claim(10);
    for (const [index, path] of paths.entries()) {
      await redis.hset(`FILE:${path}`, "recv_time", String(Date.now() / 1000 - [10, 20, 60][index]!));
    }
    const items = paths.map((path) => ({ path, instrument: "LSSTCam", dayObs: day }));
    await worker.complete(items, false);
    await worker.complete(items, false); // a repeat counts nothing
    await publishGauges(redis, await takeCensus(redis), now);
    const { values } = await register.getSingleMetric("redis_summit_embargo_latency")!.get();
    const latency = Object.fromEntries(values.map(({ labels, value }) => [labels.latency_type, value]));
    expect(latency.min).toBeCloseTo(10, 0);
    expect(latency.max).toBeCloseTo(60, 0);
    expect(latency.avg).toBeCloseTo(30, 0);
    expect(values[0]?.labels).toMatchObject({ bucket, instrument: "LSSTCam", obsday: day, map_obs_day: "today" });
    await worker.close();
  });
});

test("C8: statistics of old days and keys without a time to live do not stay for ever", async () => {
  const now = new Date();
  const today = dayObsOf(now);
  const old = dayObsOf(new Date(now.getTime() - 401 * 86_400_000));
  const kept = dayObsOf(new Date(now.getTime() - 399 * 86_400_000));
  await redis.hset(`REC:${bucket}`, { [today]: 1, [old]: 2, [kept]: 3, nonsense: 4 });
  await redis.hset(`RECINSTR:${bucket}:LSSTCam`, { [today]: 1, [old]: 2 });
  await redis.hset(`LATENCY:${bucket}:LSSTCam`, { [`${old}:sum`]: 1, [`${today}:sum`]: 2 });
  await redis.set(`MAXSEQ:${bucket}:LSSTCam:${old}`, 5);
  await redis.hset(`FILE:leaked`, "ingest_time", "1");
  await redis.hset(`FILE:fine`, "ingest_time", "1");
  await redis.expire("FILE:fine", 100);
  await keepHouse(redis, 400, now);
  expect(await redis.hgetall(`REC:${bucket}`)).toEqual({ [today]: "1", [kept]: "3" });
  expect(await redis.hgetall(`RECINSTR:${bucket}:LSSTCam`)).toEqual({ [today]: "1" });
  expect(await redis.hgetall(`LATENCY:${bucket}:LSSTCam`)).toEqual({ [`${today}:sum`]: "2" });
  expect(await redis.ttl(`MAXSEQ:${bucket}:LSSTCam:${old}`)).toBeGreaterThan(0);
  expect(await redis.ttl("FILE:leaked")).toBeGreaterThan(600_000);
  expect(await redis.ttl("FILE:fine")).toBeLessThanOrEqual(100);
});

test("D2: as a process: gives work back by itself, outlives a restart of Redis, ends with 0", async () => {
  await buildWorkloads();
  const pod = await Pod.start({
    workload: "idle",
    address: testAddress(18),
    dir: folder.dir,
    env: { REDIS_HOST: address, REDIS_PASSWORD: "pw", IDLE_PERIOD: "0.2", STATS_PERIOD: "0.2" },
  });
  const lose = async (seqNum: number) => {
    await enqueue(pathOf(seqNum));
    const lost = await openQueue("lost", 60_000);
    await lost.claim(10);
    await redis.del(`LEASE:${bucket}:lost`);
    await until("the work to be given back", async () => (await queueOf(bucket)).includes(pathOf(seqNum)));
    await lost.close();
    await redis.del(`QUEUE:${bucket}`);
  };
  await lose(1);
  await server.restart("SIGKILL");
  await until("the test's own connection", () => redis.ping());
  await lose(2);
  expect(await pod.metric("usdf_idle_given_back_total")).toBe(2);
  await until("gauges", async () => (await pod.metric("redis_db_info_connected_clients")) > 0);
  expect(await pod.answers("/healthz")).toBe(true);
  expect(await pod.stop()).toBe(0);
});
