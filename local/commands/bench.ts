import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import type { Command } from "commander";

/** `usdf bench`: runs the bench files in test/bench; the exit code is 1 when a bound is not kept. */
export function register(program: Command): void {
  program
    .command("bench")
    .description("measure the figures that matter, each beside the bare part it is built on; writes BENCHMARKS.md")
    .argument("[names...]", "benches to run, e.g. enqueue ingest; default: all (only then BENCHMARKS.md is written)")
    .option("--json", "print the results as JSON")
    .action(async (names: string[], options: { json?: boolean }) => {
      const root = resolve(__dirname, "../..");
      const loader = join(root, "local/typescript.cjs");
      const args = [
        "--require",
        loader,
        join(root, "test/bench/run.ts"),
        ...names,
        ...(options.json ? ["--json"] : []),
      ];
      const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
      process.exitCode = await new Promise<number>((done, fail) => {
        child.on("error", fail);
        child.on("exit", (code) => done(code ?? 1));
      });
    });
}
