import { execFile } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { sendExposures } from "../../local/camera";
import { type LocalStack, SupervisorClient } from "../../local/runner";
import type { Journey } from "../../local/runner/first-exposure";
import { startRgw } from "../../local/services";
import { openState } from "../../local/state";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { testAddress, testFolder, until } from "../support/network";
import { root } from "../support/pod";
import { type BenchResult, median, timedMs } from "./harness";

const run = promisify(execFile);
const dayObs = "20260603";

/**
 * `usdf up` in a fresh checkout of its own (services installed, nothing running, nothing made before), beside the start of
 * a gateway alone; then how long LSSTCam exposures take from their last PUT to the Butler in that stack.
 */
export async function bench(): Promise<BenchResult[]> {
  const folder = testFolder("bench-up");
  const checkout = join(folder.dir, "checkout");
  const notCopied = new Set([".git", ".usdf", "node_modules", "dist", "coverage"]);
  cpSync(root, checkout, { recursive: true, filter: (path) => path === root || !notCopied.has(basename(path)) });
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  const usdf = (...args: string[]) =>
    run(process.execPath, [join(checkout, "local/usdf.mjs"), ...args], { cwd: checkout, maxBuffer: 64 << 20 });
  try {
    let rgw: Awaited<ReturnType<typeof startRgw>> | undefined;
    const rgwMs = await timedMs(async () => {
      rgw = await startRgw({ dir: join(folder.dir, "rgw"), address: testAddress(40) });
    });
    await rgw?.stop();
    let printed = "";
    const upMs = await timedMs(async () => (printed = (await usdf("up", "--json")).stdout));
    const { journey } = JSON.parse(printed) as { journey: Journey };
    const againMs = await timedMs(() => usdf("up", "--json"));
    const stack = await new SupervisorClient(await openState(checkout)).stack();
    const exposures = await exposureTimes(stack);
    return [
      {
        name: `usdf up, services installed, with one ${journey.instrument} exposure of ${journey.files} files`,
        unit: "s",
        figure: upMs / 1000,
        bare: rgwMs / 1000,
        bareAbout: "start of a gateway alone",
        bound: { atMost: 40 },
      },
      { name: "usdf up again, nothing to change", unit: "s", figure: againMs / 1000, bound: {} },
      {
        name: "LSSTCam exposure in the Butler after its last PUT",
        unit: "s",
        figure: median(exposures.map(({ afterLastPut }) => afterLastPut)),
        bare: median(exposures.map(({ putting }) => putting)),
        bareAbout: "its 410 PUTs",
        bound: { atMost: 5 },
      },
    ];
  } finally {
    await usdf("down", "--json").catch((error: unknown) => process.stderr.write(`usdf down: ${String(error)}\n`));
    folder.remove();
  }
}

/** Sends three exposures one after the other; seconds of each. */
async function exposureTimes(stack: LocalStack): Promise<{ putting: number; afterLastPut: number }[]> {
  const redis = new Redis(stack.redis);
  try {
    const times = [];
    for (let turn = 0; turn < 3; turn++) {
      const bucket = { ...stack.s3, name: stack.bucket.name };
      const sent = await sendExposures({ instrument: "LSSTCam", bucket, exposures: 1, dayObs });
      const { keys, lastPutMs } = sent.exposures[0] as (typeof sent.exposures)[0];
      // ingest writes the time only after the Butler has committed.
      const ingestTimes = await until(
        "the exposure to be ingested",
        async () => {
          const query = redis.pipeline();
          for (const key of keys) query.hget(redisKey.file(`${stack.bucket.path}/${key}`), "ingest_time");
          const found = ((await query.exec()) ?? []).map(([, value]) => value as string | null);
          return found.every((value) => value !== null) && found.map(Number);
        },
        { timeoutMs: 60_000, pollMs: 50 },
      );
      times.push({ putting: sent.seconds, afterLastPut: Math.max(...ingestTimes) - lastPutMs / 1000 });
    }
    return times;
  } finally {
    redis.disconnect();
  }
}
