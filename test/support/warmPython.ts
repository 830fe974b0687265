import { spawn } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ensureButlerPython } from "../../local/services/butler";
import { until } from "./network";

const programs = resolve(__dirname, "warm");
const packages = resolve(__dirname, "../../workloads/butler");

/**
 * A Python for BUTLER_PYTHON whose Butler child starts in some 50 ms of CPU time instead of two seconds: a process of its own as
 * ever, but forked from one that has loaded the Butler already. For tests that need a Butler and do not ask how its process
 * starts, is stopped (SIGSTOP) or loads what; those take {@link ensureButlerPython}.
 */
export async function warmPython(dir: string): Promise<string> {
  const python = await ensureButlerPython();
  const socket = await (started ??= server(python));
  const path = join(dir, "warm-python");
  writeFileSync(path, `#!/bin/sh\nexec "${python}" -I -S "${join(programs, "client.py")}" "${socket}"\n`);
  chmodSync(path, 0o755);
  return path;
}

let started: Promise<string> | undefined;

/** One server for all test files of this process; it ends with the process. @returns its socket. */
async function server(python: string): Promise<string> {
  const socket = join(tmpdir(), `usdf-warm-${process.pid}-${Math.round(performance.timeOrigin)}`);
  if (existsSync(socket)) return socket;
  const child = spawn(python, [join(programs, "server.py"), socket], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["pipe", "inherit", "inherit"],
  });
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`The warm Butler ended with ${signal ?? code}.`)));
  });
  await Promise.race([ended, until("the warm Butler", () => existsSync(socket))]);
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return socket;
}
