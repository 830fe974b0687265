import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type RunningRedis, startRedis } from "../../../local/services";
import { ConfigError, parseEnv } from "../../../workloads/src/lib/contract";
import { publishRaws } from "../../../workloads/src/lib/raws";
import { addVisit, type NextVisit, parkedLetters, promptKey } from "../../../workloads/src/lib/visits";
import { promptGatewayContract } from "../../../workloads/src/prompt-gateway/contract";
import { PipelineChild } from "../../../workloads/src/prompt-gateway/pipelineChild";
import { Unit } from "../../../workloads/src/prompt-gateway/unit";
import { testAddress, testFolder, until } from "../../support/network";
import { buildWorkloads, root } from "../../support/pod";
import {
  announce,
  CommitFolder,
  consumers,
  instrument,
  isSettled,
  LocalWorker,
  log,
  pendingOf,
  rawOf,
  standIn,
  standInEnv,
  type StandInOptions,
  startWorker,
  target,
  unread,
  visitNow,
  waiting,
} from "./gatewayStand";

const address = testAddress(90);
const folder = testFolder("gateway");
let server: RunningRedis;
let redis: Redis;
let commits: CommitFolder;
let workers: LocalWorker[] = [];
let number = 0;

beforeAll(async () => {
  [server] = await Promise.all([
    startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" }),
    buildWorkloads(),
  ]);
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});
beforeEach(async () => {
  await redis.flushall();
  commits = new CommitFolder(join(folder.dir, `commits-${++number}`));
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
  expect(commits.violations()).toBe("");
});

type Change = ConstructorParameters<typeof LocalWorker>[3];
function work(
  options: StandInOptions = {},
  change: Change = {},
  name = `worker-${number}-${workers.length}`,
): LocalWorker {
  const worker = new LocalWorker(server, name, standIn(commits, options), change);
  workers.push(worker);
  return worker;
}
const unitOf = (visit: NextVisit, detector: number) =>
  redis.hgetall(promptKey.unit(instrument, visit.groupId, detector));
const committed = (visit: NextVisit, ...detectors: number[]) =>
  until(`commits of ${detectors.join(", ")}`, () => detectors.every((one) => commits.of(visit).has(one)), {
    pollMs: 20,
  });
/** Nothing is in hand, and nothing is left to do. */
const settled = () =>
  until("all entries to be read and acknowledged", () => isSettled(redis), {
    pollMs: 20,
    state: () => pendingOf(redis),
  });
const letters = async () => (await parkedLetters(redis)).map(({ stage, code, reason, attempts, detector }) => ({ stage, code, reason, attempts, detector })); // prettier-ignore

describe("a visit", () => {
  it("is committed with the raws that came before and after its announcement, and acknowledged after that", async () => {
    const visit = visitNow({ nimages: 2, duration: 10 });
    await announce(redis, visit, [4, 5]);
    work();
    work();
    await until("both to be in hand", async () => (await pendingOf(redis)).length === 2);
    expect(commits.of(visit).size).toBe(0);
    await publishRaws(redis, [rawOf(visit, 5, 1), rawOf(visit, 4, 1)], { lifetimeSeconds: 600 });
    await settled();
    const found = commits.of(visit);
    for (const detector of [4, 5]) {
      const { attempt, raws } = found.get(detector)!;
      expect([attempt, ...[...raws].sort()]).toEqual([1, rawOf(visit, detector).key, rawOf(visit, detector, 1).key]);
      expect(await unitOf(visit, detector)).toMatchObject({ state: "done", attempt: "1" });
    }
    expect(await redis.ttl(promptKey.unit(instrument, visit.groupId, 4))).toBeGreaterThan(604_000);
    // Announced anew with other fields: it was committed, and is not again.
    await addVisit(redis, target, { ...visit, survey: "OTHER", private_sndStamp: visit.private_sndStamp + 1 }, [4, 5], 1_000); // prettier-ignore
    await settled();
    expect(commits.of(visit)).toEqual(found);
  });

  it("goes on with the raws there are once the time for them is over, which 0 images always wait for", async () => {
    const [short, unknown, none] = [visitNow({ nimages: 2 }), visitNow({ nimages: 0 }), visitNow()];
    for (const [visit, raws] of [[short, true], [unknown, true], [none, false]] as const) await announce(redis, visit, [7], raws); // prettier-ignore
    work({}, { imageTimeoutMs: 200 });
    await committed(short, 7);
    await committed(unknown, 7);
    await settled();
    expect(commits.of(none).size).toBe(0);
    expect(await letters()).toEqual([{ stage: "gateway", code: "PIPELINE_FAILED", reason: "Timed out waiting for images", attempts: 1, detector: 7 }]); // prettier-ignore
  });

  it("that is too old, no visit or another instrument's costs its neighbours nothing", async () => {
    const [old, good] = [visitNow({ private_sndStamp: Date.now() / 1000 + 37 - 3_610 }), visitNow()];
    await announce(redis, old, [1]);
    const fields = (await redis.xrange(target.stream, "-", "+"))[0]![1];
    const changed = (name: string, value: string) =>
      fields.map((text, i) => (fields[i - 1] === name && i % 2 ? value : text));
    await redis.xadd(target.stream, "*", "instrument", "LSSTCam");
    await redis.xadd(target.stream, "*", ...changed("dome", "0"));
    await redis.xadd(target.stream, "*", ...changed("instrument", "LATISS"));
    await announce(redis, good, [1]);
    const worker = work({}, { maxVisits: 4 });
    expect(await worker.ended).toBeUndefined();
    expect([...commits.of(good).keys()]).toEqual([1]);
    expect(commits.of(old).size).toBe(0);
    const parked = await letters();
    expect(parked.map(({ code }) => code).sort()).toEqual(["ENUM_VALUE", "FIELD_MISSING", "WRONG_INSTRUMENT"]);
    expect(parked.find(({ code }) => code === "WRONG_INSTRUMENT")?.reason).toBe(
      'The visit is of "LATISS", and this stream\'s workers serve LSSTCam.',
    );
    expect(await pendingOf(redis)).toEqual([]);
    expect(await consumers(redis)).toEqual([]);
  });
});

describe("an attempt that fails", () => {
  it.each([
    ["a reported failure", "fail"],
    ["a child that is killed with the visit", "crash"],
    ["one killed when its commit was granted", "crash-granted"],
    ["one killed after its commit", "crash-committed"],
    ["one that hangs", "hang"],
    ["one that reports nonsense", "nonsense"],
  ] as const)("is repeated, and the visit is committed once: %s", async (_about, fault) => {
    const visit = visitNow();
    await announce(redis, visit, [1, 2]);
    work({ faults: [{ fault, attempt: 1, detector: 1 }] }, { workerTimeoutMs: fault === "hang" ? 500 : 20_000 });
    await committed(visit, 1, 2);
    await settled();
    const attempt = fault === "crash-committed" ? 1 : 2;
    expect(commits.of(visit).get(1)).toMatchObject({ attempt });
    expect(commits.of(visit).get(2)).toMatchObject({ attempt: 1 });
    expect(await unitOf(visit, 1)).toMatchObject({ state: "done", attempt: "2" });
    expect(await letters()).toEqual([]);
  });

  it("becomes a dead letter after the last, or at once when no other can do better", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1, 2, 3]);
    work({ faults: [{ fault: "fail", detector: 1 }, { fault: "fail-for-good", detector: 2 }] }); // prettier-ignore
    await committed(visit, 3);
    await until("dead letters", async () => (await letters()).length === 2);
    expect((await letters()).sort((a, b) => a.detector! - b.detector!)).toEqual([
      { stage: "gateway", code: "PIPELINE_FAILED", reason: "told to fail", attempts: 3, detector: 1 },
      { stage: "gateway", code: "PIPELINE_FAILED", reason: "told to fail", attempts: 1, detector: 2 },
    ]);
    await settled();
  });

  it("is none when the program ends in order between two visits", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1, 2, 3]);
    work({ env: { STAND_IN_VISITS: "1" } });
    await settled();
    expect([...commits.of(visit).values()].map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    expect(new Set([...commits.of(visit).values()].map(({ pid }) => pid)).size).toBe(3);
  });
});

describe("a stop", () => {
  it("hands back a visit that waits for its raws, and the attempt does not count", async () => {
    const visit = visitNow({ duration: 10 });
    await announce(redis, visit, [1], false);
    const worker = work();
    await until("the visit to be in hand", async () => (await pendingOf(redis)).length === 1);
    expect(await worker.stop()).toBeUndefined();
    expect(await pendingOf(redis)).toEqual([]);
    expect((await unread(redis)).map(({ detector, attempt }) => [detector, attempt])).toEqual([["1", undefined]]);
    expect(await consumers(redis)).toEqual([]);
  });

  it("lets a pipeline that has begun finish", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1, 2]);
    const worker = work({ env: { STAND_IN_WORK: "0.5" } });
    await until("the pipeline to have begun", async () => (await pendingOf(redis)).length === 1);
    await new Promise((done) => setTimeout(done, 200));
    await worker.stop();
    expect([...commits.of(visit).keys()]).toEqual([1]);
    expect((await unread(redis)).map(({ detector }) => detector)).toEqual(["2"]);
    expect([await pendingOf(redis), await consumers(redis)]).toEqual([[], []]);
  });

  it("ends a wait at once, and nothing is left of the worker", async () => {
    await announce(redis, visitNow(), []);
    const worker = work();
    await until("the worker to wait", async () => (await waiting(redis)) === 1);
    await worker.stop();
    expect(await consumers(redis)).toEqual([]);
  });

  it("comes by itself without a visit for too long", async () => {
    const worker = work({}, { idleTimeoutMs: 300 });
    expect(await worker.ended).toBeUndefined();
    expect(await consumers(redis)).toEqual([]);
  });
});

test("a pipeline in Python: each way in which a visit can end", async () => {
  const visit = visitNow({ position: [NaN, -65.3], groupId: "a group of detectors" });
  const detectors = [0, 1, 2, 3, 4, 5, 6, 7];
  await announce(redis, visit, detectors);
  const command = ["python3", join(__dirname, "pipeline.py"), commits.path] as [string, ...string[]];
  const env = { PATH: process.env.PATH, PYTHONPATH: join(root, "workloads/prompt-pipeline"), PYTHONDONTWRITEBYTECODE: "1" }; // prettier-ignore
  const child = new PipelineChild({ command, env, readyTimeoutMs: 20_000, log, output: "ignore" });
  const worker = new LocalWorker(server, "python", child);
  workers.push(worker);
  await settled();
  const written = (detector: number) =>
    JSON.parse(readFileSync(join(commits.path, String(detector)), "utf8")) as object;
  const common = { complete: true, attempt: 1, raws: [rawOf(visit, 0).key] };
  const facts = { group: visit.groupId, instrument, fields: 17, stolen: "", nan: true, uncertain: false };
  expect(written(0)).toEqual({ ...common, ...facts });
  for (const detector of [1, 2]) expect(written(detector)).toMatchObject({ attempt: 2, uncertain: false });
  expect(written(6)).toMatchObject({ attempt: 1 }); // found by its second attempt, which was told to look
  expect(written(7)).toMatchObject({ attempt: 2, uncertain: true });
  expect(readdirSync(commits.path).sort()).toEqual(["0", "1", "2", "6", "7"]);
  for (const detector of [0, 1, 2, 6, 7]) expect(await unitOf(visit, detector)).toMatchObject({ state: "done" });
  const dead = { stage: "gateway", code: "PIPELINE_FAILED", reason: "ValueError: no good pipelines", attempts: 1 };
  expect(await letters()).toEqual([{ ...dead, detector: 3 }]);
  expect(child.starts).toBe(2); // the one that was killed
});

describe("what goes wrong around it", () => {
  it("a worker that is killed: another takes its visit when the lease is over", async () => {
    const visit = visitNow({ duration: 60 });
    await announce(redis, visit, [1], false);
    const env = { ...standInEnv(commits), LEASE_DURATION: "0.6" };
    const victim = await startWorker(folder.dir, server, testAddress(91), "victim", env);
    await until("the visit to be in hand", async () => (await pendingOf(redis)).length === 1);
    victim.kill("SIGKILL");
    await publishRaws(redis, [rawOf(visit, 1)], { lifetimeSeconds: 600 });
    work({}, { leaseMs: 600 });
    await committed(visit, 1);
    await settled();
    expect(await unitOf(visit, 1)).toMatchObject({ state: "done", attempt: "2" });
  });

  it("a worker that is stopped past its lease: what it wakes up to commit is refused", async () => {
    const visit = visitNow({ duration: 60 });
    await announce(redis, visit, [1], false);
    const sleeper = await startWorker(folder.dir, server, testAddress(91), "sleeper", { ...standInEnv(commits), LEASE_DURATION: "0.5" }); // prettier-ignore
    const channel = promptKey.rawsChannel(instrument, visit.groupId, 1);
    const listening = async () => Number((await redis.pubsub("NUMSUB", channel))[1]);
    await until("it to wait for the raws", async () => (await listening()) === 1);
    sleeper.kill("SIGSTOP");
    work({}, { leaseMs: 500 }, "other");
    await until("the other to wait for them too", async () => (await listening()) === 2);
    await publishRaws(redis, [rawOf(visit, 1)], { lifetimeSeconds: 600 });
    await until("the other's commit to be told", async () => (await unitOf(visit, 1)).state === "done");
    sleeper.kill("SIGCONT");
    const metrics = () => fetch(`http://${testAddress(91)}:8000/metrics`).then((response) => response.text());
    await until("its commit to be refused", async () => (await metrics()).includes('commits_refused_total{instrument="LSSTCam",verdict="lost"} 1')); // prettier-ignore
    expect(await sleeper.stop()).toMatchObject({ code: 0 });
    expect(await unitOf(visit, 1)).toMatchObject({ owner: "other", attempt: "2" });
    await settled();
    expect(await letters()).toEqual([]);
  });

  it("a process of the same pod takes back at once what its predecessor held", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1]);
    await redis.xreadgroup("GROUP", target.consumerGroup, "pod-1", "COUNT", 1, "STREAMS", target.stream, ">");
    work({}, {}, "pod-1");
    await committed(visit, 1);
    expect(commits.of(visit).get(1)).toMatchObject({ attempt: 2 });
  });

  it("no stream and no group, also while it waits: it makes them", async () => {
    const visit = visitNow();
    const worker = work();
    await until("the worker to wait", async () => (await waiting(redis)) === 1);
    await redis.flushall();
    await announce(redis, visit, [1]);
    await committed(visit, 1);
    expect(await worker.stop()).toBeUndefined();
  });

  it("Redis killed while one worker waits and another works: both go on, and no attempt counts", async () => {
    const [first, second] = [visitNow({ duration: 60 }), visitNow()];
    await announce(redis, first, [1], false);
    work();
    work();
    await until("one visit in hand, one worker waiting", async () => (await pendingOf(redis)).length === 1 && (await waiting(redis)) === 1); // prettier-ignore
    await server.restart("SIGKILL");
    await announce(redis, second, [1]);
    await publishRaws(redis, [rawOf(first, 1)], { lifetimeSeconds: 600 });
    await committed(second, 1);
    await committed(first, 1);
    await settled();
    for (const visit of [first, second]) expect(commits.of(visit).get(1)).toMatchObject({ attempt: 1 });
  });

  it("two entries of one (visit, detector): one commits, the other is told", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1]);
    await addVisit(
      redis,
      target,
      { ...visit, survey: "OTHER", private_sndStamp: visit.private_sndStamp + 1 },
      [1],
      1_000,
    );
    const units = await Promise.all(
      ["a", "b"].map(async (consumer) => {
        const reply = (await redis.xreadgroup("GROUP", target.consumerGroup, consumer, "COUNT", 1, "STREAMS", target.stream, ">")) as [string, [string, string[]][]][]; // prettier-ignore
        const fields = { instrument, groupId: visit.groupId, detector: "1" };
        return new Unit(redis, target, consumer, { id: reply[0]![1][0]![0], fields }, 1);
      }),
    );
    const [one, two] = units as [Unit, Unit];
    expect(await one.commit()).toEqual({ verdict: "granted", granted: true, uncertain: false, reason: "" });
    expect(await one.commit()).toMatchObject({ verdict: "granted", uncertain: false });
    expect(await two.commit()).toMatchObject({ verdict: "busy", granted: false });
    await one.acknowledge(); // as when it was given back without an end
    expect(await two.commit()).toMatchObject({ verdict: "granted", uncertain: true });
    await two.done();
    expect(await one.commit()).toMatchObject({ verdict: "lost" });
    expect([await one.renew(), await one.state()]).toEqual([false, "done"]);
  });

  it("a pipeline that does not come up: the worker ends with the reason, and takes no visit", async () => {
    const visit = visitNow();
    await announce(redis, visit, [1]);
    const child = new PipelineChild({ command: [process.execPath, "-e", "process.exit(3)"], env: {}, readyTimeoutMs: 5_000, log, maxStarts: 2 }); // prettier-ignore
    const worker = new LocalWorker(server, "broken", child);
    expect(await worker.ended).toMatchObject({
      code: "PIPELINE_START",
      message: `${process.execPath} was not ready to process visits after 2 starts: its process ended with code 3. Its log says more.`,
    });
    expect([await pendingOf(redis), (await unread(redis)).length]).toEqual([[], 1]);
  });
});

describe("the environment", () => {
  const good = {
    REDIS_HOST: "redis",
    REDIS_PASSWORD: "pw",
    RUBIN_INSTRUMENT: "LSSTCam",
    REDIS_STREAM_NAME: "instrument:lsstcam",
    REDIS_STREAM_CONSUMER_GROUP: "lsstcam_consumer_group",
    PIPELINE_COMMAND: '["python","-m","activator"]',
  };

  it("may have all variables of the pipeline beside the gateway's own", () => {
    const pipelines = [
      ...["SKYMAP", "CENTRAL_REPO", "READ_CENTRAL_REPO", "S3_ENDPOINT_URL", "IMAGE_BUCKET", "RAW_MICROSERVICE", "KAFKA_CLUSTER"],
      ...["BUCKET_TOPIC", "PREPROCESSING_PIPELINES_CONFIG", "MAIN_PIPELINES_CONFIG", "CONFIG_APDB", "LOCAL_REPOS", "REPO_RETRY_DELAY"],
      ...["LOCAL_REPO_CONFIG", "LOCAL_REPO_CACHE_SIZE", "PRELOAD_PADDING", "EXPORT_TYPE_REGEXP", "DEBUG_EXPORT_OUTPUTS", "PLATFORM"],
      ...["REDIS_STREAM_HOST", "REDIS_RETRY_DELAY", "SASQUATCH_URL", "SASQUATCH_TOKEN", "AP_KAFKA_SERVER", "AP_KAFKA_TOPIC", "MP_SKY_URL"],
      ...["CENTRAL_IERS_CACHE", "SATTLE_URI_BASE", "OMP_NUM_THREADS", "AWS_PROFILE", "LSST_DB_AUTH", "SERVICE_LOG_LEVELS"],
    ]; // prettier-ignore
    const environment = { ...good, ...Object.fromEntries(pipelines.map((name) => [name, "x"])) };
    expect(parseEnv(promptGatewayContract, environment)).toMatchObject({
      PIPELINE_COMMAND: ["python", "-m", "activator"],
      MESSAGE_EXPIRATION: 3_600,
      WORKER_TIMEOUT: 900,
    });
  });

  it.each([
    ["python -m activator", 'is not JSON; it must be a list such as ["python","-m","activator"]'],
    ["[]", "is not a list of one or more words"],
  ])("refuses the command %s", (value, reason) => {
    const read = () => parseEnv(promptGatewayContract, { ...good, PIPELINE_COMMAND: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(`PIPELINE_COMMAND="${value}" ${reason}`);
  });
});
