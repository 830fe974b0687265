import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseObjectPath } from "../../workloads/src/lib/objectPath";
import { enqueueObjects } from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { sendExposures } from "../../local/camera";
import { testProfile } from "../support/gateway";
import { testAddress, until } from "../support/network";
import { buildWorkloads, Pod } from "../support/pod";
import { startStand } from "../workloads/ingest/stand";
import { type BenchResult, byTurns, rssMb } from "./harness";

const dayObs = "20260603";
const rounds = 5;

/** One LSSTCam exposure, from its 205 paths in the queue to 205 datasets counted in Redis. */
export async function bench(): Promise<BenchResult[]> {
  const [stand] = await Promise.all([startStand("bench-ingest"), buildWorkloads()]);
  const target = await stand.gateway.createBucket("bench");
  const bucket = `${testProfile}@${target.name}`;
  const { exposures } = await sendExposures({
    instrument: "LSSTCam",
    bucket: target,
    exposures: 2 * (rounds + 1),
    dayObs,
  });
  const env = {
    ...stand.gateway.env,
    REDIS_HOST: stand.redisServer.host,
    REDIS_PASSWORD: "none",
    BUCKET: bucket,
    BUTLER_REPO: join(stand.dir, "repo"),
    BUTLER_CREATE: "true",
    BUTLER_PYTHON: stand.python,
    MAX_INGESTS: "250",
  };
  const pod = await Pod.start({ workload: "ingest", address: testAddress(34), dir: stand.dir, env });
  const bare = startBare(stand.python, [join(stand.dir, "bare"), target.endpoint, target.name, testProfile], {
    ...stand.gateway.env,
    AWS_ACCESS_KEY_ID: target.accessKey,
    AWS_SECRET_ACCESS_KEY: target.secretKey,
  });
  try {
    await bare.answer(); // ready
    let next = 0;
    let done = 0;
    const keys = () => exposures[next++]!.keys;
    const ours = async () => {
      const records = keys().map((key) => ({ object: parseObjectPath(`${bucket}/${key}`), identity: "bench" }));
      const started = performance.now();
      await enqueueObjects(stand.redis, records);
      done += records.length;
      const ingested = async () =>
        (await stand.redis.hget(redisKey.ingested(bucket, "LSSTCam"), dayObs)) === String(done);
      await until("the exposure in the Butler", ingested, { pollMs: 5, state: () => pod.tail() });
      return performance.now() - started;
    };
    const result = await byTurns(rounds, ours, () => bare.ask(keys()));
    const about = "Python: the same sidecars, 32 at a time, and one butler.ingest";
    return [
      {
        name: "ingest, one LSSTCam exposure (205 files)",
        unit: "ms",
        ...result,
        bareAbout: about,
        bound: { ratioAtMost: 1.25 },
      },
      { name: "ingest, most memory (Node)", unit: "MB", figure: rssMb(pod.pid, true), bound: { atMost: 256 } },
    ];
  } finally {
    bare.stop();
    await pod.stop();
    await stand.stop();
  }
}

function startBare(python: string, args: readonly string[], env: Record<string, string>) {
  const script = join(__dirname, "bare/ingest.py");
  const child: ChildProcess = spawn(python, [script, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = (await lines.next()) as { value?: string; done?: boolean };
    if (done || value === undefined) throw new Error(`${script} ended; see its error above`);
    return value;
  };
  return {
    answer,
    ask: async (keys: readonly string[]) => {
      child.stdin!.write(`${JSON.stringify(keys)}\n`);
      return Number(await answer());
    },
    stop: () => child.kill(),
  };
}
