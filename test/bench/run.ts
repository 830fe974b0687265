import { fork } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import Table from "cli-table3";
import { type BenchResult, describeBound, formatFigure, keepsBound, ratioOf } from "./harness";

/** Longest time that one bench file may take. */
const fileLimitMs = 10 * 60_000;

type Outcome = { file: string; seconds: number; results: BenchResult[]; error?: string };

/** One file in a process of its own, so that no bench inherits heap, sockets or metrics of another. */
function runFile(file: string): Promise<Outcome> {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = fork(__filename, ["--file", file], {
      stdio: ["ignore", 2, 2, "ipc"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    const limit = setTimeout(() => child.kill("SIGKILL"), fileLimitMs);
    let message: { results: BenchResult[]; error?: string } | undefined;
    child.on("message", (value) => {
      message = value as typeof message;
    });
    child.on("exit", (code, signal) => {
      clearTimeout(limit);
      const seconds = (Date.now() - started) / 1000;
      resolve({ file, seconds, ...(message ?? { results: [], error: `ended without a result (${signal ?? code})` }) });
    });
  });
}

/** Child side of {@link runFile}. */
async function serveFile(file: string): Promise<void> {
  const send = (message: object) => new Promise<void>((resolve) => process.send?.(message, () => resolve()));
  // As V8 has it, and so the workloads.
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--interrupt-budget=67584");
  try {
    const loaded = (await import(join(__dirname, file))) as { bench?: () => Promise<BenchResult[]> };
    if (!loaded.bench) throw new Error(`${file} exports no bench()`);
    await send({ results: await loaded.bench() });
    process.exit(0);
  } catch (error) {
    await send({ results: [], error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  }
}

function machineFacts() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release().split(".").slice(0, 2).join("."),
    node: process.version,
  };
}

const columns = ["bench", "ours", "bare", "ratio", "bound", "kept"];

function row(result: BenchResult): string[] {
  const ratio = ratioOf(result);
  return [
    result.name,
    `${formatFigure(result.figure)} ${result.unit}`,
    result.bare === undefined
      ? ""
      : `${formatFigure(result.bare)}${result.bareAbout === undefined ? "" : ` (${result.bareAbout})`}`,
    ratio === undefined ? "" : formatFigure(ratio),
    describeBound(result),
    keepsBound(result) ? "yes" : "NO",
  ];
}

function markdown(outcomes: Outcome[], names: string[]): string {
  const { cpu, cores, memoryGb, kernel, node } = machineFacts();
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const lines = outcomes.flatMap(({ file, results, error }) => [
    ...results.map((result) => `| ${row(result).map(cell).join(" | ")} |`),
    ...(error === undefined ? [] : [`| ${file} | did not end: ${cell(error.split("\n")[0] as string)} | | | | NO |`]),
  ]);
  return [
    "# Benchmarks",
    "",
    `Written by \`npm run bench${names.length ? ` -- ${names.join(" ")}` : ""}\` on ${new Date().toISOString().slice(0, 10)}; ` +
      `${cores} × ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node ${node}.`,
    "Each figure stands beside that of the bare part which it is measured against, from the same run.",
    "",
    `| ${columns.join(" | ")} |`,
    `| ${columns.map(() => "---").join(" | ")} |`,
    ...lines,
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === "--file") return serveFile(args[1] as string);
  const json = args.includes("--json");
  const names = args.filter((arg) => !arg.startsWith("--"));
  const all = readdirSync(__dirname).filter((file) => file.endsWith(".bench.ts"));
  const files = all.filter((file) => names.length === 0 || names.includes(file.replace(/\.bench\.ts$/, ""))).sort();
  const unknown = names.filter((name) => !all.includes(`${name}.bench.ts`));
  if (unknown.length > 0) {
    const known = all.map((file) => file.replace(/\.bench\.ts$/, "")).join(", ");
    process.stderr.write(`No bench named ${unknown.join(", ")}; there are: ${known}\n`);
    process.exit(2);
  }
  const outcomes: Outcome[] = [];
  for (const file of files) {
    process.stderr.write(`bench ${file} …\n`);
    const outcome = await runFile(file);
    process.stderr.write(
      `bench ${file}: ${outcome.seconds.toFixed(0)} s${outcome.error ? `, ${outcome.error}` : ""}\n`,
    );
    outcomes.push(outcome);
  }
  const kept = outcomes.every(({ error, results }) => error === undefined && results.every(keepsBound));
  // A run of some of the files says too little to replace what a whole run wrote.
  if (names.length === 0) writeFileSync(join(__dirname, "../../BENCHMARKS.md"), markdown(outcomes, names));
  if (json) {
    const results = outcomes.flatMap(({ file, results: list }) =>
      list.map((result) => ({ file, ...result, ratio: ratioOf(result), kept: keepsBound(result) })),
    );
    const failed = outcomes.filter(({ error }) => error !== undefined).map(({ file, error }) => ({ file, error }));
    process.stdout.write(`${JSON.stringify({ kept, machine: machineFacts(), results, failed }, null, 2)}\n`);
  } else {
    const table = new Table({ head: columns, style: { head: [], border: [] } });
    for (const { results } of outcomes) table.push(...results.map(row));
    process.stdout.write(`${table.toString()}\n`);
    for (const { file, error } of outcomes) if (error !== undefined) process.stdout.write(`${file} failed: ${error}\n`);
  }
  process.exitCode = kept ? 0 : 1;
}

void main();
