import { type Butler, ButlerUnavailableError, objectUri } from "../../../workloads/src/lib/butler/butler";
import { ObjectStore, StoreUnavailableError } from "../../../workloads/src/lib/objectStore";
import {
  bucketState,
  type DeadLetter,
  deadLetters,
  LeaseLostError,
  recoverWorker,
  reviveDead,
} from "../../../workloads/src/lib/queue";
import { redisKey } from "../../../workloads/src/lib/redisKeys";
import { until } from "../../support/network";
import { type Bench, dayObs, makeBench, type Stand, startStand } from "./stand";

let stand: Stand;
let bench: Bench;
beforeAll(async () => {
  stand = await startStand("ingest");
});
afterAll(() => stand.stop());
afterEach(async () => {
  await bench.close();
  await stand.redis.flushall();
});
const paths = (keys: readonly string[]) => keys.map((key) => `${bench.bucket}/${key}`);

it("takes a whole LSSTCam exposure, guiders too, to the Butler and lets presence find it", async () => {
  bench = await makeBench(stand, { settings: { callWebhook: true } });
  const [exposure] = await bench.send({ instrument: "LSSTCam" });
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  expect(await bench.stored()).toEqual(
    paths(exposure!.keys)
      .map((path) => `s3://${path}`)
      .sort(),
  );
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ queued: 0, retrying: 0, dead: 0 });
  expect(await stand.redis.hgetall(redisKey.ingested(bench.bucket, "LSSTCam"))).toEqual({ [dayObs]: "205" });
  const group = await stand.redis.get(redisKey.group("LSSTCam", exposure!.groupId, 0, "R22_S11"));
  expect(group).toBe(`s3://${bench.bucket}/${exposure!.keys.find((key) => key.includes("R22_S11"))}`);
  expect(await stand.redis.ttl(redisKey.group("LSSTCam", exposure!.groupId, 0, "R00_SW0"))).toBeGreaterThan(86_300);
  expect(await stand.redis.exists(redisKey.group("LSSTCam", exposure!.groupId, 0, "R00_SG0"))).toBe(0);
});

it("B7: keys with # ? % + and unicode come through as they are", async () => {
  bench = await makeBench(stand);
  const [exposure] = await bench.send();
  const { sidecar, fits } = await bodies(exposure!.keys[0]!);
  const odd = ["#1", "?x=1", "%20", "100%", "a+b c", "é✓", "&=;@:"];
  const keys = odd.map(
    (name, i) => `LATISS/${dayObs}/AT_O_${dayObs}_00001${i}/AT_O_${dayObs}_00001${i}_R00_S00${name}.fits`,
  );
  for (const [i, key] of keys.entries()) {
    const header = JSON.parse(sidecar) as Record<string, unknown>;
    const own = { ...header, OBSID: `AT_O_${dayObs}_00001${i}`, SEQNUM: 10 + i, GROUPID: `odd${i}` };
    await bench.put(key.replace(/\.fits$/, ".json"), JSON.stringify(own));
    await bench.put(key, fits);
  }
  await bench.enqueue(keys);
  await bench.drain();
  expect(await bench.stored()).toEqual(
    paths(keys)
      .map((path) => `s3://${path}`)
      .sort(),
  );
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ queued: 0, retrying: 0, dead: 0 });
  expect(await stand.redis.get(redisKey.group("LATISS", "odd2", 0, "R00_S00"))).toBe(`s3://${paths(keys)[2]}`);
  expect(await bench.child.known(paths(keys).map(objectUri))).toEqual(odd.map(() => true));
});

it("B4: takes the oldest first", async () => {
  const order: string[] = [];
  bench = await makeBench(stand, {
    settings: { maxIngests: 2 },
    butler: (child) =>
      spied(child, {
        ingest: (kind, files) => (order.push(...files.map(({ path }) => path)), child.ingest(kind, files)),
      }),
  });
  const exposures = await bench.send({ exposures: 6 });
  for (const { keys } of exposures) await bench.enqueue(keys);
  await bench.drain();
  expect(order).toEqual(exposures.flatMap(({ keys }) => paths(keys)));
});

it("C1: a lost Butler costs no attempt, no second reading of S3 and no spinning", async () => {
  let down = true;
  const calls: number[] = [];
  bench = await makeBench(stand, {
    butler: (child) =>
      spied(child, {
        ingest: (kind, files) => {
          calls.push(files.length);
          return down ? Promise.reject(new ButlerUnavailableError("made by a test")) : child.ingest(kind, files);
        },
        ping: () => (down ? Promise.reject(new ButlerUnavailableError("made by a test")) : child.ping()),
      }),
  });
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  const reads = jest.spyOn(bench.store, "read");
  for (let turn = 0; turn < 5; turn++) await expect(bench.ingester.turn()).rejects.toThrow(ButlerUnavailableError);
  expect(calls).toEqual([9, 9, 9, 9, 9]); // one call a turn: the loop outside backs off
  expect(reads).toHaveBeenCalledTimes(9);
  expect(await stand.redis.hget(redisKey.file(paths(exposure!.keys)[0]!), "ing_fail_count")).toBeNull();
  down = false;
  await bench.drain();
  expect(await bench.stored()).toHaveLength(9);
  expect(reads).toHaveBeenCalledTimes(9);
});

it("C2, A8: poisoned objects fill no batch, and end as dead letters with their reason; a person puts them back", async () => {
  bench = await makeBench(stand, { settings: { maxIngests: 3, retryBaseMs: 1_000, retryMaxMs: 1_000 } });
  const bad = [1, 2, 3, 4].map(
    (n) => `LATISS/${dayObs}/AT_O_${dayObs}_90000${n}/AT_O_${dayObs}_90000${n}_R00_S00.fits`,
  );
  for (const key of bad) await bench.put(key, "no FITS file");
  await bench.enqueue(bad);
  const good = (await bench.send({ exposures: 5 })).flatMap(({ keys }) => keys);
  await bench.enqueue(good);
  await bench.drain();
  expect(await bench.stored()).toHaveLength(5);
  const { queued, retrying, dead } = await bucketState(stand.redis, bench.bucket);
  expect([queued, retrying + dead]).toEqual([0, 4]); // on a slow machine some have had their three attempts by now
  await untilDead(4);
  const letters = await collect();
  expect(letters.map(({ path }) => path).sort()).toEqual(paths(bad).sort());
  expect(letters[0]).toMatchObject({ code: "METADATA", attempts: 3 });
  const sidecar = bad[0]!.replace(/\.fits$/, ".json");
  expect(letters.find(({ path }) => path === paths(bad)[0])!.reason).toBe(
    `Cannot read the metadata of "${paths(bad)[0]}": sidecar "${sidecar}": there is none; ` +
      "FITS header: it does not begin with SIMPLE. PUT a sidecar, then retry the dead letter.",
  );
  // The sidecar comes late: the same object, put back, is as good as any.
  const model = JSON.parse((await bodies(good[0]!)).sidecar) as Record<string, unknown>;
  await bench.put(sidecar, JSON.stringify({ ...model, OBSID: `AT_O_${dayObs}_900001`, SEQNUM: 90001 }));
  expect(await reviveDead(stand.redis, bench.bucket, paths(bad))).toHaveLength(4);
  await bench.drain();
  expect(await bench.stored()).toHaveLength(6);
  await untilDead(3);
});

it("C3: success and a new PUT forget old failures", async () => {
  bench = await makeBench(stand);
  const [exposure] = await bench.send();
  const key = exposure!.keys[0]!;
  const file = redisKey.file(paths([key])[0]!);
  const { sidecar, fits } = await bodies(key);
  await bench.put(key.replace(".fits", ".json"), "{}");
  await bench.put(key, "no FITS file");
  await bench.enqueue([key]);
  for (let n = 0; n < 2; n++) await untilTurn();
  expect(await stand.redis.hget(file, "ing_fail_count")).toBe("2");
  await stand.redis.del(redisKey.retry(bench.bucket));
  await bench.enqueue([key], "another eTag");
  expect(await stand.redis.hget(file, "ing_fail_count")).toBeNull();
  await untilTurn();
  expect(await stand.redis.hget(file, "ing_fail_count")).toBe("1");
  await bench.put(key.replace(".fits", ".json"), sidecar);
  await bench.put(key, fits);
  await untilTurn();
  expect(await bench.stored()).toHaveLength(1);
  expect(await stand.redis.hmget(file, "ing_fail_count", "first_fail_time")).toEqual([null, null]);
});

it("C4: an object that is not there is its own failure; a store that is not there is nobody's", async () => {
  bench = await makeBench(stand);
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.remove(exposure!.keys[4]!);
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  expect(await bench.stored()).toHaveLength(8);
  await untilDead(1);
  expect((await collect())[0]).toMatchObject({ path: paths(exposure!.keys)[4], code: "OBJECT_MISSING" });

  const [next] = await bench.send({ instrument: "LSSTComCam", firstSeqNum: 2 });
  await bench.enqueue(next!.keys);
  const lost = new StoreUnavailableError("GET", new Error("made by a test"));
  const head = jest.spyOn(bench.store, "head").mockRejectedValue(lost);
  await expect(bench.ingester.turn()).rejects.toThrow(lost);
  expect(await stand.redis.zcard(redisKey.retry(bench.bucket))).toBe(0);
  // One key that the store fails on, while it serves the others, goes to the back without a count against it.
  head.mockImplementation((path) =>
    path.includes(next!.keys[0]!) ? Promise.reject(lost) : ObjectStore.prototype.head.call(bench.store, path),
  );
  await bench.ingester.turn();
  expect(await bench.stored()).toHaveLength(16);
  expect(await stand.redis.hget(redisKey.file(paths(next!.keys)[0]!), "ing_fail_count")).toBeNull();
  head.mockRestore();
  await untilTurn();
  expect(await bench.stored()).toHaveLength(17);
});

it("A7: a guider waits for its exposure, goes on when that comes, and is dropped never", async () => {
  bench = await makeBench(stand, { settings: { guiderWaitMs: 300_000 } });
  const detectors = ["R00_SG0", "R00_SG1", "R22_S11"];
  const [exposure] = await bench.send({ instrument: "LSSTCam", detectors });
  const guiders = exposure!.keys.filter((key) => key.includes("_guider"));
  await bench.enqueue(guiders);
  await bench.drain();
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ queued: 0, retrying: 2, dead: 0 });
  await bench.enqueue(exposure!.keys.filter((key) => !key.includes("_guider")));
  await bench.drain(); // far before the recheck after 300 s
  expect(await bench.stored()).toHaveLength(3);
  expect(
    await bench.sql(
      "select count(*) from dataset d join dataset_type t on t.id = d.dataset_type_id where t.name = 'guider_raw'",
    ),
  ).toEqual(["2"]);
});

it("A7: a guider whose exposure never comes is a dead letter after PARK_LIFETIME", async () => {
  bench = await makeBench(stand, { settings: { guiderWaitMs: 20, parkLifetimeMs: 300 } });
  const [exposure] = await bench.send({ instrument: "LSSTCam", detectors: ["R00_SG0"] });
  await bench.enqueue(exposure!.keys);
  await untilDead(1);
  expect((await collect())[0]).toMatchObject({
    code: "UNDEFINED_EXPOSURE",
    reason: `Exposure "MC_O_${dayObs}_000001" of guider "${paths(exposure!.keys)[0]}" is not in the Butler yet.`,
  });
});

it("C5: the Large File Annex has no groups, no visits and no webhook", async () => {
  bench = await makeBench(stand, { settings: { callWebhook: true } });
  const key = "FiberSpectrograph:1/rubinobs-lfa-test/2026/06/03/fiberSpec_20260603_000012.fits";
  await bench.put(
    key.replace(".fits", ".json"),
    JSON.stringify({ INSTRUME: "FiberSpectrograph", "DATE-BEG": "2026-06-04T01:00:00", GROUPID: "x" }),
  );
  await bench.put(key, "spectrum");
  await bench.enqueue([key]);
  await bench.drain();
  expect(await bench.stored()).toEqual([`s3://${bench.bucket}/${key}`]);
  expect(await stand.redis.keys("GROUP:*")).toEqual([]);
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ retrying: 0, dead: 0, followUps: 0 });
});

it("C6: Redis that fails after the Butler's commit makes no duplicate and counts once", async () => {
  bench = await makeBench(stand);
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  jest.spyOn(bench.queue, "complete").mockRejectedValueOnce(new Error("Connection is closed."));
  await expect(bench.ingester.turn()).rejects.toThrow("Connection is closed.");
  expect(await bench.stored()).toHaveLength(9);
  await bench.drain();
  expect(await bench.stored()).toHaveLength(9);
  expect(await stand.redis.hgetall(redisKey.ingested(bench.bucket, "LSSTComCam"))).toEqual({ [dayObs]: "9" });
});

it("B1: a pod that is slower than its lease neither counts nor removes what others took over", async () => {
  let goOn = () => {};
  const slow = new Promise<void>((resolve) => (goOn = resolve));
  bench = await makeBench(stand, {
    leaseMs: 300_000,
    butler: (child) => spied(child, { ingest: async (kind, files) => (await slow, child.ingest(kind, files)) }),
  });
  const other = await makeBench(stand, { same: bench, pod: "pod-1" });
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  const turn = bench.ingester.turn();
  await until(
    "the slow pod to hold the batch",
    async () => (await stand.redis.llen(redisKey.worker(bench.bucket, "pod-0"))) === 9,
  );
  await stand.redis.del(redisKey.lease(bench.bucket, "pod-0")); // as it expires
  expect(await recoverWorker(stand.redis, { bucket: bench.bucket, pod: "pod-0" }, 10)).toBe(9);
  await other.drain();
  goOn();
  await expect(turn).rejects.toThrow(LeaseLostError);
  expect(await bench.stored()).toHaveLength(9);
  expect(await stand.redis.hgetall(redisKey.ingested(bench.bucket, "LSSTComCam"))).toEqual({ [dayObs]: "9" });
  expect(await bucketState(stand.redis, bench.bucket)).toMatchObject({ queued: 0, retrying: 0, dead: 0 });
  await other.close();
});

it("finds the one file that ends the Butler, and ingests the others", async () => {
  bench = await makeBench(stand, {
    butler: (child) =>
      spied(child, {
        ingest: (kind, files) =>
          files.some(({ path }) => path.includes("R22_S12"))
            ? Promise.reject(new ButlerUnavailableError("its process ended with SIGSEGV"))
            : child.ingest(kind, files),
      }),
  });
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  for (let turn = 0; turn < 2; turn++) await expect(bench.ingester.turn()).rejects.toThrow(ButlerUnavailableError);
  await bench.ingester.turn();
  expect(await bench.stored()).toHaveLength(8);
  await until("the dead letter", async () => {
    await bench.ingester.turn().catch(() => undefined); // a Butler that ends fails the turn, until the file is tried alone
    return (await bucketState(stand.redis, bench.bucket)).dead === 1;
  });
  expect(await collect()).toMatchObject([{ code: "BUTLER_LOST", attempts: 3 }]);
});

async function bodies(key: string): Promise<{ sidecar: string; fits: Buffer }> {
  const sidecar = (await bench.store.read(key.replace(/\.fits$/, ".json"))).toString();
  return { sidecar, fits: await bench.store.read(key) };
}

function spied(child: Butler, methods: Partial<Butler>): Butler {
  return {
    hello: () => child.hello(),
    ping: () => child.ping(),
    ingest: (kind, files) => child.ingest(kind, files),
    rehearse: (file) => child.rehearse(file),
    defineVisits: (exposures) => child.defineVisits(exposures),
    known: (uris) => child.known(uris),
    ...methods,
  };
}

/** One turn that has something in hand. */
const untilTurn = () =>
  until("a turn with work", async () => (await bench.ingester.turn()) > 0, { pollMs: 20, timeoutMs: 5_000 });

const untilDead = (count: number) =>
  until(`${count} dead letters`, async () => {
    await bench.ingester.turn();
    return (await bucketState(stand.redis, bench.bucket)).dead === count;
  });

async function collect(): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of deadLetters(stand.redis, bench.bucket)) letters.push(letter);
  return letters;
}
