import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What to start. Secrets go into `env`, never into `args`: arguments are visible to every user of the machine. */
export interface ProcessSpec {
  /** Name in messages, e.g. `redis`. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** Whole environment of the process; by default that of this one. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** File that gets stdout and stderr, appended. */
  readonly logFile: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Lives on when this process ends (default false: it is killed then). */
  readonly outlivesParent?: boolean;
}

/** Identity of a process that stays true when its number is used again: number + start time. */
export interface ProcessId {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of `/proc/<pid>/stat`. */
  readonly startTicks: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that runs (or has ended: see `exited`). */
export interface RunningProcess extends ProcessId {
  readonly name: string;
  readonly logFile: string;
  /** Settles when the process has ended; never rejects. Of an adopted process the code is unknown (null). */
  readonly exited: Promise<Exit>;
  isAlive(): boolean;
  /** Sends a signal to the process and its children; nothing when it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs` (default 10 s); returns when it has ended. */
  stop(graceMs?: number): Promise<Exit>;
}

const mortal = new Set<RunningProcess>();
process.once("exit", () => mortal.forEach((child) => child.kill("SIGKILL")));

/**
 * Starts a process in a group of its own.
 * @throws Error when it cannot be executed at all.
 */
export async function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const log = openSync(spec.logFile, "a", 0o600);
  const child = spawn(spec.command, spec.args ?? [], {
    cwd: spec.cwd,
    env: spec.env ?? process.env,
    stdio: ["ignore", log, log],
    detached: true,
    uid: spec.uid,
    gid: spec.gid,
  });
  closeSync(log);
  const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`${spec.name}: cannot run ${spec.command}`, { cause })));
  });
  if (spec.outlivesParent) child.unref();
  const id = { pid: child.pid!, startTicks: startTicksOf(child.pid!) ?? "" };
  const running = handle(spec.name, id, spec.logFile, exited);
  if (!spec.outlivesParent) {
    mortal.add(running);
    void exited.then(() => mortal.delete(running));
  }
  return running;
}

/** Takes over a process that an earlier run of this program started, or `undefined` when it has ended. */
export function adoptProcess(name: string, id: ProcessId, logFile: string): RunningProcess | undefined {
  if (!isAlive(id)) return undefined;
  const exited = (async () => {
    while (isAlive(id)) await sleep(100);
    return { code: null, signal: null };
  })();
  return handle(name, id, logFile, exited);
}

/** True while this very process runs; false when it has ended, is a zombie, or another one has its number. */
export function isAlive({ pid, startTicks }: ProcessId): boolean {
  return startTicks !== "" && startTicksOf(pid) === startTicks;
}

/** The last lines of a log file, for error messages; empty when there is none. */
export async function tail(file: string, lines = 12): Promise<string> {
  const handle = await open(file, "r").catch(() => undefined);
  if (!handle) return "";
  try {
    const { size } = await handle.stat();
    const bytes = Math.min(size, 16_384);
    const { buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
    return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } finally {
    await handle.close();
  }
}

/** Waits until `probe` is true; a failed process or too long a wait is an error that shows the end of the log. */
export async function waitReady(
  running: RunningProcess,
  probe: () => Promise<boolean>,
  { timeoutMs, pollMs = 50 }: { timeoutMs: number; pollMs?: number },
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await probe().catch(() => false)) return;
    const ended = !running.isAlive();
    if (ended || Date.now() > deadline) {
      const what = ended ? "ended while it started" : `was not ready after ${Math.round(timeoutMs / 1000)} s`;
      throw new Error(`${running.name} ${what}. End of ${running.logFile}:\n${await tail(running.logFile)}`);
    }
    await sleep(pollMs);
  }
}

function handle(name: string, id: ProcessId, logFile: string, exited: Promise<Exit>): RunningProcess {
  const kill = (signal: NodeJS.Signals) => {
    if (!isAlive(id)) return;
    try {
      process.kill(-id.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  return {
    ...id,
    name,
    logFile,
    exited,
    isAlive: () => isAlive(id),
    kill,
    async stop(graceMs = 10_000) {
      kill("SIGTERM");
      const timer = setTimeout(() => kill("SIGKILL"), graceMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}

function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name (field 2) may hold spaces and brackets: count from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, threads, startTicks] = [fields[0]!, Number(fields[17]), fields[19]];
    // The last thread closes the ports: a zombie that has others is not at its end.
    return state === "X" || (state === "Z" && threads <= 1) ? undefined : startTicks;
  } catch {
    return undefined;
  }
}
