import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Writable } from "node:stream";
import { FacilityError, messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import { type Done, type Grant, type Order, parseReport, type Report, reportLimit } from "./protocol";

export interface PipelineChildOptions {
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Longest time from start to `ready`, ms. */
  readonly readyTimeoutMs: number;
  readonly log: Logger;
  /** Starts in a row that never came to `ready`, after which it is given up. Default 3. */
  readonly maxStarts?: number;
  /** Where its output and errors go: to ours, which are the pod's log, or nowhere. Default "inherit". */
  readonly output?: "inherit" | "ignore";
}

/** The program ended, was ended or wrote nonsense while it held a visit. */
export class PipelineLostError extends FacilityError {
  readonly code = "PIPELINE_LOST";
  readonly retryable = true;
  /** @param untouched - It ended in order, with code 0, and had said nothing of the visit: another one may take it. */
  constructor(
    reason: string,
    readonly untouched = false,
  ) {
    super(`The pipeline was lost: ${reason}. Its log says more.`);
  }
}

/** The program does not come up; another pod may fare better, visits must not suffer. */
export class PipelineStartError extends FacilityError {
  readonly code = "PIPELINE_START";
  readonly retryable = false;
  constructor(command: readonly string[], starts: number, reason: string) {
    super(`${command[0]} was not ready to process visits after ${starts} starts: ${reason}. Its log says more.`);
  }
}

/** Time that the program has to end by itself when its input is closed or it is told to end, ms. */
const endMs = 5_000;
const restartBaseMs = 200;
const restartMaxMs = 10_000;

/** Time that what was reported last has to arrive after the end of the process, ms. */
const lastWordsMs = 2_000;

interface InHand {
  /** Whether it reported anything of the visit. */
  heard: boolean;
  readonly onCommit: () => Promise<Grant>;
  resolve(done: Done): void;
  reject(error: Error): void;
}

/**
 * The pipeline program: loaded once, then one visit after the other. It is the leader of a process group, which ends with it.
 */
export class PipelineChild {
  private child: ChildProcess | undefined;
  private readiness: Promise<void> | undefined;
  private current: InHand | undefined;
  private onReady: (() => void) | undefined;
  private onLost: ((reason: string) => void) | undefined;
  /** Why the child is being ended, instead of how it ends. */
  private why: string | undefined;
  private closed = false;
  /** Times that it was started. */
  starts = 0;
  /** Whether it can take a visit, or has one. */
  isReady = false;

  constructor(private readonly options: PipelineChildOptions) {}

  /**
   * Starts the program where it does not run, and waits until it can take a visit.
   * @throws {@link PipelineStartError}
   */
  ready(): Promise<void> {
    if (this.isReady) return Promise.resolve();
    this.readiness ??= this.bringUp().finally(() => (this.readiness = undefined));
    return this.readiness;
  }

  /**
   * Gives it a visit. One at a time, when it is {@link ready}.
   * @param onCommit - Asked when the program wishes to commit.
   * @returns how the visit ended. @throws {@link PipelineLostError}
   */
  begin(order: Extract<Order, { type: "visit" }>, onCommit: () => Promise<Grant>): Promise<Done> {
    if (!this.isReady) return Promise.reject(new PipelineLostError("it ended before it got the visit", true));
    return new Promise((resolve, reject) => {
      this.current = { heard: false, onCommit, resolve, reject };
      this.send(order);
    });
  }

  /** Tells it more of the visit in hand; nothing when there is none. */
  tell(order: Extract<Order, { type: "raw" | "rawsEnd" }>): void {
    if (this.current) this.send(order);
  }

  /** Ends the program; the visit in hand fails for this reason. */
  abandon(reason: string): void {
    if (!this.child) return;
    this.why = reason;
    this.kill(this.child, "SIGTERM");
    const { child } = this;
    setTimeout(() => this.kill(child, "SIGKILL"), endMs).unref();
  }

  /** Ends the program by closing its input; harder when it does not listen. */
  async close(): Promise<void> {
    this.closed = true;
    const { child } = this;
    if (!child) return;
    const ended = new Promise<void>((resolve) =>
      child.exitCode !== null || child.signalCode !== null ? resolve() : child.once("exit", () => resolve()),
    );
    child.stdin?.end();
    const timers = [
      setTimeout(() => this.kill(child, "SIGTERM"), endMs),
      setTimeout(() => this.kill(child, "SIGKILL"), 2 * endMs),
    ];
    await ended;
    timers.forEach(clearTimeout);
  }

  private async bringUp(): Promise<void> {
    const { command, maxStarts = 3, log } = this.options;
    let reason = "";
    for (let start = 1; start <= maxStarts && !this.closed; start++) {
      reason = await this.startOnce();
      if (reason === "") return;
      const delayMs = backoffMs(start, restartBaseMs, restartMaxMs);
      log.error({ reason, start, delayMs }, "The pipeline did not come up");
      if (start < maxStarts) await sleep(delayMs);
    }
    throw new PipelineStartError(command, maxStarts, reason);
  }

  /** @returns nothing when it is ready, else why it is not. */
  private startOnce(): Promise<string> {
    const { readyTimeoutMs } = this.options;
    return new Promise((resolve) => {
      const end = (reason: string) => {
        clearTimeout(timer);
        this.onReady = this.onLost = undefined;
        resolve(reason);
      };
      const timer = setTimeout(
        () => this.abandon(`it was not ready within ${readyTimeoutMs / 1000} s`),
        readyTimeoutMs,
      );
      this.onReady = () => end("");
      this.onLost = end;
      this.start();
    });
  }

  private start(): void {
    const { command, env, log, output = "inherit" } = this.options;
    const [program, ...args] = command;
    this.starts++;
    this.why = undefined;
    // A group of its own: what it starts ends with it, and a signal to the gateway is not one to a visit in hand.
    const child = spawn(program, args, { env, stdio: ["pipe", output, output, "pipe"], detached: true });
    this.child = child;
    child.on("error", (error) => this.gone(child, `cannot run "${program}": ${error.message}`));
    child.on("exit", (code, signal) => {
      this.kill(child, "SIGKILL"); // what it started
      const end = () => this.gone(child, `its process ended with ${signal ?? `code ${code}`}`, code === 0);
      const timer = setTimeout(end, lastWordsMs);
      child.once("close", () => {
        clearTimeout(timer);
        end();
      });
    });
    child.stdin?.on("error", (error) => log.debug({ reason: error.message }, "The pipeline reads no more"));
    this.listen(child, child.stdio[3] as Duplex);
  }

  private listen(child: ChildProcess, reports: Duplex): void {
    let rest = "";
    reports.setEncoding("utf8");
    reports.on("error", () => undefined); // its end is told by the process
    reports.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      try {
        if (rest.length > reportLimit) throw new Error(`it reported a line of more than ${reportLimit} characters`);
        for (const line of lines) if (this.child === child && line !== "") this.reported(parseReport(line));
      } catch (error) {
        rest = "";
        this.abandon(messageOf(error));
      }
    });
  }

  private reported(report: Report): void {
    if (report.type === "ready") {
      if (this.isReady) throw new Error("it reported ready twice");
      this.isReady = true;
      this.onReady?.();
      return;
    }
    const { current } = this;
    if (!current) throw new Error(`it reported ${report.type} without a visit`);
    current.heard = true;
    if (report.type === "commit") {
      void current.onCommit().then((grant) => {
        if (this.current === current) this.send({ type: "commit", ...grant });
      });
      return;
    }
    this.current = undefined;
    const { outcome, retriable, reason } = report;
    current.resolve({ outcome, retriable, reason });
  }

  private gone(child: ChildProcess, how: string, inOrder = false): void {
    if (this.child !== child) return;
    const reason = this.why ?? how;
    const { current, onLost } = this;
    this.child = this.current = undefined;
    this.isReady = false;
    current?.reject(new PipelineLostError(reason, inOrder && this.why === undefined && !current.heard));
    if (onLost) onLost(reason);
    else if (!this.closed) this.options.log.info({ reason }, "The pipeline ended; it is started again");
  }

  private send(order: Order): void {
    const input = this.child?.stdin as Writable | undefined;
    if (input?.writable) input.write(`${JSON.stringify(order)}\n`);
  }

  private kill(child: ChildProcess, signal: NodeJS.Signals): void {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // the group has ended
    }
  }
}
