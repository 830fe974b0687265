/** What ingest does with canaries, with what only pretends to be one, and with the real files beside them. */
import { makeCanary } from "../../../local/verify/canary";
import { canaryExpId, isCanary } from "../../../workloads/src/lib/canary";
import { parseObjectPath } from "../../../workloads/src/lib/objectPath";
import { bucketState, type DeadLetter, deadLetters } from "../../../workloads/src/lib/queue";
import { type Bench, type Stand, makeBench, startStand } from "./stand";

let stand: Stand;
let bench: Bench;
beforeAll(async () => (stand = await startStand("canary")));
beforeEach(async () => (bench = await makeBench(stand, { settings: { callWebhook: true } })));
afterEach(() => bench.close());
afterAll(() => stand.stop());

/** Sends a canary, its header changed; @returns its key. */
async function send(seqNum: number, change: object = {}, key?: string): Promise<string> {
  const canary = makeCanary(bench.bucket, seqNum);
  const header = { ...(JSON.parse(canary.sidecar.toString()) as object), ...change };
  const name = key ?? canary.key;
  await bench.put(name.replace(/\.fits$/, ".json"), JSON.stringify(header));
  await bench.put(name, canary.fits);
  await bench.enqueue([name]);
  return name;
}

async function dead(): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of deadLetters(stand.redis, bench.bucket)) letters.push(letter);
  return letters;
}

it("rehearses a canary beside real files of the same batch: they stay and are counted, it does not and is not", async () => {
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys.slice(0, 5));
  const key = await send(1);
  await bench.enqueue(exposure!.keys.slice(5));
  expect(await bench.drain()).toBe(10);
  expect(await bench.stored()).toEqual([...exposure!.keys].sort().map((one) => `s3://${bench.bucket}/${one}`));
  expect(await bench.sql("select obs_id from exposure")).toEqual([exposure!.obsId]);
  expect(await bench.sql("select count(*) from day_obs")).toEqual(["1"]);
  expect(await bench.sql("select count(*) from instrument")).toEqual(["1"]); // LSSTCam is the canary's alone
  const { redis } = stand;
  expect(await redis.hgetall(`INGEST:${bench.bucket}:LSSTComCam`)).toEqual({ "20260603": "9" });
  const followUps = await redis.zrange(`FOLLOWUP:${bench.bucket}`, 0, -1);
  expect(followUps.some((text) => text.includes(exposure!.obsId))).toBe(true); // webhook and visit of the real one
  expect(followUps.join()).not.toMatch(/MC_V|1990/);
  // The canary is where usdf verify looks for it.
  expect(await redis.hget(`FILE:${bench.bucket}/${key}`, "ingest_time")).toMatch(/^\d+/);
  expect(await redis.get(`GROUP:LSSTCam:${canaryExpId(1)}:0:R22_S11`)).toBe(`s3://${bench.bucket}/${key}`);
  expect(await bucketState(redis, bench.bucket)).toMatchObject({ queued: 0, retrying: 0, dead: 0 });
});

it.each([
  { about: "no keyword", change: { CANARY: undefined } },
  { about: "another value", change: { CANARY: true } },
  { about: "a controller that the Butler would take", change: { CONTRLLR: "O" } },
  { about: "the OBSID of another exposure", change: { OBSID: "MC_O_20260603_000001" } },
])("refuses the name of a canary over a header with $about", async ({ change }) => {
  const key = await send(2, change);
  await bench.drain();
  expect(await dead()).toMatchObject([
    {
      path: `${bench.bucket}/${key}`,
      code: "CANARY",
      attempts: 1,
      reason:
        `"${bench.bucket}/${key}" has the name of a canary of usdf verify, its header does not say so: nothing was ` +
        "ingested. A camera must not use this name; remove the object",
    },
  ]);
  expect(await bench.stored()).toEqual([]);
});

it("never drops an exposure because its header says canary: a dead letter names it", async () => {
  const obsId = "MC_O_20260603_000007";
  const key = await send(3, { OBSID: obsId, DAYOBS: "20260603", CONTRLLR: "O" }, `LSSTCam/20260603/${obsId}/${obsId}_R22_S11.fits`); // prettier-ignore
  await bench.drain();
  expect(await dead()).toMatchObject([
    {
      code: "CANARY",
      reason:
        `"${bench.bucket}/${key}" has the keyword CANARY, its name is none of a canary of usdf verify: nothing was ingested. ` +
        "If it is an exposure, PUT it without the keyword (file and sidecar)",
    },
  ]);
});

it("forgets a canary whose sender removed it before the notification came", async () => {
  const key = await send(4);
  await bench.remove(key);
  await bench.remove(key.replace(/\.fits$/, ".json"));
  expect(await bench.drain()).toBe(1);
  expect(await dead()).toEqual([]);
  expect(await stand.redis.keys(`*${key}*`)).toEqual([]);
  expect(await stand.redis.keys(`REC*:${bench.bucket}*`)).toEqual([]);
});

it("an ingest that knows no canaries cannot make an exposure of one: the Butler refuses the header", async () => {
  const canary = makeCanary(bench.bucket, 5);
  const metadata = JSON.parse(canary.sidecar.toString()) as Record<string, unknown>;
  await bench.put(canary.key, canary.fits);
  const uri = `s3://${canary.object.path}`;
  const [result] = await bench.child.ingest("raw", [{ path: canary.object.path, uri, metadata }]);
  expect(result).toMatchObject({ status: "failed", code: "METADATA" });
  expect(result!.message).toContain('CONTRLLR is "V", not one of O, C, H, P, Q, S.');
  expect(await bench.sql("select count(*) from exposure")).toEqual(["0"]);
});

it.each([
  ["another day", "LSSTCam/20260603/MC_V_19900101_000001/f.fits"],
  ["another day in the name", "LSSTCam/19900101/MC_V_20260603_000001/f.fits"],
  ["a camera's letter", "LSSTCam/19900101/MC_O_19900101_000001/f.fits"],
])("%s is no name of a canary", (_, key) => expect(isCanary(parseObjectPath(`b/${key}`), {})).toBe(false));
