import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Exit, type RunningProcess, startProcess } from "../process";
import type { Container, Probe } from "./manifest";
import { runProbe } from "./probe";
import type { ContainerProcess } from "./process-spec";
import type { ProcessRegistry } from "./registry";

/** Delay before a container that ended is started again: doubles up to the longest, begins anew after a good while. */
const restartDelay = { firstMs: 500, longestMs: 30_000, goodWhileMs: 60_000 };
/** A log larger than this is put aside (as `.1`) at the next start of its container. */
const largestLogBytes = 32 * 2 ** 20;

export interface ContainerOptions {
  readonly container: Container;
  readonly process: ContainerProcess;
  readonly address: string;
  readonly logFile: string;
  readonly registry: ProcessRegistry;
  /** Key in the registry. */
  readonly key: string;
  /** Digest of the pod: a process of an earlier supervisor with the same one is taken over. */
  readonly hash: string;
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  readonly graceMs: number;
}

export interface ContainerStatus {
  readonly name: string;
  readonly state: "waiting" | "running" | "ended";
  readonly ready: boolean;
  readonly restarts: number;
  readonly pid?: number;
  /** Why it is not ready, or was started again. */
  readonly reason?: string;
  readonly lastExit?: Exit;
}

/** One container of a pod: its process, probes and restarts. */
export class ContainerRun {
  private running: RunningProcess | undefined;
  private restarts = 0;
  private ready = false;
  private reason: string | undefined;
  private lastExit: Exit | undefined;
  private state: ContainerStatus["state"] = "waiting";
  private readonly stopping = new AbortController();
  /** Settles when the container has ended for good; with its last exit. */
  readonly ended: Promise<Exit>;

  constructor(private readonly options: ContainerOptions) {
    this.ended = this.keepRunning();
  }

  status(): ContainerStatus {
    const { state, ready, restarts, reason, lastExit } = this;
    return { name: this.options.container.name, state, ready, restarts, pid: this.running?.pid, reason, lastExit };
  }

  /** Asks it to end, and kills it when it is still there after the grace period. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.ready = false;
    await this.running?.stop(this.options.graceMs);
    await this.ended;
  }

  private async keepRunning(): Promise<Exit> {
    const { restartPolicy } = this.options;
    for (let failures = 0; ;) {
      const startedMs = Date.now();
      const exit = await this.runOnce().catch((error: Error): Exit => {
        this.reason = error.message;
        return { code: 127, signal: null };
      });
      this.lastExit = exit;
      this.ready = false;
      const again = restartPolicy === "Always" || (restartPolicy === "OnFailure" && exit.code !== 0);
      if (this.stopping.signal.aborted || !again) {
        this.state = "ended";
        return exit;
      }
      failures = Date.now() - startedMs > restartDelay.goodWhileMs ? 1 : failures + 1;
      const delayMs = Math.min(restartDelay.firstMs * 2 ** (failures - 1), restartDelay.longestMs);
      this.state = "waiting";
      this.reason ??= `ended with ${exit.signal ?? `code ${exit.code}`}`;
      await sleep(delayMs, undefined, { signal: this.stopping.signal }).catch(() => {});
      if (this.stopping.signal.aborted) {
        this.state = "ended";
        return exit;
      }
      this.restarts++;
    }
  }

  private async runOnce(): Promise<Exit> {
    const { container, process: spec, logFile, registry, key, hash, graceMs } = this.options;
    const adopted = await registry.adopt(key, hash, graceMs);
    if (!adopted) rotate(logFile);
    const running = adopted ?? (await startProcess({ name: container.name, ...spec, logFile, outlivesParent: true }));
    registry.set(key, running, hash);
    this.running = running;
    this.state = "running";
    this.reason = undefined;
    if (this.stopping.signal.aborted) void running.stop(graceMs); // asked to stop while it started
    const over = new AbortController();
    const probing = this.probe(running, AbortSignal.any([over.signal, this.stopping.signal]));
    const exit = await running.exited;
    over.abort();
    await probing;
    this.running = undefined;
    registry.remove(key, running);
    return exit;
  }

  /** Startup probe, then readiness and liveness until the process ends. */
  private async probe(running: RunningProcess, over: AbortSignal): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.options.container;
    if (startupProbe && !(await this.started(startupProbe, running, over))) return;
    if (!readinessProbe) this.ready = running.isAlive() && !over.aborted;
    await Promise.all([
      readinessProbe && this.watchReadiness(readinessProbe, over),
      livenessProbe && this.watchLiveness(livenessProbe, running, over),
    ]);
  }

  private async started(probe: Probe, running: RunningProcess, over: AbortSignal): Promise<boolean> {
    const { periodSeconds = 10, failureThreshold = 3, initialDelaySeconds = 0 } = probe;
    const deadline = Date.now() + (initialDelaySeconds + periodSeconds * failureThreshold) * 1000;
    while (!over.aborted) {
      const failure = await this.run(probe);
      if (failure === undefined) return true;
      this.reason = failure;
      if (Date.now() > deadline) {
        await this.restart(running, `startup probe failed: ${failure}`);
        return false;
      }
      // Sooner than each period: a start here takes a tenth of a second.
      await pause(Math.min(periodSeconds * 1000, 100), over);
    }
    return false;
  }

  private async watchReadiness(probe: Probe, over: AbortSignal): Promise<void> {
    const { periodSeconds = 10, failureThreshold = 3 } = probe;
    for (let failures = 0, tries = 0; !over.aborted; tries++) {
      const failure = await this.run(probe);
      if (over.aborted) return;
      failures = failure === undefined ? 0 : failures + 1;
      if (failure === undefined) {
        this.ready = true;
        this.reason = undefined;
      } else if (!this.ready || failures >= failureThreshold) {
        this.ready = false;
        this.reason = failure;
      }
      const soon = !this.ready && tries < 100;
      await pause(Math.min(periodSeconds * 1000, soon ? 100 : Infinity), over);
    }
  }

  private async watchLiveness(probe: Probe, running: RunningProcess, over: AbortSignal): Promise<void> {
    const { periodSeconds = 10, failureThreshold = 3, initialDelaySeconds = 0 } = probe;
    await pause(initialDelaySeconds * 1000, over);
    for (let failures = 0; !over.aborted;) {
      const failure = await this.run(probe);
      failures = failure === undefined ? 0 : failures + 1;
      if (failures >= failureThreshold && !over.aborted)
        return this.restart(running, `liveness probe failed: ${failure}`);
      await pause(periodSeconds * 1000, over);
    }
  }

  private run(probe: Probe) {
    return runProbe(probe, this.options.container, this.options.address, this.options.process);
  }

  private async restart(running: RunningProcess, reason: string): Promise<void> {
    this.ready = false;
    this.reason = reason;
    await running.stop(this.options.graceMs);
    this.reason = reason;
  }
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => {});
}

function rotate(logFile: string): void {
  if (!existsSync(logFile) || statSync(logFile).size < largestLogBytes) return;
  rmSync(`${logFile}.1`, { force: true });
  renameSync(logFile, `${logFile}.1`);
}
