import { execFile } from "node:child_process";
import { join } from "node:path";
import { buryObjects, FollowUps, reject } from "../../../workloads/src/lib/queue";
import { root } from "../../support/pod";
import { type Bench, dayObs, makeBench, type Stand, startStand } from "../ingest/stand";

let stand: Stand;
let bench: Bench;
beforeAll(async () => {
  stand = await startStand("embargo");
  bench = await makeBench(stand);
});
afterAll(async () => {
  await bench.close();
  await stand.stop();
});
afterEach(() => stand.redis.flushall());

/** `usdf embargo …` as a person types it, with the variables of a workload in the shell. */
function usdf(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    ...{
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NO_COLOR: "1",
      REDIS_HOST: stand.redisServer.host,
      REDIS_PASSWORD: "none",
    },
    ...{
      BUCKET: bench.bucket,
      BUTLER_REPO: bench.repo,
      BUTLER_CREATE: "true",
      BUTLER_PYTHON: stand.butlerPython,
      ...stand.gateway.env,
    },
  };
  const main = `require(${JSON.stringify(join(root, "local/cli.ts"))}).main(process.argv)`;
  const script = ["--require", "./local/typescript.cjs", "-e", main, "--", "usdf", "embargo", ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, script, { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await usdf(...args, "--env", "--json");
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Record<string, unknown>) };
};

it("shows the queues, lists what is dead, puts it back, and drops it", async () => {
  const path = (n: number) =>
    `${bench.bucket}/LATISS/${dayObs}/AT_O_${dayObs}_00000${n}/AT_O_${dayObs}_00000${n}_R00_S00.fits`;
  const letter = (n: number, code: string) => ({ path: path(n), code, reason: "made by a test" });
  await buryObjects(stand.redis, bench.bucket, [letter(1, "METADATA"), letter(2, "INGEST"), letter(3, "INGEST")]);
  await reject(stand.redis, [{ source: "webhook", reason: "is no JSON", text: "{" }]);
  expect(await json("queue")).toMatchObject({
    code: 0,
    rejected: 1,
    buckets: [{ bucket: bench.bucket, queued: 0, dead: 3 }],
  });
  const { dead } = (await json("dead", "list", "--code", "INGEST")) as { dead?: { path: string }[] };
  expect(dead!.map((item) => item.path).sort()).toEqual([path(2), path(3)]);
  expect(await usdf("dead", "retry", "--env")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Give paths, --code or --all"),
  });
  expect(await json("dead", "retry", path(2), "s3://no/such")).toMatchObject({
    code: 1,
    retried: [path(2)],
    missing: ["no/such"],
  });
  expect(await json("dead", "drop", "--code", "METADATA")).toMatchObject({ code: 0, dropped: [path(1)] });
  expect(await json("queue")).toMatchObject({ buckets: [{ queued: 1, dead: 1 }] });
  expect((await usdf("queue", "--env")).stdout).toContain(bench.bucket);
  expect((await usdf("rejected", "--env")).stdout).toContain("webhook: is no JSON");
  await json("dead", "retry", "--all");
  expect(await json("queue")).toMatchObject({ buckets: [{ queued: 2, dead: 0 }] });
});

it("puts a dead follow-up back too", async () => {
  await stand.redis.zadd(`FOLLOWUP:${bench.bucket}`, 0, '{"kind":"visit"}');
  const failure = { code: "DEFINE_VISIT", reason: "made by a test", maxAttempts: 1, delayMs: () => 1 };
  await new FollowUps(stand.redis, bench.bucket).retry('{"kind":"visit"}', failure);
  expect(await json("dead", "retry", "--all")).toMatchObject({ retried: ['followup:{"kind":"visit"}'] });
  expect(await json("queue")).toMatchObject({ buckets: [{ followUps: 1, dead: 0 }] });
});

it("reconciles", async () => {
  const [exposure] = await bench.send();
  const path = `${bench.bucket}/${exposure!.keys[0]}`;
  expect(await json("reconcile", "--min-age", "0", "--dry-run")).toMatchObject({
    code: 0,
    missed: 1,
    queued: 0,
    missedPaths: [path],
  });
  const text = await usdf("reconcile", "--min-age", "0", "--env");
  expect(text.stdout).toContain(path);
  expect(text.stdout).toContain("1 missed, 1 queued again");
  expect(await json("reconcile", "--min-age", "0")).toMatchObject({ missed: 0, pending: 1 });
  expect(text.stderr + text.stdout).not.toContain("camera-secret");
});

it("takes no password on the command line, and says when Redis does not answer", async () => {
  expect(await usdf("queue", "--redis-url", "redis://:secret@127.0.0.1")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/carries a password.*REDIS_PASSWORD instead/),
  });
  expect(await usdf("queue", "--redis-url", "redis://127.0.0.1:9")).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("Redis at 127.0.0.1:9 does not answer"),
  });
});
