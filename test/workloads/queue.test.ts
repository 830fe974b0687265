import type { Redis } from "ioredis";
import pino from "pino";
import { type RunningRedis, startRedis } from "../../local/services";
import { parseObjectPath } from "../../workloads/src/lib/objectPath";
import {
  bucketState,
  buryObjects,
  deadLetters,
  enqueueObjects,
  FollowUps,
  LeasedQueue,
  LeaseLostError,
  legacyWorkers,
  recoverWorker,
  registeredWorkers,
  reviveDead,
} from "../../workloads/src/lib/queue";
import { connectRedis } from "../../workloads/src/lib/redis";
import { testAddress, testFolder } from "../support/network";

const host = testAddress(1);
const bucket = "embargo@rubin-summit";
const log = pino({ level: "silent" });
const { dir, remove } = testFolder("queue");
let server: RunningRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ dir, address: host });
  redis = connectRedis({ host });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  remove();
});
beforeEach(() => redis.flushall());

const path = (n: number, suffix = "") =>
  `${bucket}/LSSTCam/20260603/MC_O_20260603_${String(n).padStart(6, "0")}/MC_O_20260603_${String(n).padStart(6, "0")}_R22_S11${suffix}.fits`;
const record = (text: string, identity = "etag/1/") => ({ object: parseObjectPath(text), identity });
const completed = (text: string, extra = {}) => ({ path: text, instrument: "LSSTCam", dayObs: "20260603", ...extra });
const failure = (text: string, extra = {}) => ({
  ...{ path: text, instrument: "LSSTCam", dayObs: "20260603", code: "BAD", reason: "made bad", counts: true },
  ...{ maxFailures: 3, maxAgeMs: 60_000, baseMs: 10, maxMs: 40, ...extra },
});
const open = async (pod: string, leaseMs?: number) => {
  const queue = new LeasedQueue(redis, { bucket, pod, log, leaseMs });
  await queue.open();
  return queue;
};

describe("enqueue", () => {
  it("queues, marks and counts in one step, and knows the same notification again", async () => {
    expect(await enqueueObjects(redis, [record(path(258)), record(path(7))])).toEqual([true, true]);
    expect(await enqueueObjects(redis, [record(path(258)), record(path(9))])).toEqual([false, true]);
    expect(await redis.lrange(`QUEUE:${bucket}`, 0, -1)).toEqual([path(9), path(7), path(258)]);
    expect(await redis.hgetall(`REC:${bucket}`)).toEqual({ "20260603": "3" });
    expect(await redis.hgetall(`RECINSTR:${bucket}:LSSTCam`)).toEqual({ "20260603": "3" });
    expect(await redis.get(`MAXSEQ:${bucket}:LSSTCam:20260603`)).toBe("258");
    expect(await redis.ttl(`FILE:${path(7)}`)).toBeGreaterThan(604_000);
  });
  it("A10: takes an object again that was PUT again", async () => {
    await enqueueObjects(redis, [record(path(1), "etag/1/")]);
    expect(await enqueueObjects(redis, [record(path(1), "etag/2/")])).toEqual([true]);
  });
  it("C3: an object that was PUT again starts with a clean record", async () => {
    await redis.hset(`FILE:${path(1)}`, { ing_fail_count: 2, ing_fail_exc: "old" });
    await enqueueObjects(redis, [record(path(1))]);
    expect(Object.keys(await redis.hgetall(`FILE:${path(1)}`))).toEqual(["recv_time"]);
  });
  it("takes more records than one script call holds", async () => {
    const records = Array.from({ length: 1_203 }, (_, n) => record(path(n)));
    expect((await enqueueObjects(redis, records)).filter(Boolean)).toHaveLength(1_203);
    expect(await redis.lindex(`QUEUE:${bucket}`, -1)).toBe(path(0));
  });
});

describe("LeasedQueue", () => {
  it("B4: claims oldest first, and what is given back comes first again", async () => {
    await enqueueObjects(
      redis,
      [1, 2, 3, 4].map((n) => record(path(n))),
    );
    const first = await open("pod-1");
    expect(await first.claim(3)).toEqual([path(1), path(2), path(3)]);
    await first.close();
    const second = await open("pod-2");
    expect(await second.claim(4)).toEqual([path(1), path(2), path(3), path(4)]);
    expect(await registeredWorkers(redis)).toEqual([{ bucket, pod: "pod-2" }]);
    await second.close();
  });
  it("claims the same again until it is done, so a reply that was lost loses nothing", async () => {
    await enqueueObjects(redis, [record(path(1))]);
    const queue = await open("pod-1");
    expect(await queue.claim(2)).toEqual([path(1)]);
    expect(await queue.claim(2)).toEqual([path(1)]);
    expect(await queue.complete([completed(path(1))], false)).toEqual([path(1)]);
    expect(await queue.complete([completed(path(1))], false)).toEqual([]);
    expect(await redis.hgetall(`INGEST:${bucket}:LSSTCam`)).toEqual({ "20260603": "1" });
    await queue.close();
  });
  it("B1: a worker that is slow but alive keeps its work; one that is paused past its lease is fenced", async () => {
    await enqueueObjects(redis, [record(path(1))]);
    const slow = await open("slow", 2_000);
    await slow.claim(1);
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    expect(await recoverWorker(redis, { bucket, pod: "slow" }, 0)).toBeUndefined();
    await redis.del(`LEASE:${bucket}:slow`); // as if it had been stopped until the lease ran out
    expect(await recoverWorker(redis, { bucket, pod: "slow" }, 0)).toBe(1);
    const other = await open("other");
    expect(await other.claim(1)).toEqual([path(1)]);
    await expect(slow.complete([completed(path(1))], false)).rejects.toThrow(LeaseLostError);
    await expect(slow.fail(failure(path(1)))).rejects.toThrow(LeaseLostError);
    expect(await other.complete([completed(path(1))], false)).toEqual([path(1)]);
    expect(await redis.hgetall(`INGEST:${bucket}:LSSTCam`)).toEqual({ "20260603": "1" });
    await slow.close();
    await other.close();
  });
  it("B2, B3: recovers whatever monitoring reads, and for tenant buckets", async () => {
    const tenant = "rubin:rubinobs-lfa-cp";
    await redis.lpush(`WORKER:${tenant}:pod-7`, `${tenant}/a`, `${tenant}/b`);
    expect(await legacyWorkers(redis)).toEqual([{ bucket: tenant, pod: "pod-7" }]);
    expect(await recoverWorker(redis, { bucket: tenant, pod: "pod-7" }, 10)).toBeUndefined();
    expect(await recoverWorker(redis, { bucket: tenant, pod: "pod-7" }, -1)).toBe(2);
    expect(await redis.lrange(`QUEUE:${tenant}`, 0, -1)).toEqual([`${tenant}/b`, `${tenant}/a`]);
  });
  it("backs off, then makes a dead letter with its reason; put back, it starts clean", async () => {
    await enqueueObjects(redis, [record(path(1))]);
    const queue = await open("pod-1");
    const statuses: string[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      for (;;) if ((await queue.claim(1)).length) break;
      statuses.push((await queue.fail(failure(path(1)))).status);
    }
    expect(statuses).toEqual(["retry", "retry", "dead"]);
    const letters = [];
    for await (const letter of deadLetters(redis, bucket)) letters.push(letter);
    expect(letters).toMatchObject([{ path: path(1), code: "BAD", reason: "made bad", attempts: 3 }]);
    expect(await queue.claim(1)).toEqual([]);
    expect(await reviveDead(redis, bucket, [path(1), "unknown"])).toEqual([path(1)]);
    expect(await queue.claim(1)).toEqual([path(1)]);
    expect((await queue.fail(failure(path(1)))).status).toBe("retry");
    await queue.close();
  });
  it("a lost dependency never kills an object before its age does", async () => {
    await enqueueObjects(redis, [record(path(1))]);
    const queue = await open("pod-1");
    for (let attempt = 0; attempt < 5; attempt++) {
      for (;;) if ((await queue.claim(1)).length) break;
      expect((await queue.fail(failure(path(1), { counts: false, baseMs: 1, maxMs: 1 }))).status).toBe("retry");
    }
    for (;;) if ((await queue.claim(1)).length) break;
    expect((await queue.fail(failure(path(1), { counts: false, maxAgeMs: 1 }))).status).toBe("dead");
    await queue.close();
  });
  it("C2: retries never fill the batch while the queue has work", async () => {
    const bad = [1, 2, 3, 4].map((n) => path(n));
    await redis.zadd(`RETRY:${bucket}`, ...bad.flatMap((text, i) => [i, text]));
    await enqueueObjects(
      redis,
      [5, 6, 7, 8].map((n) => record(path(n))),
    );
    const queue = await open("pod-1");
    expect(await queue.claim(4)).toEqual([path(1), path(2), path(5), path(6)]);
    await queue.close();
  });
  it("A7: a parked guider goes on as soon as its exposure is ingested", async () => {
    const guider = path(1, "_guider");
    await enqueueObjects(redis, [record(guider), record(path(1))]);
    const queue = await open("pod-1");
    await queue.claim(2);
    const parked = failure(guider, {
      counts: false,
      parkedFor: "MC_O_20260603_000001",
      baseMs: 60_000,
      maxMs: 60_000,
      maxAgeMs: 600_000,
    });
    expect((await queue.fail(parked)).status).toBe("retry");
    expect(await queue.claim(2)).toEqual([path(1)]);
    await queue.complete([completed(path(1), { releases: "MC_O_20260603_000001" })], false);
    expect(await queue.claim(2)).toEqual([guider]);
    expect(await redis.exists(`PARKED:${bucket}:MC_O_20260603_000001`)).toBe(0);
    await queue.close();
  });
});

it("notes follow-ups with the ingest, holds them while they run, and keeps those that fail for good", async () => {
  await enqueueObjects(redis, [record(path(1)), record(path(2))]);
  const queue = await open("pod-1");
  await queue.claim(2);
  const visit = JSON.stringify({ kind: "visit", instrument: "LSSTCam", exposure: "1" });
  await queue.complete(
    [1, 2].map((n) => completed(path(n), { expId: "MC_O_1", filename: `f${n}`, visit })),
    true,
  );
  const followUps = new FollowUps(redis, bucket);
  const taken = await followUps.take(10, 5_000);
  expect(taken.map((item) => item.followUp)).toEqual(
    expect.arrayContaining([
      { kind: "visit", instrument: "LSSTCam", exposure: "1" },
      { kind: "webhook", expId: "MC_O_1", filenames: ["f1", "f2"] },
    ]),
  );
  expect(await followUps.take(10, 5_000)).toEqual([]);
  await followUps.done(taken[0]!.text);
  const options = { code: "WEBHOOK", reason: "refused", maxAttempts: 2, delayMs: () => -1 };
  expect(await followUps.retry(taken[1]!.text, options)).toBe(false);
  expect(await followUps.retry(taken[1]!.text, options)).toBe(true);
  expect(await followUps.count()).toBe(0);
  expect(await reviveDead(redis, bucket, [`followup:${taken[1]!.text}`])).toHaveLength(1);
  expect(await followUps.take(10, 5_000)).toEqual([taken[1]]);
  await queue.close();
});

it("B5: a bucket that nobody ingests cannot fill Redis", async () => {
  const items = [1, 2, 3].map((n) => ({ path: path(n), code: "UNKNOWN_BUCKET", reason: "no ingester" }));
  expect(await buryObjects(redis, bucket, items.slice(0, 2), 2)).toBe(0);
  expect(await buryObjects(redis, bucket, items, 2)).toBe(1); // two are there already, one finds no room
  expect((await redis.hkeys(`DEAD:${bucket}`)).sort()).toEqual([path(1), path(2)]);
});

it("shows the state of a bucket", async () => {
  await enqueueObjects(redis, [record(path(1)), record(path(2))]);
  await buryObjects(redis, bucket, [{ path: `${bucket}/x`, code: "OBJECT_PATH", reason: "no exposure" }]);
  const queue = await open("pod-1");
  await queue.claim(1);
  expect(await bucketState(redis, bucket)).toMatchObject({
    ...{ queued: 1, retrying: 0, dead: 1, followUps: 0 },
    workers: [{ pod: "pod-1", held: 1, leased: true }],
  });
  await queue.close();
});
