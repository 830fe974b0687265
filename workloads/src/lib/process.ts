import { type Contract, ConfigError, type EnvOf, exitCode, parseEnv } from "./contract";
import { messageOf } from "./errors";
import { createLogger, type Logger } from "./log";

/** Resources of one process; closed newest first, and one that fails to close never hides the next. */
export class Closers {
  private readonly list: { name: string; close: () => Promise<unknown> }[] = [];
  constructor(private readonly log: Logger) {}

  /** Remembers how to close `resource` and gives it back. */
  add<T>(name: string, resource: T, close: (resource: T) => unknown): T {
    this.list.push({ name, close: async () => close(resource) });
    return resource;
  }

  /** Closes everything within `timeoutMs`; afterwards the process ends with exit code 1. */
  async closeAll(timeoutMs: number): Promise<void> {
    const limit = setTimeout(() => {
      this.log.error({ timeoutMs }, "Shutdown took too long; ending the process");
      process.exit(exitCode.failed);
    }, timeoutMs).unref();
    for (const { name, close } of this.list.splice(0).reverse()) {
      await close().catch((error: unknown) => this.log.error({ resource: name, err: error }, "Close failed"));
    }
    clearTimeout(limit);
  }
}

/** What the body of a workload receives. */
export interface WorkloadContext<Env> {
  readonly env: Env;
  readonly log: Logger;
  /** Aborted on SIGTERM or SIGINT: take no more work, finish or hand back what is in hand, return. */
  readonly stop: AbortSignal;
  readonly closers: Closers;
}

/**
 * Runs a workload: environment by contract, `run`, resources closed, exit code. Every `main.ts` is one call of it.
 * Exit codes: see `exitCode` in contract.ts.
 * @param read - Reads the environment; default: by the contract alone. Throws {@link ConfigError}.
 */
export function runWorkload<C extends Contract, Env = EnvOf<C>>(
  contract: C,
  run: (context: WorkloadContext<Env>) => Promise<void>,
  read: () => Env = () => parseEnv(contract, process.env) as Env,
): void {
  const stop = terminationSignal(); // first: process 1 of a container ignores a SIGTERM that nobody handles
  void (async () => {
    let env: Env;
    try {
      env = read();
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`);
      process.exit(error instanceof ConfigError ? exitCode.badConfig : exitCode.failed);
    }
    const { LOG_CONFIG, LOGFILE } = env as { LOG_CONFIG?: string; LOGFILE?: string };
    const log = createLogger(contract.name, LOG_CONFIG, LOGFILE);
    process.on("uncaughtException", (error) => {
      log.fatal({ err: error }, "Uncaught error");
      process.exit(exitCode.failed);
    });
    const closers = new Closers(log);
    let code: number = exitCode.ok;
    try {
      await run({ env, log, stop, closers });
    } catch (error) {
      if (!stop.aborted) {
        if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
        else log.fatal({ err: error }, messageOf(error));
        code = error instanceof ConfigError ? exitCode.badConfig : exitCode.failed;
      }
    }
    await closers.closeAll(contract.longestStepSeconds * 1000);
    process.exit(code);
  })();
}

function terminationSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => controller.abort(signal));
  return controller.signal;
}

/** Waits; ends early, without an error, when `stop` is aborted. */
export function sleep(ms: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      stop?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop?.addEventListener("abort", done, { once: true });
  });
}

/** Exponential back-off with full jitter in its upper half: `attempt` counts from 1; never above `maxMs`. */
export function backoffMs(attempt: number, baseMs: number, maxMs: number): number {
  const whole = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(whole / 2 + (Math.random() * whole) / 2);
}

/** Resolves when `stop` is aborted. */
export function stopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => (stop.aborted ? resolve() : stop.addEventListener("abort", () => resolve())));
}
