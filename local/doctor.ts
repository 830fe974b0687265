import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { freemem, totalmem } from "node:os";
import { promisify } from "node:util";
import { MissingPrerequisite } from "./services";
import { cacheDir, findProgram, installCommand, type ProgramSet } from "./services/find";
import { findPython } from "./services/butler";
import { findInfluxdb, influxdbBuildPrograms } from "./services/influxdbBuild";
import { javaPrograms, mavenPrograms } from "./services/jars";
import { postgresPrograms } from "./services/postgres";
import { redisPrograms } from "./services/redis";
import { rgwPrograms } from "./services/rgw";
import { checkout, existingState } from "./state";

const run = promisify(execFile);

/** What the machine has of one prerequisite. */
export interface Finding {
  readonly name: string;
  /** What cannot run without it. */
  readonly neededFor: "up" | "pulumi";
  /** found; installable: usdf installs it by itself when it is needed; missing: a person must act. */
  readonly state: "found" | "installable" | "missing";
  /** Where it is and its version, or why it is not there. */
  readonly detail: string;
  /** The command to run, where a person must. */
  readonly todo?: string;
}

/** Looks at each prerequisite; changes nothing. */
export async function examine(): Promise<Finding[]> {
  return Promise.all([
    platform(),
    Promise.resolve<Finding>({
      name: "Node",
      neededFor: "up",
      state: "found",
      detail: `${process.version} ${process.execPath}`,
    }),
    programs(redisPrograms, "up", "redis-server", ["--version"]),
    programs(rgwPrograms, "up", "radosgw", ["--version"]),
    programs(postgresPrograms, "up", "postgres", ["--version"]),
    influxdb(),
    python(),
    programs(javaPrograms, "up", "java", ["-version"]),
    programs(mavenPrograms, "up", "mvn", ["-B", "-v"]),
    memory(),
    disk(),
    loopback(),
    pulumi(),
  ]);
}

async function platform(): Promise<Finding> {
  const good = process.platform === "linux";
  const state = good ? "found" : "missing";
  const todo = good ? undefined : "use a Linux machine, virtual machine or container for usdf up";
  return { name: "Linux", neededFor: "up", state, detail: `${process.platform} ${process.arch}`, todo };
}

/** Programs on PATH or in Debian's folders, else whether they can be installed without a person. */
async function programs(
  set: ProgramSet,
  neededFor: Finding["neededFor"],
  asked: string,
  versionArgs: readonly string[],
): Promise<Finding> {
  const absent = set.programs.filter((program) => !findProgram(program));
  const common = { name: set.what, neededFor };
  if (absent.length === 0) {
    const path = findProgram(asked)!;
    return { ...common, state: "found", detail: `${path}: ${await firstLine(path, versionArgs)}` };
  }
  const detail = `no ${absent.join(", ")}`;
  const command = installCommand(set.packages);
  if (findProgram("apt-get") && process.getuid?.() === 0)
    return { ...common, state: "installable", detail: `${detail}; usdf up runs: ${command}` };
  return { ...common, state: "missing", detail, todo: `sudo ${command}` };
}

async function influxdb(): Promise<Finding> {
  const common = { name: "InfluxDB 2", neededFor: "up" } as const;
  const path = await findInfluxdb();
  if (path) return { ...common, state: "found", detail: `${path}: ${await firstLine(path, ["version"])}` };
  const absent = influxdbBuildPrograms.filter((program) => !findProgram(program));
  if (absent.length === 0)
    return { ...common, state: "installable", detail: "usdf up builds it from Go modules, once, some minutes" };
  const todo = "put influxd 2.7 on PATH, name it in USDF_INFLUXD, or install these";
  return { ...common, state: "missing", detail: `no influxd 2.x; to build it: no ${absent.join(", ")}`, todo };
}

async function python(): Promise<Finding> {
  const common = { name: "Python 3.11 (Butler)", neededFor: "up" } as const;
  try {
    const { path, version } = await findPython();
    const made = existsSync(cacheDir) ? "" : "; its packages come at the first up";
    return { ...common, state: "found", detail: `${path} ${version}${made}` };
  } catch (error) {
    if (!(error instanceof MissingPrerequisite)) throw error;
    return { ...common, state: "missing", detail: error.message, todo: error.command };
  }
}

async function memory(): Promise<Finding> {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const enough = totalmem() > 3 * 2 ** 30;
  const state = enough ? "found" : "missing";
  const detail = `${gib(freemem())} free of ${gib(totalmem())}; the stack takes about 2.5 GiB`;
  return { name: "Memory", neededFor: "up", state, detail, todo: enough ? undefined : "use a machine with 4 GiB" };
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(checkout);
  const freeGib = (bavail * bsize) / 2 ** 30;
  const enough = freeGib > 3;
  const detail = `${freeGib.toFixed(1)} GiB free at ${checkout}`;
  const todo = enough ? undefined : "free 3 GiB";
  return { name: "Disk", neededFor: "up", state: enough ? "found" : "missing", detail, todo };
}

/** Whether addresses of the checkout's network can be bound: not so in some sandboxes. */
async function loopback(): Promise<Finding> {
  const state = await existingState();
  const address = state ? `${state.network}.254` : "127.1.1.254";
  const bound = await new Promise<boolean>((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });
  const detail = state ? `this checkout has ${state.network}.0/24` : "a network is claimed at the first up";
  const common = { name: "Loopback network", neededFor: "up" } as const;
  if (bound) return { ...common, state: "found", detail };
  return { ...common, state: "missing", detail: `cannot bind ${address}`, todo: "ip address add 127.0.0.0/8 dev lo" };
}

async function pulumi(): Promise<Finding> {
  const common = { name: "Pulumi CLI", neededFor: "pulumi" } as const;
  const path = findProgram("pulumi");
  if (path) return { ...common, state: "found", detail: `${path}: ${await firstLine(path, ["version"])}` };
  const detail = "only for pulumi preview and pulumi up against clusters; nothing here needs it";
  return { ...common, state: "missing", detail, todo: "see https://www.pulumi.com/docs/install" };
}

async function firstLine(path: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(path, [...args], { timeout: 10_000 });
    return (stdout || stderr).trim().split("\n")[0]!.slice(0, 70);
  } catch (error) {
    return `does not run (${(error as Error).message.split("\n")[0]})`;
  }
}
