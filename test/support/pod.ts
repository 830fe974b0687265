import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { type RunningProcess, startProcess } from "../../local/process";
import { exitCode } from "../../workloads/src/lib/contract";
import { until } from "./network";

export const root = resolve(__dirname, "../..");
const workloads = join(root, "workloads");
/** Arguments of Node before a bundled program: it starts in half the time. */
export const quickly = ["--require", join(__dirname, "codeCache.cjs")];

/** Test files of one process share it: to see that nothing has changed takes half a second of CPU. */
const shared = globalThis as { builtWorkloads?: Promise<unknown> };

/** Bundles the workloads as `npm run build` does. */
export async function buildWorkloads(): Promise<void> {
  await (shared.builtWorkloads ??= promisify(execFile)(process.execPath, [join(workloads, "build.mjs")], {
    cwd: root,
  }));
}

export interface PodOptions {
  /** Workload, e.g. `ingest`. */
  readonly workload: string;
  /** Name of the pod; default that of the workload. */
  readonly pod?: string;
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folder for its log. */
  readonly dir: string;
}

/**
 * A workload as a pod runs it: the bundled program as a process of its own, started again half a second after it ends,
 * under the same name, as a kubelet does.
 */
export class Pod {
  readonly url: string;
  readonly name: string;
  readonly logFile: string;
  /** How often it was started again. */
  restarts = 0;
  private process: RunningProcess | undefined;
  private stopping = false;
  private loop: Promise<void> = Promise.resolve();

  private constructor(private readonly options: PodOptions) {
    this.name = options.pod ?? options.workload;
    this.url = `http://${options.address}:8000`;
    this.logFile = join(options.dir, `${this.name}.log`);
  }

  /** Starts the pod and waits until it is ready. */
  static async start(options: PodOptions): Promise<Pod> {
    const pod = new Pod(options);
    await pod.spawn();
    pod.loop = pod.keepRunning();
    try {
      await Promise.race([pod.ready(), pod.refusal()]);
      return pod;
    } catch (error) {
      await pod.stop(1_000);
      throw error;
    }
  }

  get pid(): number {
    if (!this.process) throw new Error(`Pod ${this.name} does not run.`);
    return this.process.pid;
  }

  /** Waits for `/readyz`; @throws with the end of the log. */
  async ready(): Promise<void> {
    await until(`pod ${this.name} to be ready`, () => this.answers("/readyz"), { state: () => this.tail() });
  }

  async answers(path: string): Promise<boolean> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    return response?.status === 200;
  }

  /** Value of a metric, summed over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
    const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Sends a signal to the pod's processes: SIGKILL (it is started again), SIGSTOP, SIGCONT. */
  kill(signal: NodeJS.Signals): void {
    this.process?.kill(signal);
  }

  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  tail(lines = 15): string[] {
    return this.log().trimEnd().split("\n").slice(-lines);
  }

  /** Stops it for good: SIGTERM, and SIGKILL when it takes longer than `graceMs`. Gives the exit code. */
  async stop(graceMs = 120_000): Promise<number | null> {
    this.stopping = true;
    this.process?.kill("SIGCONT"); // a stopped process does not see SIGTERM
    const exit = await this.process?.stop(graceMs);
    await this.loop;
    return exit?.code ?? null;
  }

  /** Rejects when the program refuses its environment: to start it again does not help. */
  private async refusal(): Promise<never> {
    const end = await this.process?.exited;
    if (end?.code === exitCode.badConfig) throw new Error(`Pod ${this.name} cannot start:\n${this.tail().join("\n")}`);
    return new Promise(() => undefined);
  }

  private async spawn(): Promise<void> {
    const { workload, address, env } = this.options;
    this.process = await startProcess({
      name: this.name,
      command: process.execPath,
      args: [...quickly, `dist/${workload}.js`],
      cwd: workloads,
      logFile: this.logFile,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, HTTP_HOST: address, POD_NAME: this.name, ...env },
    });
  }

  private async keepRunning(): Promise<void> {
    for (;;) {
      await this.process?.exited;
      if (this.stopping) return;
      await new Promise((done) => setTimeout(done, 500));
      if (this.stopping) return;
      this.restarts++;
      await this.spawn();
      if (this.stopping) this.kill("SIGKILL"); // stop() saw the process before this one
    }
  }
}

/** Runs a workload that ends by itself, as a Job would. @throws with the end of its log when it fails. */
export async function runJob(options: PodOptions): Promise<void> {
  const { workload, pod = workload, address, env, dir } = options;
  const logFile = join(dir, `${pod}.log`);
  const job = await startProcess({
    name: pod,
    command: process.execPath,
    args: [...quickly, `dist/${workload}.js`],
    cwd: workloads,
    logFile,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, HTTP_HOST: address, POD_NAME: pod, ...env },
  });
  const limit = setTimeout(() => job.kill("SIGKILL"), 120_000);
  const { code, signal } = await job.exited;
  clearTimeout(limit);
  if (code !== 0)
    throw new Error(`${pod} ended with ${signal ?? code}:\n${readFileSync(logFile, "utf8").slice(-2000)}`);
}
