import { createServer, type Server } from "node:http";
import { FollowUpWorker } from "../../../workloads/src/ingest/followUpWorker";
import { bucketState, deadLetters, FollowUps, reviveDead } from "../../../workloads/src/lib/queue";
import { testAddress, until } from "../../support/network";
import { type Bench, dayObs, log, makeBench, type Stand, startStand } from "./stand";

let stand: Stand;
let bench: Bench;
let server: Server;
/** What the image database was told, and how it answers. */
const calls: { exp_id: string; filenames: string[] }[] = [];
let answer: number | "silence" = 200;
const uri = `http://${testAddress(4)}:8080/update`;

beforeAll(async () => {
  stand = await startStand("followups");
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      calls.push(JSON.parse(body) as (typeof calls)[number]);
      if (answer !== "silence") response.writeHead(answer).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(8080, testAddress(4), resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await stand.stop();
});
beforeEach(async () => {
  calls.length = 0;
  answer = 200;
  bench = await makeBench(stand, { settings: { callWebhook: true } });
});
afterEach(async () => {
  await bench.close();
  await stand.redis.flushall();
});

const worker = (maxAttempts = 3, target = uri, timeoutMs = 4_000) =>
  new FollowUpWorker({
    followUps: new FollowUps(stand.redis, bench.bucket),
    butler: bench.child,
    log,
    webhook: { uri: target, timeoutMs },
    maxAttempts,
    retryBaseMs: 20,
    retryMaxMs: 40,
    holdMs: 5_000,
  });
const untilDone = (follow: FollowUpWorker) =>
  until("all follow-ups to leave", async () => {
    await follow.turn();
    return (await bucketState(stand.redis, bench.bucket)).followUps === 0;
  });

it("defines one visit an exposure, and tells the webhook once of each exposure, guiders apart", async () => {
  const exposures = await bench.send({
    instrument: "LSSTCam",
    exposures: 2,
    detectors: ["R22_S11", "R22_S12", "R00_SG0"],
  });
  await bench.enqueue(exposures.flatMap(({ keys }) => keys));
  await bench.drain();
  await untilDone(worker());
  expect(await bench.sql("select count(*) from visit")).toEqual(["2"]);
  const told = calls.map(({ exp_id, filenames }) => ({ exp_id, filenames: [...filenames].sort() }));
  const name = (n: number, detector: string) => `MC_O_${dayObs}_00000${n}_${detector}.fits`;
  expect(told).toHaveLength(4);
  for (const n of [1, 2]) {
    expect(told).toContainEqual({
      exp_id: `MC_O_${dayObs}_00000${n}`,
      filenames: [name(n, "R22_S11"), name(n, "R22_S12")],
    });
    expect(told).toContainEqual({ exp_id: `MC_O_${dayObs}_00000${n}`, filenames: [name(n, "R00_SG0_guider")] });
  }
});

it("C7: a webhook that is silent holds up no ingest, is tried again, and ends as a dead letter that can be put back", async () => {
  answer = "silence";
  const [exposure] = await bench.send();
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  expect(await bench.stored()).toHaveLength(1);
  await untilDone(worker(3, uri, 200));
  expect(calls).toHaveLength(3);
  const letters = [];
  for await (const letter of deadLetters(stand.redis, bench.bucket)) letters.push(letter);
  expect(letters).toHaveLength(1);
  expect(letters[0]).toMatchObject({ code: "WEBHOOK", attempts: 3 });
  expect(letters[0]!.reason).toMatch(/^POST to WEBHOOK_URI for AT_O_20260603_000001 failed: .*aborted due to timeout$/);
  answer = 200;
  await reviveDead(stand.redis, bench.bucket, [letters[0]!.path]);
  await untilDone(worker());
  expect(calls).toHaveLength(4);
  expect((await bucketState(stand.redis, bench.bucket)).dead).toBe(0);
});

it("takes an answer that is no success as a failure, and a refused connection too", async () => {
  answer = 503;
  const [exposure] = await bench.send();
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  const refused = worker(4, "http://127.0.0.1:9/update");
  await worker(4).turn();
  await until("the next attempt", async () => (await refused.turn()) > 0);
  answer = 200;
  await untilDone(worker(4));
  expect(calls).toHaveLength(2);
});

it("C7: visits that fail are tried again without holding up the webhook", async () => {
  const [exposure] = await bench.send();
  await bench.enqueue(exposure!.keys);
  await bench.drain();
  const define = jest.spyOn(bench.child, "defineVisits");
  const failed = {
    instrument: "LATISS",
    id: exposure!.exposureId,
    status: "failed" as const,
    code: "DEFINE_VISIT",
    message: "made by a test",
  };
  define.mockResolvedValueOnce([failed]);
  await worker().turn();
  expect(calls).toHaveLength(1);
  expect(await bench.sql("select count(*) from visit")).toEqual(["0"]);
  await untilDone(worker());
  expect(await bench.sql("select count(*) from visit")).toEqual(["1"]);
  expect(define).toHaveBeenCalledTimes(2);
});
