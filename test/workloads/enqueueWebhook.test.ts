import { spawnSync } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { pino } from "pino";
import { register } from "prom-client";
import { type RunningRedis, startRedis } from "../../local/services";
import { Sorter, type SorterOptions } from "../../workloads/src/enqueue/intake";
import { pythonRegexp } from "../../workloads/src/lib/pythonRegexp";
import { BatchingStore } from "../../workloads/src/enqueue/store";
import { webhookRoutes } from "../../workloads/src/enqueue/webhook";
import { type HttpServer, serveHttp } from "../../workloads/src/lib/http";
import { connectRedis } from "../../workloads/src/lib/redis";
import { buildWorkloads, Pod, root } from "../support/pod";
import { testAddress, testFolder, until } from "../support/network";

const secret = "s3cret-of-the-topic";
const address = testAddress(11);
const folder = testFolder("enqueue-webhook");
const bucket = "embargo@rubin-summit";
const day = "20260603";
const logged: string[] = [];
const log = pino({}, { write: (line: string) => void logged.push(line) });

let server: RunningRedis;
let redis: Redis;
let own: Redis;
let http: HttpServer;

beforeAll(async () => {
  server = await startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" });
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 100 });
  redis.on("error", () => undefined);
  own = connectRedis({ host: address, password: "pw", commandTimeoutMs: 1_000 });
  http = await webhook({});
});
afterAll(async () => {
  await http?.close();
  own?.disconnect();
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});
beforeEach(async () => {
  await redis.flushdb();
  logged.length = 0;
});

function webhook(options: Partial<SorterOptions> & { secret?: string; storeLimit?: number }): Promise<HttpServer> {
  const sorter = new Sorter({
    profile: "embargo",
    datasetRegexp: pythonRegexp("\\.fits$"),
    buckets: [],
    keyEncoding: "raw",
    ...options,
  });
  const store = new BatchingStore({ redis: own, log, dedupeSeconds: 600 }, options.storeLimit);
  return serveHttp({
    host: address,
    port: 0,
    log,
    bodyLimitBytes: 256 * 1024,
    routes: (app) => webhookRoutes(app, { secret: options.secret ?? secret, sorter, store, log }),
  });
}

function exposureKey(seqNum: number | string, detector = "R22_S11"): string {
  const expId = `MC_O_${day}_${String(seqNum).padStart(6, "0")}`;
  return `LSSTCam/${day}/${expId}/${expId}_${detector}.fits`;
}
function record(key: string, extra: Record<string, unknown> = {}, object: Record<string, unknown> = {}) {
  const s3 = { bucket: { name: "rubin-summit" }, object: { key, eTag: "e1", sequencer: "1", ...object } };
  return { eventName: "ObjectCreated:Put", opaqueData: secret, s3, ...extra };
}
async function post(body: unknown, headers: Record<string, string> = {}, to = http) {
  const response = await fetch(`${to.url}/notify`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as unknown, text };
}
const queue = () => redis.lrange(`QUEUE:${bucket}`, 0, -1);
const counter = async (name: string) =>
  ((await register.getSingleMetric(name)?.get())?.values ?? []).reduce((sum, { value }) => sum + value, 0);

describe("answers as callers know them", () => {
  test("200 with what is known of each object, names sorted; queue and statistics are kept", async () => {
    const answer = await post({ Records: [record(exposureKey(258))] });
    const expId = `MC_O_${day}_000258`;
    const path = `${bucket}/${exposureKey(258)}`;
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(
      JSON.stringify([
        {
          bucket,
          controller: "O",
          exp_id: expId,
          filename: `${expId}_R22_S11.fits`,
          instrument: "LSSTCam",
          instrument_code: "MC",
          obs_day: day,
          path,
          seq_num: "000258",
        },
      ]),
    );
    expect(await queue()).toEqual([path]);
    expect(await redis.hgetall(`REC:${bucket}`)).toEqual({ [day]: "1" });
    expect(await redis.hgetall(`RECINSTR:${bucket}:LSSTCam`)).toEqual({ [day]: "1" });
    expect(await redis.get(`MAXSEQ:${bucket}:LSSTCam:${day}`)).toBe("258");
    const received = Number(await redis.hget(`FILE:${path}`, "recv_time"));
    expect(Math.abs(Date.now() / 1000 - received)).toBeLessThan(10);
    expect(await redis.ttl(`FILE:${path}`)).toBeGreaterThan(604_700);
    expect(logged.join("")).toContain(`"msg":"Enqueued ${path} to ${bucket}"`);
  });

  test("an object of the Large File Annex has no exposure", async () => {
    const lfa = await webhook({ profile: "", datasetRegexp: pythonRegexp("fits$") });
    const key = "FiberSpectrograph:1/fiberSpecBroad/2024/05/28/x.fits";
    const answer = await post(
      { Records: [{ opaqueData: secret, s3: { bucket: { name: "rubinobs-lfa-cp" }, object: { key } } }] },
      {},
      lfa,
    );
    await lfa.close();
    expect(answer.text).toBe(
      JSON.stringify([
        {
          bucket: "rubinobs-lfa-cp",
          filename: "x.fits",
          instrument: "FiberSpectrograph:1/fiberSpecBroad",
          obs_day: "20240528",
          path: `rubinobs-lfa-cp/${key}`,
        },
      ]),
    );
    expect(await redis.llen("QUEUE:rubinobs-lfa-cp")).toBe(1);
  });

  test.each([
    { about: "no Records", body: {}, status: 200, answer: [] },
    { about: "empty Records", body: { Records: [] }, status: 200, answer: [] },
    { about: "a sidecar", body: { Records: [record("LSSTCam/20260603/x.json")] }, status: 200, answer: [] },
    { about: "a list", body: [], status: 400 },
    { about: "null", body: "null", status: 400 },
    { about: "Records that is no list", body: { Records: 5 }, status: 400 },
    { about: "broken JSON", body: '{"Records":[', status: 400 },
    { about: "an empty body", body: "", status: 400 },
  ])("$status for $about", async ({ body, status, answer }) => {
    const got = await post(body);
    expect(got.status).toBe(status);
    if (answer) expect(got.body).toEqual(answer);
    else expect(got.body).toMatchObject({ error: true });
    expect(await redis.keys("*")).toEqual([]);
  });

  test("415 for another content type, 413 for a body past the limit, 404 and no queue for another path", async () => {
    const text = JSON.stringify({ Records: [record(exposureKey(1))] });
    expect((await post(text, { "content-type": "text/plain" })).status).toBe(415);
    expect((await post(text, { "content-type": "application/xml" })).status).toBe(415);
    expect((await post({ pad: "x".repeat(300_000) })).status).toBe(413);
    expect((await fetch(`${http.url}/other`, { method: "POST" })).status).toBe(404);
    expect(await redis.keys("*")).toEqual([]);
    expect((await post(text, { "content-type": "application/cloudevents+json; charset=utf-8" })).status).toBe(200);
  });
});

test("A3, A5: a bad record costs no good one, and is found again with its reason", async () => {
  const good = [exposureKey(1), exposureKey(2), exposureKey("x1")]; // a seqNum that is no number is queued, too
  const answer = await post({
    Records: [
      record(good[0] as string),
      { eventName: "ObjectCreated:Put", opaqueData: secret }, // lacks s3
      record("LSSTCam/20260603/not_an_exposure/a.fits"),
      record(good[1] as string),
      { ...record("a.fits"), opaqueData: undefined }, // lacks the secret
      7,
      record("half\ud800.fits"),
      record(good[2] as string),
    ],
  });
  expect(answer.status).toBe(200);
  expect(await queue()).toEqual(good.map((key) => `${bucket}/${key}`).reverse());
  expect(await redis.hgetall(`REC:${bucket}`)).toEqual({ [day]: "3" });
  const deadPath = `${bucket}/LSSTCam/20260603/not_an_exposure/a.fits`;
  expect(JSON.parse((await redis.hget(`DEAD:${bucket}`, deadPath)) ?? "")).toMatchObject({
    code: "OBJECT_PATH",
    reason: `Cannot read object path "${deadPath}": expId "not_an_exposure" is not <code>_<controller>_<dayObs>_<seqNum>. Rename the object or narrow DATASET_REGEXP.`,
    attempts: 0,
  });
  const rejected = (await redis.lrange("REJECTED", 0, -1)).map((entry) => JSON.parse(entry) as Record<string, unknown>);
  expect(rejected).toHaveLength(2);
  expect(rejected[1]).toMatchObject({ source: "webhook", reason: expect.stringContaining("s3") });
  expect(JSON.stringify(rejected)).not.toContain(secret);
});

test("A10: the same notification twice is queued once; a re-PUT object is queued again", async () => {
  const key = exposureKey(3);
  const twice = await post({ Records: [record(key), record(key)] });
  expect(twice.body).toHaveLength(2);
  await post({ Records: [record(key)] });
  expect(await queue()).toHaveLength(1);
  expect(await redis.hgetall(`REC:${bucket}`)).toEqual({ [day]: "1" });
  expect(logged.filter((line) => line.includes(`Skipping duplicate enqueue ${bucket}/${key}`))).toHaveLength(2);
  await post({ Records: [record(key, {}, { eTag: "e2", sequencer: "2" })] });
  expect(await queue()).toHaveLength(2);
  expect(await redis.ttl(`ENQ:${bucket}/${key}`)).toBeGreaterThan(500);
});

test("A12, D4: a wrong secret is 401, is never logged, and costs no record with the right one", async () => {
  const wrong = "a-wrong-secret";
  for (const opaqueData of [
    wrong,
    "",
    undefined,
    `${secret}x`,
    secret.slice(1),
    ` ${secret.slice(1)}`,
    secret.toUpperCase(),
  ]) {
    expect((await post({ Records: [record(exposureKey(4), { opaqueData })] })).status).toBe(401);
  }
  expect(await redis.keys("*")).toEqual([]);
  const mixed = await post({ Records: [record(exposureKey(4), { opaqueData: wrong }), record(exposureKey(5))] });
  expect(mixed.status).toBe(200);
  expect(mixed.body).toHaveLength(1);
  expect(await queue()).toEqual([`${bucket}/${exposureKey(5)}`]);
  expect(logged.join("")).toContain("wrong secret");
  expect(logged.join("")).not.toContain(wrong);
  expect(logged.join("")).not.toContain(secret);
});

test("D9: only created objects are queued, with or without the prefix of older releases; keys are taken as Ceph writes them", async () => {
  const names = ["ObjectCreated:Put", "s3:ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", undefined];
  const ignoredBefore = await counter("usdf_enqueue_ignored_total");
  for (const [index, eventName] of names.entries())
    await post({ Records: [record(exposureKey(index), { eventName })] });
  expect(await queue()).toHaveLength(4);
  for (const eventName of ["ObjectRemoved:Delete", "s3:ObjectRemoved:Delete", "ObjectLifecycle:Expiration", ""]) {
    const answer = await post({ Records: [record(exposureKey(9), { eventName })] });
    expect(answer).toMatchObject({ status: 200, body: [] });
  }
  expect(await queue()).toHaveLength(4);
  expect((await counter("usdf_enqueue_ignored_total")) - ignoredBefore).toBe(4);
  await redis.flushdb();
  const odd = ["a b", "a+b", "a%20b", "a#b?c", "é漢😀", "a%2Fb", '"\\'].map((name) => exposureKey(10, name));
  await post({ Records: odd.map((key) => record(key)) });
  expect((await queue()).reverse()).toEqual(odd.map((key) => `${bucket}/${key}`));
  const encoded = await webhook({ keyEncoding: "url" });
  await post({ Records: [record(exposureKey(11, "a%20b+c%C3%A9"))] }, {}, encoded);
  const nul = await post({ Records: [record(exposureKey(12, "a%00b")), record(exposureKey(13))] }, {}, encoded);
  await encoded.close();
  expect(nul).toMatchObject({ status: 200, body: [{ seq_num: "000013" }] });
  expect(await redis.hkeys(`DEAD:${bucket}`)).toEqual([`${bucket}/${exposureKey(12, "a\0b")}`]);
  expect((await queue())[1]).toBe(`${bucket}/${exposureKey(11, "a b cé")}`);
});

test("B5: a record of a bucket without ingester is an error that can be seen, not a queue that grows", async () => {
  const strict = await webhook({ buckets: [bucket] });
  const stray = {
    ...record(exposureKey(6)),
    s3: { bucket: { name: "rubin-pp-dev" }, object: { key: exposureKey(6) } },
  };
  const answer = await post({ Records: [stray, record(exposureKey(7))] }, {}, strict);
  await strict.close();
  expect(answer.status).toBe(200);
  expect(answer.body).toHaveLength(1);
  expect(await redis.exists("QUEUE:embargo@rubin-pp-dev")).toBe(0);
  const letter = JSON.parse(
    (await redis.hget("DEAD:embargo@rubin-pp-dev", `embargo@rubin-pp-dev/${exposureKey(6)}`)) ?? "",
  );
  expect(letter).toMatchObject({
    code: "UNKNOWN_BUCKET",
    reason: `Bucket "embargo@rubin-pp-dev" has no ingester (BUCKETS=${bucket}). Add an ingester and the bucket to BUCKETS, or remove the bucket's notification.`,
  });
  const metric = await register.getSingleMetricAsString("usdf_enqueue_dead_lettered_total");
  expect(metric).toContain('{bucket="embargo@rubin-pp-dev",code="UNKNOWN_BUCKET"} 1');
});

test("C8: MAXSEQ only grows, in any order of arrival", async () => {
  for (const seqNum of [5, 12, 7]) await post({ Records: [record(exposureKey(seqNum))] });
  expect(await redis.get(`MAXSEQ:${bucket}:LSSTCam:${day}`)).toBe("12");
});

test("205 POSTs at once are queued with few calls of Redis, each answered after its own records are durable", async () => {
  const before = await scriptCalls();
  const answers = await Promise.all(
    Array.from({ length: 205 }, (_, i) => post({ Records: [record(exposureKey(20, `R_${i}`))] })),
  );
  expect(answers.every(({ status, body }) => status === 200 && (body as unknown[]).length === 1)).toBe(true);
  expect(new Set(await queue()).size).toBe(205);
  expect((await scriptCalls()) - before).toBeLessThan(205); // how many there are at once is the machine's
});

async function scriptCalls(): Promise<number> {
  const stats = await redis.info("commandstats");
  return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
}

test("503 with Retry-After while Redis is down, nothing acknowledged; works again by itself", async () => {
  server.process.kill("SIGSTOP");
  const frozen = await post({ Records: [record(exposureKey(30))] });
  server.process.kill("SIGCONT");
  expect(frozen.status).toBe(503);
  expect(frozen.headers.get("retry-after")).toBe("5");
  expect(frozen.text).not.toContain("imeout");
  await server.stop();
  const down = await post({ Records: [record(exposureKey(31)), record("LSSTCam/bad.fits")] });
  expect(down.status).toBe(503);
  await server.restart();
  await until("enqueue to work again", async () => (await post({ Records: [record(exposureKey(31))] })).status === 200);
  await until("the test's own connection", () => redis.ping());
  expect((await queue()).filter((path) => path.includes("000031"))).toHaveLength(1);
});

test("what waits for Redis is bounded: past the limit the answer is 503, at once", async () => {
  const small = await webhook({ storeLimit: 50 });
  server.process.kill("SIGSTOP");
  let waits = true;
  const first = post({ Records: Array.from({ length: 50 }, (_, i) => record(exposureKey(40 + i))) }, {}, small).finally(
    () => (waits = false),
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  const second = await post({ Records: [record(exposureKey(99))] }, {}, small);
  expect(waits).toBe(true);
  server.process.kill("SIGCONT");
  expect(second.status).toBe(503);
  await first;
  await small.close();
});

test("3,000 fuzzed notifications crash nothing and cost no good record", async () => {
  const odd = fc.oneof(
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.constant('{"Records":[{"__proto__":{"a":1}}]}'),
    fc.constant(JSON.stringify({ Records: [record("x".repeat(5_000))] })),
    fc.constant("x".repeat(300_000)),
    fc
      .tuple(
        fc.string({ unit: "grapheme", maxLength: 40 }),
        fc.constantFrom("#", "?", "%", "+", "%zz", "//", "\u0000", "é"),
        fc.anything(),
      )
      .map(([key, special, junk]) => {
        const odd = record(key + special + ".fits", {}, { eTag: junk });
        return JSON.stringify({ Records: [odd, { ...record("a.fits"), opaqueData: junk }, junk] }, (_k, v: unknown) =>
          typeof v === "bigint" ? String(v) : v,
        );
      }),
  );
  const bodies = fc.sample(odd, { numRuns: 3_000, seed: 7 });
  /** As a gateway does: what Redis did not take in time, here a second, is sent again. */
  const send = async (body: Parameters<typeof post>[0]) => {
    for (;;) {
      const answer = await post(body);
      if (answer.status !== 503) return answer;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const statuses = new Map<number, number>();
  let good = 0;
  for (let first = 0; first < bodies.length; first += 50) {
    const answers = await Promise.all([
      ...bodies.slice(first, first + 50).map((body) => send(body)),
      send({ Records: [record(exposureKey(1_000 + good++))] }).then((answer) => ({
        ...answer,
        status: -answer.status,
      })),
    ]);
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect([...statuses.keys()].filter((status) => ![200, 400, 401, 413, -200].includes(status))).toEqual([]);
  expect(statuses.get(-200)).toBe(60);
  const queued = new Set(await queue());
  expect(
    Array.from({ length: 60 }, (_, i) => `${bucket}/${exposureKey(1_000 + i)}`).filter((p) => !queued.has(p)),
  ).toEqual([]);
  expect(await redis.llen("REJECTED")).toBeLessThanOrEqual(1_000);
});

describe("as a process", () => {
  const env = { REDIS_HOST: address, REDIS_PASSWORD: "pw", PROFILE: "embargo", HTTP_PORT: "8000" };

  beforeAll(buildWorkloads);

  test("refuses an empty secret with exit code 78 and says what to do; ALLOW_EMPTY_SECRET takes it with a warning", async () => {
    const refused = spawnSync(process.execPath, ["dist/enqueue.js"], {
      cwd: join(root, "workloads"),
      env: { PATH: process.env.PATH, ...env, NOTIFICATION_SECRET: "", KAFKA_OFFSET_RESET: "earliest" },
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(refused.status).toBe(78);
    expect(refused.stderr).toContain(
      "enqueue cannot start: 1 fault in its environment.\n  - NOTIFICATION_SECRET is empty: without it anyone who reaches " +
        'the port can queue paths. Give the OpaqueData of the bucket topic, or NOTIFICATION_SECRET="" and ALLOW_EMPTY_SECRET=true',
    );
    const options = { workload: "enqueue", address: testAddress(16), dir: folder.dir };
    const allowed = await Pod.start({
      ...options,
      pod: "allowed",
      env: { ...env, NOTIFICATION_SECRET: "", ALLOW_EMPTY_SECRET: "true" },
    });
    const answer = await fetch(`${allowed.url}/notify`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        Records: [{ s3: { bucket: { name: "rubin-summit" }, object: { key: exposureKey(50) } } }],
      }),
    });
    expect(answer.status).toBe(200);
    expect(allowed.log()).toContain("anyone who reaches this port can queue paths");
    expect(await allowed.stop()).toBe(0);
  });

  test("D2: is alive without Redis and not ready; answers what is in hand on SIGTERM and exits 0", async () => {
    const pod = await Pod.start({
      workload: "enqueue",
      pod: "webhook",
      address: testAddress(17),
      dir: folder.dir,
      env: { ...env, NOTIFICATION_SECRET: secret },
    });
    expect(await pod.answers("/healthz")).toBe(true);
    await server.stop();
    expect(await pod.answers("/readyz")).toBe(false);
    expect(await pod.answers("/healthz")).toBe(true);
    await server.restart();
    await pod.ready();
    // a request whose body is still on its way when the signal comes
    const body = JSON.stringify({ Records: [record(exposureKey(60))] });
    const inHand = new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${pod.url}/notify`, {
        method: "POST",
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      });
      sent.on("response", (response) => resolve(response.statusCode)).on("error", reject);
      sent.write(body.slice(0, 10));
      setTimeout(() => sent.end(body.slice(10)), 500);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const code = pod.stop();
    expect(await inHand).toBe(200);
    expect(await code).toBe(0);
    await until("the test's own connection", () => redis.ping());
    expect(await queue()).toEqual([`${bucket}/${exposureKey(60)}`]);
  });
});
