import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir, findProgram, MissingPrerequisite, type Progress } from "./find";
import { withLock } from "./lock";

const run = promisify(execFile);

/** What is built when this machine has no InfluxDB 2; the Go module proxy checks both by their sums. */
const version = "v2.7.12";
const influxdb = `github.com/influxdata/influxdb/v2@${version}`;
const pkgConfig = "github.com/influxdata/pkg-config@v0.2.7";
/** Flux's default features do not compile with new versions of Rust; the database needs only its C interface. */
const fluxFeatures = ["-p", "flux", "--no-default-features", "--features", "cffi"];
const tags = "sqlite_foreign_keys,sqlite_json";

/** Longest time that the build may take. */
const buildLimitMs = 30 * 60_000;

/**
 * Path of an `influxd` 2.x: `USDF_INFLUXD` where that is set, else one on PATH, else one that is built from Go modules once a
 * machine (about three minutes of four cores).
 * @throws {@link MissingPrerequisite} without Go, Rust, a C compiler or pkg-config.
 */
export async function ensureInfluxdb(progress: Progress = () => {}): Promise<string> {
  const found = await findInfluxdb();
  if (found) return found;
  const folder = builtFolder();
  const influxd = join(folder, "influxd");
  await mkdir(cacheDir, { recursive: true });
  return withLock(`${folder}.lock`, async () => {
    if (!existsSync(influxd)) await build(folder, progress);
    return influxd;
  });
}

/** The same without building it: `undefined` when there is none yet. */
export async function findInfluxdb(): Promise<string | undefined> {
  const explicit = process.env.USDF_INFLUXD;
  if (explicit) {
    if (!(await isVersion2(explicit))) throw new Error(`USDF_INFLUXD=${explicit} is no influxd 2.x`);
    return explicit;
  }
  const onPath = findProgram("influxd");
  // Debian's package of that name is 1.x, which knows neither Flux nor tokens.
  if (onPath && (await isVersion2(onPath))) return onPath;
  const built = join(builtFolder(), "influxd");
  return existsSync(built) ? built : undefined;
}

/** Programs that building it needs. */
export const influxdbBuildPrograms = ["go", "rustc", "cargo", "gcc", "pkg-config"] as const;

function builtFolder(): string {
  const recipe = [influxdb, pkgConfig, ...fluxFeatures, tags].join(" ");
  return join(cacheDir, `influxdb-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}`);
}

async function isVersion2(influxd: string): Promise<boolean> {
  const { stdout } = await run(influxd, ["version"], { timeout: 20_000 }).catch(() => ({ stdout: "" }));
  return /^InfluxDB v?2\./.test(stdout);
}

async function build(folder: string, progress: Progress): Promise<void> {
  const or = "or put influxd 2.7 on PATH, or name it in USDF_INFLUXD";
  const need = (program: string, what: string, command: string) => {
    const path = findProgram(program);
    if (!path) throw new MissingPrerequisite(`${what} (to build InfluxDB 2)`, `${command}   # ${or}`);
    return path;
  };
  const go = need("go", "Go 1.23 or newer", "see https://go.dev/doc/install");
  const rustc = need("rustc", "Rust", "apt-get install -y cargo");
  need("cargo", "Rust", "apt-get install -y cargo");
  need("gcc", "A C compiler", "apt-get install -y gcc libc6-dev");
  need("pkg-config", "pkg-config", "apt-get install -y pkg-config");
  progress("building InfluxDB 2 from Go modules (once, some minutes)");
  const part = `${folder}.${process.pid}`;
  const bin = join(part, "bin");
  try {
    await mkdir(bin, { recursive: true });
    // Flux names a Rust version of its own for rustup. The compiler's own folder knows nothing of that.
    const rust = join((await run(rustc, ["--print", "sysroot"], { cwd: tmpdir() })).stdout.trim(), "bin");
    const cargo = existsSync(join(rust, "cargo")) ? join(rust, "cargo") : findProgram("cargo")!;
    const wrapper = `#!/bin/sh\n[ "$1" = build ] && shift && set -- build --locked ${fluxFeatures.join(" ")} "$@"\nexec '${cargo}' "$@"\n`;
    await writeFile(join(bin, "cargo"), wrapper);
    await chmod(join(bin, "cargo"), 0o755);
    const env = {
      ...process.env,
      GOBIN: bin,
      GOFLAGS: "-buildvcs=false",
      CARGO_PROFILE_RELEASE_LTO: "off", // it makes the build longer, and nothing here needs it
      PATH: [bin, rust, process.env.PATH].join(delimiter),
    };
    const limits = { env, timeout: buildLimitMs, maxBuffer: 64 << 20 };
    await run(go, ["install", pkgConfig], { ...limits, cwd: tmpdir() });
    const { stdout } = await run(go, ["mod", "download", "-json", influxdb], { ...limits, cwd: tmpdir() });
    const source = (JSON.parse(stdout) as { Dir: string }).Dir;
    const link = `-s -w -X main.version=${version}`;
    const args = ["build", "-trimpath", "-ldflags", link, "-tags", tags, "-o", join(part, "influxd"), "./cmd/influxd"];
    await run(go, args, { ...limits, cwd: source });
    await rm(bin, { recursive: true });
    await rename(part, folder);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    const said = (stderr || message).trim().split("\n").slice(-8).join("\n");
    throw new Error(`InfluxDB 2 cannot be built (${or}):\n${said}`, { cause: error });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
