import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { clientOf, type Detector, exposureOf, fitsKey, instrumentNamed, sidecarKey } from "../../../local/camera";
import { type RunningProcess, startProcess } from "../../../local/process";
import { type ParkedLetter, parkedLetters, promptKey } from "../../../workloads/src/lib/visits";
import { startGateway, testProfile } from "../../support/gateway";
import { testAddress, until } from "../../support/network";
import { Pod, root } from "../../support/pod";
import { CommitFolder, instrument, isSettled, pendingOf, standInCommand, standInEnv, target } from "./gatewayStand";
import { notificationOf } from "../../support/notification";
import { encoded, PromptStand, type Registered, routeOf } from "./stand";

export interface SurvivalOptions {
  readonly name: string;
  /** First of the hosts of `127.A.B.x` that it takes, about 20. */
  readonly host: number;
  readonly visits: number;
  /** Processes of workers, and how many each has: 1 is the program itself with its pipeline as a child. */
  readonly processes: number;
  readonly workersPerProcess: number;
  /** Time between two kills, ms. */
  readonly killEveryMs: number;
  readonly timeoutMs: number;
  readonly tell?: (what: string) => void;
}

export interface Survival {
  /** Units (visit × detector) that are committed, and those that should be. */
  readonly committed: number;
  readonly units: number;
  /** Commits of what was committed, by workers that were not told that it might be. */
  readonly violations: string;
  /** Units that Redis knows as done. */
  readonly done: number;
  /** Raws of each commit are exactly its visit's raw. */
  readonly wrongRaws: number;
  /** Commits that took more than one attempt. */
  readonly repeated: number;
  readonly letters: readonly ParkedLetter[];
  /** How often each was killed. */
  readonly kills: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Visits that are announced together. */
const batch = 25;
const password = "pw";
const bucket = "rubin-summit";
const fileTopic = "rubin-summit-notification";
const dayObs = "20260603";
const camera = instrumentNamed(instrument);
const science = camera.detectors.filter(({ id }) => id < 189);
/** Exposures that something is wrong with. */
const foreignSeqNum = 90_001;
const missingSeqNum = 90_002;
const attempts = "50"; // what is killed again and again must not be taken for a visit that kills its workers

/** What of the bad inputs must be parked, and under which code. */
export const badCodes = ["MESSAGE", "ENUM_VALUE", "NOTIFICATION", "UNKNOWN_DETECTOR", "SIDECAR_MISSING", "FOREIGN_GROUP"] as const; // prettier-ignore

/**
 * Sends visits with all their raws, bad inputs among them, through fan-out, router and workers while each of these and Redis are
 * killed (SIGKILL) again and again, until everything that was sent is settled.
 */
export async function survive(options: SurvivalOptions): Promise<Survival> {
  const { name, host, visits, killEveryMs, timeoutMs, tell = () => undefined } = options;
  const stand = await PromptStand.start(name, host);
  const gateway = await startGateway(join(stand.folder.dir, "rgw"), testAddress(host));
  const commits = new CommitFolder(join(stand.folder.dir, "commits"));
  const pods = new Map<string, { kill(signal: NodeJS.Signals): void; stop(): Promise<unknown> }>();
  const kills: Record<string, number> = {};
  let over = false;
  try {
    const s3 = clientOf(await gateway.createBucket(bucket));
    const visitTopic = await stand.topic();
    await stand.kafka.createTopic(fileTopic, 1);
    const schema = await stand.register(visitTopic);
    const document = { instruments: { LSSTCam: routeOf("lsstcam", science.map(({ id }) => id)) }, testVisits: {} }; // prettier-ignore
    const [fanOut, router] = await Promise.all([
      stand.fanOut(visitTopic, document, { MAX_ATTEMPTS: attempts, STREAM_MAX_ENTRIES: "400000" }),
      startRouter(stand, gateway.env, host + 2),
    ]);
    pods.set("fan-out", fanOut).set("router", router);
    for (let i = 0; i < options.processes; i++) pods.set(`worker-${i}`, await startWorkers(stand, commits, options, i));
    const startMs = Date.now();

    const killing = (async () => {
      const victims = ["redis", ...pods.keys()];
      for (let turn = 0; !over; turn++) {
        const victim = victims[turn % victims.length]!;
        kills[victim] = (kills[victim] ?? 0) + 1;
        if (victim === "redis") await stand.redisServer.restart("SIGKILL");
        else pods.get(victim)!.kill("SIGKILL");
        await new Promise((done) => setTimeout(done, killEveryMs));
        if (turn % 20 === 19) tell(`${turn + 1} kills`);
      }
    })();
    const groups: string[] = [];
    try {
      await sendAll(stand, schema, visitTopic, s3, visits, groups, tell);
      // Everything is killed as long as there is much work, and at least twice.
      const killedTwice = () => Object.values(kills).filter((count) => count > 1).length > pods.size;
      const mostDone = () => countOf(commits, groups) > 0.9 * visits * science.length;
      await until("most to be committed", () => killedTwice() && mostDone(), { timeoutMs, pollMs: 500 });
    } finally {
      over = true;
      await killing;
    }
    tell("most is committed; nothing is killed any more");
    await settle(stand, commits, groups, timeoutMs);
    s3.destroy();
    return { ...(await audit(stand, commits, groups)), kills, seconds: (Date.now() - startMs) / 1000 };
  } finally {
    over = true;
    await Promise.all([...pods.values()].map((pod) => pod.stop()));
    await Promise.all([gateway.rgw.stop(), stand.stop()]);
  }
}

async function sendAll(
  stand: PromptStand,
  schema: Registered,
  visitTopic: string,
  s3: ReturnType<typeof clientOf>,
  visits: number,
  groups: string[],
  tell: (what: string) => void,
): Promise<void> {
  const put = (key: string, header: object) =>
    until("the bucket", () =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: JSON.stringify(header) })),
    );
  const notify = (keys: readonly string[]) =>
    stand.producer.send({ topic: fileTopic, messages: keys.map((key) => ({ value: notificationOf(bucket, key) })) });
  const keysOf = (seqNum: number, of: readonly Detector[] = science) => of.map((detector) => fitsKey(exposureOf(camera, dayObs, seqNum), detector)); // prettier-ignore
  const sidecarOf = (seqNum: number) => sidecarKey(keysOf(seqNum, [science[0]!])[0]!);
  const announced = (group: string) => stand.redis.exists(promptKey.visit(instrument, group)).catch(() => 0);
  // As at the Summit, a visit is announced before its files are there; some visits together, since this is no real time.
  for (let first = 1; first <= visits; first += batch) {
    const seqNums = Array.from({ length: Math.min(batch, visits + 1 - first) }, (_, i) => first + i);
    const sent = seqNums.map(() => stand.visit({ duration: 600 }));
    const names = sent.map(({ groupId }) => groupId as string);
    groups.push(...names);
    await stand.send(visitTopic, sent.map((visit) => encoded(schema, visit))); // prettier-ignore
    if (first === 1) await stand.send(visitTopic, [Buffer.from("garbage"), encoded(schema, stand.visit({ dome: 0 }))]);
    await Promise.all(seqNums.map((seqNum, i) => put(sidecarOf(seqNum), { GROUPID: names[i], CURINDEX: 1 })));
    for (const name of names)
      await until(`visit ${name} to be announced`, () => announced(name), { timeoutMs: 60_000 });
    for (const seqNum of seqNums) await notify(keysOf(seqNum));
    tell(`${seqNums.at(-1)} visits are sent`);
    if (first !== 1) continue;
    await put(sidecarOf(foreignSeqNum), { GROUPID: "2026-01-01T00:00:00.000", CURINDEX: 1 });
    const [known] = keysOf(1, [science[0]!]);
    await notify([known!.replaceAll(science[0]!.raft, "R99"), ...keysOf(foreignSeqNum).slice(0, 3), keysOf(missingSeqNum)[0]!]); // prettier-ignore
    await stand.send(fileTopic, [Buffer.from('{"Records":[')]);
  }
}

async function startRouter(stand: PromptStand, env: Readonly<Record<string, string>>, host: number): Promise<Pod> {
  return Pod.start({
    workload: "notification-router",
    address: testAddress(host),
    dir: stand.folder.dir,
    env: {
      ...env,
      REDIS_HOST: stand.redisServer.host,
      REDIS_PASSWORD: password,
      KAFKA_BROKERS: stand.kafka.bootstrap,
      BUCKET_TOPIC: fileTopic,
      CONSUMER_GROUP: "router",
      IMAGE_BUCKET: `${testProfile}@${bucket}`,
      SIDECAR_WAIT: "3",
      FOREIGN_GROUP_WAIT: "5",
      SESSION_SECONDS: "6",
    },
  });
}

async function startWorkers(stand: PromptStand, commits: CommitFolder, options: SurvivalOptions, index: number) {
  const address = testAddress(options.host + 3 + index);
  const name = `worker-${index}`;
  const env = {
    REDIS_HOST: stand.redisServer.host,
    REDIS_PASSWORD: password,
    RUBIN_INSTRUMENT: instrument,
    REDIS_STREAM_NAME: target.stream,
    REDIS_STREAM_CONSUMER_GROUP: target.consumerGroup,
    PIPELINE_COMMAND: JSON.stringify(standInCommand),
    LEASE_DURATION: "3",
    MAX_ATTEMPTS: attempts,
    LOG_CONFIG: "WARNING",
    ...standInEnv(commits),
  };
  const { dir } = stand.folder;
  if (options.workersPerProcess === 1) return Pod.start({ workload: "prompt-gateway", pod: name, address, dir, env });
  const more = {
    PATH: process.env.PATH!,
    HTTP_HOST: address,
    POD_NAME: name,
    WORKERS: String(options.workersPerProcess),
  };
  return WorkerHost.start(name, join(dir, `${name}.log`), { ...env, ...more });
}

/** A process of many workers that is started again when it ends, as a pod is. */
class WorkerHost {
  private stopping = false;
  private constructor(
    private readonly begin: () => Promise<RunningProcess>,
    private process: RunningProcess,
  ) {
    void this.keep();
  }
  static async start(name: string, logFile: string, env: Readonly<Record<string, string>>): Promise<WorkerHost> {
    const args = ["--require", join(root, "local/typescript.cjs"), join(__dirname, "workerHost.ts")];
    const begin = () => startProcess({ name, command: process.execPath, args, logFile, env });
    return new WorkerHost(begin, await begin());
  }
  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
  async stop(): Promise<void> {
    this.stopping = true;
    await this.process.stop(20_000);
  }
  private async keep(): Promise<void> {
    while (!this.stopping) {
      await this.process.exited;
      if (!this.stopping) this.process = await this.begin();
    }
  }
}

/** Waits until each unit is committed, nothing is left of the streams, and all bad inputs are parked. */
async function settle(stand: PromptStand, commits: CommitFolder, groups: readonly string[], timeoutMs: number) {
  const state = async () => ({
    committed: countOf(commits, groups),
    of: groups.length * science.length,
    settled: await isSettled(stand.redis).catch(() => false),
    pending: (await pendingOf(stand.redis).catch(() => [])).length,
    letters: [...new Set((await parkedLetters(stand.redis)).map(({ code }) => code))],
  });
  await until(
    "all units to be committed and the stream to be empty",
    async () => {
      const { committed, of, settled, letters } = await state();
      return committed === of && settled && badCodes.every((code) => letters.includes(code));
    },
    { timeoutMs, pollMs: 500, state },
  );
}

const countOf = (commits: CommitFolder, groups: readonly string[]) => groups.reduce((sum, groupId) => sum + commits.count(groupId), 0); // prettier-ignore

async function audit(stand: PromptStand, commits: CommitFolder, groups: readonly string[]) {
  let [committed, done, wrongRaws, repeated] = [0, 0, 0, 0];
  for (const [index, groupId] of groups.entries()) {
    const exposure = exposureOf(camera, dayObs, index + 1);
    const found = commits.of({ groupId });
    const pipeline = stand.redis.pipeline();
    for (const detector of science) {
      const commit = found.get(detector.id);
      pipeline.hget(promptKey.unit(instrument, groupId, detector.id), "state");
      if (!commit) continue;
      committed++;
      if (commit.raws.join() !== fitsKey(exposure, detector)) wrongRaws++;
      if (commit.attempt > 1) repeated++;
    }
    for (const [, state] of (await pipeline.exec())!) if (state === "done") done++;
  }
  const letters = await parkedLetters(stand.redis, { count: 1_000 });
  return { committed, done, wrongRaws, repeated, units: groups.length * science.length, violations: commits.violations(), letters }; // prettier-ignore
}

/** Progress of a run that takes minutes. */
export function teller(name: string): (what: string) => void {
  const startMs = Date.now();
  return (what) =>
    process.stderr.write(`${name} ${((Date.now() - startMs) / 1000).toFixed(0).padStart(3)} s: ${what}\n`);
}
