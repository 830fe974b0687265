import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCanary } from "../../../local/verify/canary";
import { bucketState, buryObjects } from "../../../workloads/src/lib/queue";
import { redisKey } from "../../../workloads/src/lib/redisKeys";
import { PathSet } from "../../../workloads/src/reconcile/pathSet";
import { reconcile, type ReconcileSettings } from "../../../workloads/src/reconcile/reconcile";
import { root } from "../../support/pod";
import { type Bench, dayObs, log, makeBench, type Stand, startStand } from "../ingest/stand";

let stand: Stand;
let bench: Bench;
beforeAll(async () => {
  stand = await startStand("reconcile");
});
afterAll(() => stand.stop());
afterEach(async () => {
  await bench?.close();
  await stand.redis.flushall();
});

function run(settings: Partial<ReconcileSettings> = {}, onMissed?: (path: string) => void) {
  const parts = { redis: stand.redis, store: bench.store, butler: bench.child, log, onMissed };
  const dataset = /\.fits$/;
  return reconcile(parts, { bucket: bench.bucket, dataset, minAgeMs: 0, dryRun: false, ...settings });
}

it("finds, in a real listing of more than a page, exactly what was missed, and queues it once", async () => {
  bench = await makeBench(stand, { settings: { maxIngests: 500 } });
  const name = (n: number) => `MC_O_${dayObs}_${String(Math.floor(n / 100)).padStart(6, "0")}`;
  const key = (n: number) => `LSSTCam/${dayObs}/${name(n)}/${name(n)}_R22_S${n % 100}.fits`;
  const all = Array.from({ length: 1_500 }, (_, n) => key(n));
  await inParallel(32, all, (item) => bench.put(item, "x"));
  await bench.put(`LSSTCam/${dayObs}/notes.txt`, "no dataset");
  await bench.put(`LSSTCam/${dayObs}/stray.fits`, "breaks the grammar");
  const path = (item: string) => `${bench.bucket}/${item}`;
  const pipeline = stand.redis.pipeline();
  for (const item of all.slice(0, 500)) pipeline.hset(redisKey.file(path(item)), "ingest_time", "1");
  for (const item of all.slice(500, 750)) pipeline.lpush(redisKey.queue(bench.bucket), path(item));
  for (const item of all.slice(750, 850)) pipeline.lpush(redisKey.worker(bench.bucket, "pod-0"), path(item));
  for (const item of all.slice(850, 900)) pipeline.zadd(redisKey.retry(bench.bucket), 1e15, path(item));
  await pipeline.exec();
  await buryObjects(stand.redis, bench.bucket, all.slice(900, 925).map((item) => ({ path: path(item), code: "X", reason: "x" }))); // prettier-ignore
  // What only the Butler knows: ingested for real, and then forgotten by Redis, as after seven days.
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await stand.redis.rename(redisKey.worker(bench.bucket, "pod-0"), "aside");
  await stand.redis.rename(redisKey.queue(bench.bucket), "aside-queue");
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  await stand.redis.del(...exposure!.keys.map((item) => redisKey.file(path(item))));
  await stand.redis.rename("aside", redisKey.worker(bench.bucket, "pod-0"));
  await stand.redis.rename("aside-queue", redisKey.queue(bench.bucket));

  const missed: string[] = [];
  const dry = await run({ dryRun: true }, (item) => missed.push(item));
  expect(dry).toMatchObject({
    ...{ listed: 1_500 + 2 + 18, compared: 1_510, ingestedByRedis: 500, pending: 425, ingestedByButler: 9 },
    ...{ unreadable: 1, missed: 575, queued: 0, young: 0 },
  });
  expect(missed.sort()).toEqual(all.slice(925).map(path).sort());
  expect((await bucketState(stand.redis, bench.bucket)).queued).toBe(250);
  expect(await run()).toMatchObject({ missed: 575, queued: 575 });
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ queued: 825, dead: 26 });
  expect(await run()).toMatchObject({ missed: 0, queued: 0, pending: 1_000 });
});

it("takes no canary of usdf verify for a missed object", async () => {
  bench = await makeBench(stand);
  const { key, fits } = makeCanary(bench.bucket, 1);
  await bench.put(key, fits);
  expect(await run()).toMatchObject({ listed: 1, compared: 0, missed: 0, unreadable: 0 });
});

it("leaves young objects and days before --since alone, and does not list those days", async () => {
  bench = await makeBench(stand);
  const keys = ["20260601", "20260602", "20260603"].map(
    (day) => `LATISS/${day}/AT_O_${day}_000001/AT_O_${day}_000001_R00_S00.fits`,
  );
  for (const key of keys) await bench.put(key, "x");
  expect(await run({ minAgeMs: 600_000 })).toMatchObject({ compared: 3, young: 3, missed: 0 });
  const seen: string[] = [];
  expect(await run({ sinceDayObs: "20260602", dryRun: true }, (path) => seen.push(path))).toMatchObject({
    listed: 2,
    missed: 2,
  });
  expect(seen).toEqual(keys.slice(1).map((key) => `${bench.bucket}/${key}`));
  expect(await run({ prefix: "LATISS/20260601/", dryRun: true })).toMatchObject({ listed: 1, missed: 1 });
});

it("A6, A10: brings an object back whose marker says that it was queued, but which never arrived", async () => {
  bench = await makeBench(stand);
  const [exposure] = await bench.send();
  await bench.enqueue(exposure!.keys);
  await stand.redis.del(redisKey.queue(bench.bucket)); // lost, however that came about
  expect(await run()).toMatchObject({ missed: 1, queued: 1 });
  await bench.drain();
  expect(await bench.stored()).toHaveLength(1);
  expect(await run()).toMatchObject({ missed: 0, ingestedByRedis: 1 });
});

it("compares a million objects in bounded memory", async () => {
  const of = async (count: number) => {
    const script = join(__dirname, "million.ts");
    // A heap of 64 MB, which the paths alone would fill; else Node takes what the machine has, and collects later.
    const heap = ["--max-old-space-size=64", "--max-semi-space-size=16"];
    const args = [...heap, "--require", "./local/typescript.cjs", script, String(count), stand.redisServer.host];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    return JSON.parse(stdout) as { report: { missed: number; pending: number; seconds: number }; peakMb: number };
  };
  const small = await of(10_000);
  const large = await of(1_000_000);
  // Every second one is pending; of the odd ones, those of sensor 7 are missed: n % 205 = 7 and n odd.
  let missed = 0;
  for (let n = 1; n < 1_000_000; n += 2) if (n % 205 === 7) missed++;
  expect(large.report).toMatchObject({ pending: 500_000, missed });
  console.log(`reconcile: 10^4 objects ${small.peakMb.toFixed(0)} MB, 10^6 objects ${large.peakMb.toFixed(0)} MB in ${large.report.seconds.toFixed(1)} s`); // prettier-ignore
  expect(large.peakMb).toBeLessThan(small.peakMb + 100);
});

it("keeps 64 bits of a path, and mixes no two of a million up", () => {
  const paths = new PathSet();
  for (let n = 0; n < 200_000; n++) paths.add(`a/${n}`);
  paths.add("a/7");
  expect(paths.size).toBe(200_000);
  let wrong = 0;
  for (let n = 0; n < 200_000; n++) if (!paths.has(`a/${n}`) || paths.has(`b/${n}`)) wrong++;
  expect(wrong).toBe(0);
});

async function inParallel<T>(limit: number, items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items[Symbol.iterator]();
  await Promise.all(Array.from({ length: limit }, async () => {
    for (const item of rest) await work(item);
  })); // prettier-ignore
}
