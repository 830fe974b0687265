import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { RunningProcess } from "../../local/process";
import { type RunningRedis, startRedis } from "../../local/services";
import { ensureGroup } from "../../workloads/src/lib/visits";
import { PipelineChild } from "../../workloads/src/prompt-gateway/pipelineChild";
import type { Pipeline } from "../../workloads/src/prompt-gateway/processVisit";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads } from "../support/pod";
import { announce, isSettled, LocalWorker, log, startWorker, target, visitNow, waiting } from "../workloads/prompt/gatewayStand"; // prettier-ignore
import { type BenchResult, median, rssMb } from "./harness";

/** Workers that wait, as the facility may have. */
const idle = 400;
/** Of these, processes of their own: what all 400 would cost follows from them, and their memory is not to be had here. */
const processes = 40;
/** Twice as long as a wait for a visit lasts: each worker's whole turn is measured twice. */
const measuredMs = 120_000;
const visits = 300;
/** Says that it is ready, and waits: what a loaded pipeline program does between visits. */
const waitingProgram = ["sh", "-c", `echo '{"type":"ready"}' >&3; exec cat > /dev/null`];
/** Reports when it got the visit. */
const clockProgram = `
const { writeSync } = require("node:fs");
const say = (report) => writeSync(3, JSON.stringify(report) + "\\n");
say({ type: "ready" });
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const at = performance.timeOrigin + performance.now();
  if (JSON.parse(line).type === "visit") say({ type: "done", outcome: "ignored", reason: String(at) });
});`;

export async function bench(): Promise<BenchResult[]> {
  const { dir, remove } = testFolder("bench-gateway");
  const address = testAddress(90);
  const [server] = await Promise.all([
    startRedis({ dir: join(dir, "redis"), address, password: "pw" }),
    buildWorkloads(),
  ]);
  const redis = new Redis({ host: address, password: "pw" });
  try {
    await ensureGroup(redis, target);
    return [...(await measureIdle(dir, server, redis)), ...(await measureDelay(server, redis))];
  } finally {
    redis.disconnect();
    await server.stop();
    remove();
  }
}

/** Processes, and the rest as workers in this process, so that Redis has all of them. */
async function measureIdle(dir: string, server: RunningRedis, redis: Redis): Promise<BenchResult[]> {
  const env = { PIPELINE_COMMAND: JSON.stringify(waitingProgram), FANNED_OUT_MSG_LISTEN_TIMEOUT: "3600" };
  const running: RunningProcess[] = [];
  const local: LocalWorker[] = [];
  try {
    for (let i = 0; i < processes; i++) {
      running.push(await startWorker(dir, server, testAddress(91 + i), `worker-${i}`, env));
      await until("the worker to wait", async () => (await waiting(redis)) === i + 1, { timeoutMs: 60_000 });
    }
    const none: Pipeline = { ready: () => Promise.resolve(), begin: () => Promise.reject(), tell() {}, abandon() {}, starts: 1 }; // prettier-ignore
    const settings = { idleTimeoutMs: 3_600_000 };
    for (let i = processes; i < idle; i++) local.push(new LocalWorker(server, `worker-${i}`, none, settings));
    await until("all to wait", async () => (await waiting(redis)) === idle, { timeoutMs: 60_000 });
    await sleep(90_000); // V8 tidies up for half a minute after a start, longer on a busy machine
    const pids = running.map(({ pid }) => pid);
    const before = [cpuMs(server.process.pid), ...pids.map(cpuMs)];
    await sleep(measuredMs);
    const after = [cpuMs(server.process.pid), ...pids.map(cpuMs)];
    // Those that began together turn together, for a moment: looked at then, they are at work.
    await until("all to wait still", async () => (await waiting(redis)) === idle, { state: () => waiting(redis) });
    const [inRedis, ...inWorkers] = after.map((ms, i) => ms - before[i]!) as [number, ...number[]];
    const gateways = (inWorkers.reduce((sum, ms) => sum + ms, 0) / processes) * idle;
    const percent = (ms: number) => (100 * ms) / measuredMs;
    return [
      { name: `prompt: ${idle} idle workers, Redis and gateways`, unit: "% of a core", figure: percent(inRedis + gateways), bound: { atMost: 2 } },
      { name: "prompt: of that, Redis", unit: "% of a core", figure: percent(inRedis), bound: { atMost: 1 } },
      { name: "prompt: an idle gateway, resident", unit: "MB", figure: median(pids.map((pid) => rssMb(pid))), bound: { atMost: 90 } },
      { name: "prompt: an idle gateway, its share of what is resident", unit: "MB", figure: median(pids.map(pssMb)), bound: { atMost: 60 } },
    ]; // prettier-ignore
  } finally {
    await Promise.all([...running.map((one) => one.stop(10_000)), ...local.map((one) => one.stop())]);
  }
}

/** From before a visit is put into the stream to when the pipeline program has it. */
async function measureDelay(server: RunningRedis, redis: Redis): Promise<BenchResult[]> {
  const env = { PATH: process.env.PATH };
  const child = new PipelineChild({
    command: [process.execPath, "-e", clockProgram],
    env,
    readyTimeoutMs: 20_000,
    log,
  });
  const taken: number[] = [];
  const pipeline: Pipeline & { close(): Promise<void> } = {
    ready: () => child.ready(),
    begin: async (...args) => {
      const done = await child.begin(...args);
      taken.push(Number(done.reason));
      return done;
    },
    tell: (order) => child.tell(order),
    abandon: (reason) => child.abandon(reason),
    close: () => child.close(),
    starts: 1,
  };
  const worker = new LocalWorker(server, "worker", pipeline);
  const sent: number[] = [];
  for (let i = 0; i < visits; i++) {
    await until("the worker to wait", async () => (await waiting(redis)) === 1, { pollMs: 5 });
    sent.push(performance.timeOrigin + performance.now());
    await announce(redis, visitNow(), [1], false);
    await until("the visit to be done", async () => taken.length > i && (await isSettled(redis)), { pollMs: 5 });
  }
  await worker.stop();
  const delays = sent.map((ms, i) => taken[i]! - ms).sort((a, b) => a - b);
  return [
    { name: "prompt: visit into the stream to pipeline program, p99", unit: "ms", figure: delays[Math.ceil(visits * 0.99) - 1]!, bound: { atMost: 50 } },
    { name: "prompt: the same, median", unit: "ms", figure: median(delays), bound: { atMost: 10 } },
  ]; // prettier-ignore
}

/** CPU time of a process so far, ms: of all its threads, in nanoseconds by /proc; its ticks of 10 ms are too coarse here. */
function cpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
  );
  return ns.reduce((sum, one) => sum + one, 0) / 1e6;
}

/** Memory of a process, what it shares divided among those that share it, MB. */
function pssMb(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]) / 1024;
}
