import { bucketState } from "../../../workloads/src/lib/queue";
import { redisKey } from "../../../workloads/src/lib/redisKeys";
import { testAddress, until } from "../../support/network";
import { buildWorkloads, Pod } from "../../support/pod";
import { type Bench, makeBench, type Stand, startStand } from "./stand";

let stand: Stand;
let bench: Bench;
let pod: Pod | undefined;
beforeAll(async () => {
  [stand] = await Promise.all([startStand("ingest-process"), buildWorkloads()]);
});
afterAll(() => stand.stop());
beforeEach(async () => {
  bench = await makeBench(stand);
  await bench.queue.close(); // the pod works, not the test
});
afterEach(async () => {
  await pod?.stop();
  pod = undefined;
  await bench.close();
  await stand.redis.flushall();
});

const start = (env: Record<string, string> = {}) =>
  Pod.start({
    workload: "ingest",
    address: testAddress(5),
    dir: stand.dir,
    env: {
      ...stand.gateway.env,
      REDIS_HOST: stand.redisServer.host,
      REDIS_PASSWORD: "unused",
      BUCKET: bench.bucket,
      BUTLER_REPO: bench.repo,
      BUTLER_CREATE: "true",
      BUTLER_PYTHON: stand.butlerPython,
      MAX_INGESTS: "50",
      ...env,
    },
  });
const settled = (ingested: number) =>
  until(
    `${ingested} objects in the Butler`,
    async () => (await stand.redis.hvals(redisKey.ingested(bench.bucket, "LSSTComCam"))).join() === String(ingested),
    { state: async () => ({ ...(await bucketState(stand.redis, bench.bucket)), log: pod?.tail(5) }) },
  );

it("runs: ingests, counts, measures, is healthy, and stops with everything handed back", async () => {
  pod = await start();
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  await settled(9);
  await until("the visit", async () => (await bench.sql("select count(*) from visit"))[0] === "1");
  expect(await pod.answers("/healthz")).toBe(true);
  expect(await pod.metric("usdf_ingest_ingested_total")).toBe(9);
  expect(await pod.metric("usdf_ingest_latency_seconds_count")).toBe(18); // since last-modified, and since the notification
  expect(pod.log()).toContain(`Waiting on WORKER:${bench.bucket}:ingest`);
  expect(pod.log()).toContain(`"msg":"Ingested ${bench.bucket}/${exposure!.keys[0]}"`);
  expect(pod.log()).toContain("Defined visits for {instrument: 'LSSTComCam', exposure: ");
  expect(pod.log()).not.toContain("camera-secret");
  expect(await pod.stop()).toBe(0);
  expect(await stand.redis.keys("LEASE:*")).toEqual([]);
  expect(await stand.redis.keys("WORKER:*")).toEqual([]);
});

it("SIGTERM while the Butler hangs: the batch goes back to the queue within the grace period", async () => {
  pod = await start({ BUTLER_PYTHON: stand.python }); // one that is started and stopped as in production
  const butler = [...pod.log().matchAll(/"pid":(\d+),"python"/g)].at(-1); // the log holds earlier tests too
  process.kill(Number(butler![1]), "SIGSTOP");
  const [exposure] = await bench.send({ instrument: "LSSTComCam" });
  await bench.enqueue(exposure!.keys);
  await until(
    "the batch to be in hand",
    async () => (await stand.redis.llen(redisKey.worker(bench.bucket, "ingest"))) === 9,
  );
  process.kill(pod.pid, "SIGTERM"); // to Node alone, as a kubelet does
  await until("all to be queued again", async () => (await bucketState(stand.redis, bench.bucket)).queued === 9);
  await until("the process to end", () => pod!.restarts === 1);
  expect(() => process.kill(Number(butler![1]), 0)).toThrow("ESRCH");
  await settled(9); // by the process that came after it
});

it("kill -9 in the middle: the pod that comes back finishes what it held, each once", async () => {
  pod = await start({ MAX_INGESTS: "3" });
  const exposures = await bench.send({ instrument: "LSSTComCam", exposures: 10 });
  await bench.enqueue(exposures.flatMap(({ keys }) => keys));
  await until("a part to be done", async () => (await bucketState(stand.redis, bench.bucket)).queued < 80);
  pod.kill("SIGKILL");
  await settled(90);
  expect(await bench.stored()).toHaveLength(90);
  expect(pod.restarts).toBe(1);
});

it("goes on by itself after Redis and RGW restart", async () => {
  pod = await start({ MAX_INGESTS: "3", RETRY_BASE: "0.1", RETRY_MAX: "1" });
  const exposures = await bench.send({ instrument: "LSSTComCam", exposures: 6 });
  await bench.enqueue(exposures.flatMap(({ keys }) => keys));
  await Promise.all([stand.redisServer.restart("SIGKILL"), stand.gateway.rgw.restart("SIGKILL")]);
  await settled(54);
  expect(await bench.stored()).toHaveLength(54);
  expect(pod.restarts).toBe(0);
  expect((await bucketState(stand.redis, bench.bucket)).dead).toBe(0);
});
