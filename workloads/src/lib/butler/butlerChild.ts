import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { messageOf } from "../errors";
import type { Logger } from "../log";
import { backoffMs } from "../process";
import {
  type Butler,
  type ButlerFile,
  type ButlerInfo,
  ButlerUnavailableError,
  type FileKind,
  type FileResult,
  type VisitResult,
} from "./butler";

export interface ButlerChildOptions {
  /** Python interpreter that has lsst-daf-butler. */
  readonly python: string;
  /** Environment of the child: BUTLER_*, S3 access. Secrets of other services do not belong in it. */
  readonly env: NodeJS.ProcessEnv;
  /** Longest time of one request, ms; then the child is killed and started again. */
  readonly timeoutMs: number;
  readonly log: Logger;
  /** Requests that may wait; one more is refused. Default 16. */
  readonly maxWaiting?: number;
}

/** Where raw files are looked for. */
export interface RawQuery {
  readonly instrument: string;
  readonly collections: readonly string[];
}

/** An exposure with raw files; angles in degrees, null where it did not look at the sky. */
export interface RawExposure {
  readonly id: number;
  readonly group: string;
  /** Begin, TAI, ms since 1970. */
  readonly beginTaiMs: number;
  readonly physicalFilter: string;
  readonly ra: number | null;
  readonly dec: number | null;
  readonly rotation: number | null;
  readonly detectors: readonly number[];
}

/** A raw file that was copied. */
export interface FetchedRaw {
  readonly exposure: number;
  readonly detector: number;
  readonly path: string;
}

interface Request {
  readonly id: number;
  readonly op: string;
  readonly body: object;
  /** 0 goes before 1. */
  readonly rank: number;
  resolve(answer: Record<string, unknown>): void;
  reject(error: Error): void;
}

const restartBaseMs = 500;
const restartMaxMs = 30_000;
/** Age of an answer that still says that the Butler is well. */
const freshMs = 10_000;
/** Time that the child has to end by itself when its input is closed. */
const closeMs = 3_000;

/**
 * The Butler in a Python process that lives as long as this one: one request at a time, ingest before what can wait. A child
 * that crashes, hangs or answers nonsense is ended; the request in hand fails, and the next one starts another child, later
 * each time it goes wrong.
 */
export class ButlerChild implements Butler {
  private child: ChildProcess | undefined;
  private waiting: Request[] = [];
  private current: { request: Request; timer: NodeJS.Timeout } | undefined;
  private lastId = 0;
  private failures = 0;
  private notBeforeMs = 0;
  private wake: NodeJS.Timeout | undefined;
  private closed = false;
  private lastAnswerMs = 0;
  /** Times that a child had to be started again. */
  restarts = 0;

  constructor(private readonly options: ButlerChildOptions) {}

  async hello(): Promise<ButlerInfo> {
    return (await this.ask("hello", {}, 0)) as unknown as ButlerInfo;
  }
  async ping(): Promise<void> {
    await this.ask("ping", {}, 0);
  }
  async ingest(kind: FileKind, files: readonly ButlerFile[]): Promise<FileResult[]> {
    return resultsOf(files, await this.ask("ingest", { kind, files }, 0));
  }
  async rehearse(file: ButlerFile): Promise<FileResult> {
    return resultsOf([file], await this.ask("rehearse", { file }, 0))[0]!;
  }
  async defineVisits(exposures: readonly { instrument: string; id: number }[]): Promise<VisitResult[]> {
    return (await this.ask("defineVisits", { exposures }, 1)).results as VisitResult[];
  }
  async known(uris: readonly string[]): Promise<boolean[]> {
    return (await this.ask("known", { uris }, 1)).known as boolean[];
  }
  /** Exposures with raw files in these collections; the repository is opened for reading only. */
  async rawExposures(query: RawQuery & { readonly where: string }): Promise<RawExposure[]> {
    return (await this.ask("rawExposures", query, 1)).exposures as RawExposure[];
  }
  /** Copies their raw files into a folder of this machine. */
  async fetchRaws(
    query: RawQuery & { readonly exposures: readonly number[]; readonly folder: string },
  ): Promise<FetchedRaw[]> {
    return (await this.ask("fetchRaws", query, 1)).files as FetchedRaw[];
  }

  /** Process id of the child, while there is one. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Whether it works on a request, or answered one a moment ago: then readiness need not ask. */
  answeredLately(): boolean {
    return this.lastAnswerMs > 0 && (this.current !== undefined || Date.now() - this.lastAnswerMs < freshMs);
  }

  /** Ends the child; requests that wait fail. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.wake);
    for (const request of this.waiting.splice(0))
      request.reject(new ButlerUnavailableError("this process is stopping"));
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), closeMs);
      child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
      child.stdin?.end();
    });
  }

  private ask(op: string, body: object, rank: number): Promise<Record<string, unknown>> {
    const { maxWaiting = 16 } = this.options;
    if (this.closed) return Promise.reject(new ButlerUnavailableError("this process is stopping"));
    if (this.waiting.length >= maxWaiting) {
      return Promise.reject(new ButlerUnavailableError(`${this.waiting.length} requests wait for it already`));
    }
    return new Promise((resolve, reject) => {
      const request = { id: ++this.lastId, op, body, rank, resolve, reject };
      const place = this.waiting.findIndex((other) => other.rank > rank);
      this.waiting.splice(place < 0 ? this.waiting.length : place, 0, request);
      this.next();
    });
  }

  private next(): void {
    if (this.closed || this.current || this.waiting.length === 0) return;
    const delayMs = this.child ? 0 : this.notBeforeMs - Date.now();
    if (delayMs > 0) {
      clearTimeout(this.wake);
      this.wake = setTimeout(() => this.next(), delayMs);
      return;
    }
    this.child ??= this.start();
    const request = this.waiting.shift() as Request;
    const { timeoutMs } = this.options;
    const timer = setTimeout(() => this.lose(`no answer to ${request.op} in ${timeoutMs} ms`), timeoutMs);
    this.current = { request, timer };
    this.child.stdin?.write(`${JSON.stringify({ id: request.id, op: request.op, ...request.body })}\n`);
  }

  private start(): ChildProcess {
    const { python, env, log } = this.options;
    const folder = butlerFolder();
    const path = [folder, env.PYTHONPATH].filter(Boolean).join(":");
    const child = spawn(python, ["-u", "-m", "usdf_butler"], {
      env: { ...env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const ifCurrent = (reason: string) => {
      if (this.child === child) this.lose(reason);
    };
    child.on("error", (error) => ifCurrent(`cannot run "${python}": ${error.message}`));
    child.on("exit", (code, signal) => ifCurrent(`its process ended with ${signal ?? `code ${code}`}`));
    child.stdin.on("error", (error) => log.debug({ reason: error.message }, "Butler child reads no more"));
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (this.child === child) this.answered(line);
    });
    createInterface({ input: child.stderr }).on("line", (line) => logLine(log, line));
    log.info({ pid: child.pid, python }, "Butler child started");
    return child;
  }

  private answered(line: string): void {
    let answer: Record<string, unknown>;
    try {
      answer = JSON.parse(line) as Record<string, unknown>;
    } catch (error) {
      return this.lose(`its answer is no JSON (${messageOf(error)})`);
    }
    const current = this.current;
    if (!current || answer.id !== current.request.id) return this.lose("it answered what nobody asked");
    clearTimeout(current.timer);
    this.current = undefined;
    if (answer.ok === true) {
      this.failures = 0;
      this.lastAnswerMs = Date.now();
      current.request.resolve(answer);
    } else {
      current.request.reject(new ButlerUnavailableError(`${String(answer.code)}: ${String(answer.message)}`));
    }
    this.next();
  }

  /** Gives the child up: the request in hand fails, the next start waits. */
  private lose(reason: string): void {
    const { child, current } = this;
    this.child = undefined;
    this.current = undefined;
    if (child && child.exitCode === null) child.kill("SIGKILL");
    this.restarts++;
    const delayMs = backoffMs(++this.failures, restartBaseMs, restartMaxMs);
    this.notBeforeMs = Date.now() + delayMs;
    if (!this.closed) this.options.log.error({ reason, delayMs }, "Butler child lost");
    if (current) {
      clearTimeout(current.timer);
      current.request.reject(new ButlerUnavailableError(reason));
    }
    this.next();
  }
}

function resultsOf(files: readonly ButlerFile[], { results }: Record<string, unknown>): FileResult[] {
  const list = results as FileResult[];
  if (!Array.isArray(list) || list.length !== files.length || list.some((item, i) => item.path !== files[i]!.path)) {
    throw new ButlerUnavailableError("its answer has not one result for each file");
  }
  return list;
}

/** Folder of the Python package: beside `dist/` where this file is bundled, beside `src/` where it runs as it is. */
function butlerFolder(): string {
  const candidates = [join(__dirname, "../butler"), join(__dirname, "../../../butler")];
  return candidates.find((folder) => existsSync(join(folder, "usdf_butler"))) ?? candidates[0]!;
}

function logLine(log: Logger, line: string): void {
  const [, level, text] = /^(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$/.exec(line.slice(0, 4_000)) ?? [];
  const message = text ?? line.slice(0, 4_000);
  if (level === "ERROR" || level === "CRITICAL") log.error({ from: "butler" }, message);
  else if (level === "WARNING" || level === undefined) log.warn({ from: "butler" }, message);
  else log.info({ from: "butler" }, message);
}
