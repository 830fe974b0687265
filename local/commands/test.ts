import type { Command } from "commander";
import type { Tier } from "../tiers";

/** How many tests of a part ended how. */
interface Outcome {
  readonly part: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why it did not run, or what went wrong beside its tests. */
  readonly reason?: string;
}

/** `usdf test`: what `npm test` runs. */
export function register(program: Command): void {
  program
    .command("test")
    .description("types, lint and every tier of tests that this machine can run; the last line counts them")
    .argument("[parts...]", "only these: typecheck, lint, unit, workload, survival, system, engine, cluster")
    .option("--json", "print the counts as JSON")
    .addHelpText(
      "after",
      `
Three tiers run beside each other, and the checks beside them; engine has a network of its own there.
The output of a part is shown when it ends, and kept in .usdf/test-<part>.log. One part alone shows its output as it runs.
With CI=true a tier that cannot run is a failure.`,
    )
    .action(async (parts: string[], options: { json?: boolean }) => {
      const { tiers } = await import("../tiers");
      const { CommandError, exitCodes } = await import("../exit");
      const known = [...checks.map(({ part }) => part), ...tiers.map(({ name }) => name)];
      const unknown = parts.filter((part) => !known.includes(part));
      if (unknown.length > 0)
        throw new CommandError(`No part ${unknown.join(", ")}; there are ${known.join(", ")}.`, exitCodes.usage);
      const wanted = (part: string) => parts.length === 0 || parts.includes(part);
      const say = (line: string) => void process.stderr.write(`${line}\n`);
      const wantedTiers = tiers.filter(({ name }) => wanted(name));
      // Beside the tests: each check keeps one core busy, and lanes do not always need both.
      const isUnchecked = !checks.some(({ part }) => wanted(part));
      const outcomes = (
        await Promise.all([runChecks(wanted, wantedTiers.length === 0, say), runTiers(wantedTiers, isUnchecked, say)])
      ).flat();
      const sum = (key: "passed" | "failed" | "skipped") => outcomes.reduce((total, each) => total + each[key], 0);
      say("");
      for (const { part, passed, failed, skipped, reason } of outcomes) {
        say(`${part.padEnd(9)} ${passed} passed, ${failed} failed, ${skipped} skipped${reason ? `: ${reason}` : ""}`);
      }
      const total = { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
      if (total.failed > 0) process.exitCode = exitCodes.failed;
      if (options.json) console.log(JSON.stringify({ ...total, parts: outcomes }, null, 2));
      else console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
    });
}

/** Looks at files only that changed, by their content; both tools begin anew when their version or configuration changes. */
const cached = (name: string) => [
  ...["--cache", "--cache-strategy", "content"],
  ...["--cache-location", `node_modules/.cache/usdf-checks/${name}`],
];

const checks = [
  { part: "typecheck", words: [["tsc", "--noEmit"]] },
  {
    part: "lint",
    words: [
      ["eslint", ".", "--max-warnings", "0", ...cached("eslint")],
      ["prettier", "--check", "--log-level", "warn", ".", ...cached("prettier.json")],
    ],
  },
];

/** Runs checks one after the other. Beside tests, the output of each is shown in one piece when it ends. */
async function runChecks(
  wanted: (part: string) => boolean,
  alone: boolean,
  say: (line: string) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { part, words } of checks.filter(({ part }) => wanted(part))) {
    const failed = await withOutput(part, alone, say, async (output) => {
      let failed = false;
      for (const [program, ...args] of words)
        failed = (await runBinary(program!, args, { output, nice: alone ? 0 : 10 })) !== 0 || failed;
      return failed;
    });
    outcomes.push({ part, passed: failed ? 0 : 1, failed: failed ? 1 : 0, skipped: 0 });
  }
  return outcomes;
}

/** Runs a part with its output on stderr or, where others run beside it, in a file that is shown when it ends. */
async function withOutput<T>(
  part: string,
  alone: boolean,
  say: (line: string) => void,
  run: (output: number) => Promise<T>,
): Promise<T> {
  const { closeSync, mkdirSync, openSync, readFileSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { checkout } = await import("../state");
  const folder = join(checkout, ".usdf");
  mkdirSync(folder, { recursive: true, mode: 0o700 }); // reports of jest are there, too
  say(`\n${part}${alone ? "" : " begins"}`);
  if (alone) return run(2);
  const log = join(folder, `test-${part}.log`);
  const beganMs = Date.now();
  const output = openSync(log, "w");
  try {
    return await run(output);
  } finally {
    closeSync(output);
    say(`\n${part}, ${Math.round((Date.now() - beganMs) / 1000)} s:\n${readFileSync(log, "utf8").trimEnd()}`);
  }
}

/** Runs tiers, some beside each other; the outcomes are in the order of the tiers. */
async function runTiers(tiers: readonly Tier[], isAlone: boolean, say: (line: string) => void): Promise<Outcome[]> {
  const { atATime } = await import("../tiers");
  const { exitCodes } = await import("../exit");
  const { temporaryFolder } = await import("../temporaryFolder");
  const outcomes = new Map<Tier, Outcome>();
  const ready: Tier[] = [];
  for (const tier of tiers) {
    const obstacle = await tier.obstacle((line) => say(`  ${line}`)); // one at a time: it may install
    if (!obstacle) ready.push(tier);
    else {
      say(`\n${tier.name} tests cannot run: ${obstacle}`);
      outcomes.set(tier, skippedTier(tier.name, obstacle));
    }
  }
  const alone = isAlone && ready.length === 1;
  const folder = temporaryFolder();
  process.once("exit", folder.remove);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(exitCodes.failed));
  const turns = Array.from({ length: atATime }, async () => {
    for (let tier = ready.shift(); tier; tier = ready.shift())
      outcomes.set(tier, await runTier(tier, alone, folder.dir, say));
  });
  await Promise.all(turns);
  return tiers.map((tier) => outcomes.get(tier)!);
}

/** Runs the tests of a tier, whose temporary files go into `dir`. */
async function runTier(tier: Tier, alone: boolean, dir: string, say: (line: string) => void): Promise<Outcome> {
  const { existsSync, readFileSync, rmSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { checkout } = await import("../state");
  const part = tier.name;
  const report = join(checkout, ".usdf", `test-${part}.json`);
  rmSync(report, { force: true });
  const words = [
    ...tier.files.flatMap((pattern) => ["--testPathPatterns", pattern]),
    ...(tier.not ?? []).flatMap((pattern) => ["--testPathIgnorePatterns", pattern]),
    ...["--maxWorkers", String(tier.workers), "--json", "--outputFile", report],
  ];
  const { inOwnNetwork } = await import("../ownNetwork");
  const within = tier.ownNetwork && !alone ? inOwnNetwork : undefined;
  const nice = alone || tier.first ? 0 : 10;
  const env = { TMPDIR: dir };
  const code = await withOutput(part, alone, say, (output) => runBinary("jest", words, { output, within, nice, env }));
  if (!existsSync(report)) return { part, passed: 0, failed: 1, skipped: 0, reason: `jest ended with ${code}` };
  return outcomeOf(part, JSON.parse(readFileSync(report, "utf8")) as JestReport, code);
}

/** The parts of jest's report that are used here. */
interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly { status: string }[] }[];
}

function outcomeOf(part: string, report: JestReport, code: number): Outcome {
  const passed = report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  const broken = report.numFailedTests + report.numRuntimeErrorTestSuites;
  // A file that skipped itself whole is a tier that could not run.
  const idle = report.testResults.filter(
    ({ assertionResults }) =>
      assertionResults.length > 0 && assertionResults.every(({ status }) => status === "pending"),
  );
  const missed = process.env.CI === "true" ? idle.length : 0;
  const failed = broken + missed || (code === 0 ? 0 : 1);
  const names = idle.map(({ name }) => name.slice(name.lastIndexOf("/test/") + 1));
  const reason = names.length > 0 ? `skipped themselves: ${names.join(", ")}` : undefined;
  return { part, passed, failed, skipped, reason };
}

function skippedTier(part: string, reason: string): Outcome {
  const isFailure = process.env.CI === "true";
  return { part, passed: 0, failed: isFailure ? 1 : 0, skipped: isFailure ? 0 : 1, reason };
}

/** Of {@link runBinary}. */
interface BinaryOptions {
  /** File of its output. */
  readonly output: number;
  /** Default 0. */
  readonly nice?: number;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** What starts the command, from its words. */
  readonly within?: (command: readonly string[]) => string[];
}

/** Runs a program of node_modules, its output to a file or stderr, so that the count is the last line of stdout. */
async function runBinary(name: string, args: readonly string[], options: BinaryOptions): Promise<number> {
  const { output, nice = 0, env, within = (command) => [...command] } = options;
  const { spawn } = await import("node:child_process");
  const { setPriority } = await import("node:os");
  const { join } = await import("node:path");
  const { checkout } = await import("../state");
  const [program, ...words] = within([join(checkout, "node_modules", ".bin", name), ...args]);
  const child = spawn(program!, words, {
    cwd: checkout,
    env: { ...process.env, ...env },
    stdio: ["ignore", output, output],
  });
  if (nice > 0 && child.pid !== undefined) setPriority(child.pid, nice);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
