import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Something that this machine lacks; the message is one line with the command that brings it. */
export class MissingPrerequisite extends Error {
  constructor(
    readonly what: string,
    readonly command: string,
    reason = "",
  ) {
    super(`${what} is missing${reason ? ` (${reason})` : ""}; run: ${command}`);
  }
}

/** Called with one line of progress, e.g. `apt-get install redis-server`. */
export type Progress = (line: string) => void;

/** Folder for what is fetched once a machine: Kafka, Python environments. */
export const cacheDir = process.env.USDF_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "usdf");

/** Folders beyond PATH that hold Debian's servers. */
function serverDirs(): string[] {
  const postgres = "/usr/lib/postgresql";
  const versions = existsSync(postgres) ? readdirSync(postgres).sort((a, b) => Number(b) - Number(a)) : [];
  return ["/usr/sbin", "/usr/local/sbin", "/sbin", ...versions.map((version) => join(postgres, version, "bin"))];
}

/** Path of a program on PATH or among Debian's server folders, or `undefined`. */
export function findProgram(name: string): string | undefined {
  const dirs = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...serverDirs()];
  return dirs.map((dir) => join(dir, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Programs of one service and the Debian packages that hold them. */
export interface ProgramSet {
  /** Name in messages, e.g. `Ceph RGW`. */
  readonly what: string;
  readonly programs: readonly string[];
  readonly packages: readonly string[];
}

/**
 * Paths of the programs by name; installs the Debian packages when one is missing.
 * @throws {@link MissingPrerequisite} where apt-get or the right to use it is missing.
 */
export async function ensurePrograms(set: ProgramSet, progress: Progress = () => {}): Promise<Record<string, string>> {
  const find = () => set.programs.map((program) => [program, findProgram(program)] as const);
  let found = find();
  if (found.some(([, path]) => !path)) {
    const command = installCommand(set.packages);
    const absent = found.filter(([, path]) => !path).map(([program]) => program);
    const reason = `no ${absent.join(", ")} on PATH`;
    if (!findProgram("apt-get")) throw new MissingPrerequisite(set.what, command, `${reason}, no apt-get here`);
    if (process.getuid?.() !== 0) throw new MissingPrerequisite(set.what, `sudo ${command}`, reason);
    progress(command);
    await aptInstall(set.packages).catch((error) => {
      throw new MissingPrerequisite(set.what, command, lastLine(error));
    });
    found = find();
    const still = found.filter(([, path]) => !path).map(([program]) => program);
    if (still.length > 0) throw new MissingPrerequisite(set.what, command, `${still.join(", ")} not in the packages`);
  }
  return Object.fromEntries(found as [string, string][]);
}

/** The command that a person would run. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

let waiting: { packages: Set<string>; done: Promise<void> } | undefined;
let apt: Promise<void> = Promise.resolve();

/** apt-get takes one caller at a time: requests of the same moment become one call, later ones wait. */
function aptInstall(packages: readonly string[]): Promise<void> {
  if (waiting) {
    packages.forEach((name) => waiting!.packages.add(name));
    return waiting.done;
  }
  const batch = new Set(packages);
  const done = apt
    .then(() => new Promise((resolve) => setTimeout(resolve, 100)))
    .then(() => {
      waiting = undefined;
      return withoutStartingUnits(() => aptRun([...batch]));
    });
  waiting = { packages: batch, done };
  apt = done.catch(() => {});
  return done;
}

async function aptRun(packages: string[]): Promise<void> {
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    maxBuffer: 64 << 20,
    timeout: 600_000,
  };
  const lock = ["-o", "DPkg::Lock::Timeout=120"];
  const install = () => run("apt-get", [...lock, "install", "-y", "--no-install-recommends", ...packages], options);
  // Package lists may be absent (containers) or stale: a second try follows an update.
  await install().catch(async () => {
    await run("apt-get", [...lock, "update"], options);
    await install();
  });
}

/**
 * Debian starts what it installs. Our services run from their own folders, so while apt-get works `policy-rc.d`, where
 * there is none, says no; units that came with it are not left to start at the next boot either.
 */
async function withoutStartingUnits(install: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  const units = ["redis-server", "postgresql", "influxdb"];
  const hasSystemd = existsSync("/run/systemd/system");
  const enabled = async (unit: string) => run("systemctl", ["is-enabled", unit]).then(() => true, () => false); // prettier-ignore
  const before = hasSystemd ? await Promise.all(units.map(enabled)) : [];
  if (ours) await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
  try {
    await install();
    for (const [index, unit] of hasSystemd ? units.entries() : []) {
      if (!before[index] && (await enabled(unit))) await run("systemctl", ["disable", unit]);
    }
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const lines = (stderr || message).trim().split("\n");
  return lines.find((line) => line.startsWith("E:")) ?? lines.at(-1)!;
}
