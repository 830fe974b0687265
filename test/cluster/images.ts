/** The images of the embargo system, made from their Dockerfiles' file lists. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { usdfImage } from "../../components/platform";
import { cacheDir, ensureButlerPython } from "../../local/services";
import { tool } from "../support/cluster";
import { addLayer, baseImage, copyFiles, type FinalStage, finalStage } from "../support/image";
import { buildWorkloads, root } from "../support/pod";

/** What a Dockerfile adds to its base image. */
export interface ImageFiles {
  readonly name: string;
  readonly stage: FinalStage;
  /** Folder with its files, as below `/`. */
  readonly files: string;
}

const nodeBinary = "/usr/local/bin/node";

/** Files of the image of workloads; Node.js of this machine stands for its builder's. */
export async function workloadsFiles(dir: string): Promise<ImageFiles> {
  await buildWorkloads();
  const stage = finalStage(join(root, "workloads/Dockerfile"), { VERSION: versionOf(usdfImage.workloads) });
  const files = join(dir, "workloads");
  copyFiles(stage, files, (path, from) => {
    if (from === undefined) return join(root, path);
    return path === nodeBinary ? process.execPath : join(root, path.replace(/^\/build\//, ""));
  });
  return { name: usdfImage.workloads, stage, files };
}

/**
 * Files of the image of ingest. Python of this machine with the packages of `requirements.txt` stands for the LSST stack:
 * `environment.sh`, which the Dockerfile makes of what `setup` sets, puts it on PATH.
 */
export async function ingestFiles(dir: string, workloads: ImageFiles): Promise<ImageFiles> {
  const python = await ensureButlerPython();
  const stage = finalStage(join(root, "workloads/butler/Dockerfile"), {
    WORKLOADS_IMAGE: workloads.name,
    VERSION: versionOf(usdfImage.ingest),
  });
  const files = join(dir, "ingest");
  copyFiles(stage, files, (path, from) => join(from === "workloads" ? workloads.files : root, path));
  execFileSync(python, [join(root, "workloads/butler/sbom.py"), join(files, "app/dist/sbom.cdx.json")]);
  mkdirSync(join(files, stack), { recursive: true });
  writeFileSync(join(files, stack, "environment.sh"), `declare -x PATH="${stack}/python/bin:$PATH"\n`);
  return { name: usdfImage.ingest, stage, files };
}

/** Makes every image of the embargo system; gives the docker-archives. */
export async function buildImages(dir: string, redisTag: string): Promise<string[]> {
  mkdirSync(dir, { recursive: true });
  const workloads = await workloadsFiles(dir);
  const ingest = await ingestFiles(dir, workloads);
  const debian = join(dir, "debian.tar"); // the libraries that Node.js loads stand for it
  baseImage(debian, librariesOf(process.execPath));
  const stackTar = stackBase(await ensureButlerPython());
  const [workloadsTar, ingestTar] = [join(dir, "workloads.tar"), join(dir, "ingest.tar")];
  addLayer({ ...workloads, base: debian, tar: workloadsTar, root: workloads.files });
  addLayer({ ...ingest, base: stackTar, tar: ingestTar, root: ingest.files });
  return [redisImage(dir, redisTag), workloadsTar, ingestTar];
}

/** Where the base image of ingest has the LSST stack. */
const stack = "/opt/lsst/software/stack";

/** What stands for the LSST stack. It is half a gigabyte, the same as long as the requirements are: made once. */
function stackBase(python: string): string {
  const environment = dirname(dirname(python));
  const maker = createHash("sha256").update(readFileSync(__filename)).digest("hex").slice(0, 8);
  const tar = join(cacheDir, `stack-${basename(environment)}-${maker}.tar`);
  if (existsSync(tar)) return tar;
  const old = readdirSync(cacheDir).filter((name) => /^stack-.*\.tar$/.test(name));
  for (const name of old) rmSync(join(cacheDir, name), { force: true });
  const work = mkdtempSync(join(tmpdir(), "usdf-stack-"));
  try {
    const ask = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    const library = execFileSync(python, ["-c", ask], { encoding: "utf8" }).trim();
    const unused = new Set(["site-packages", "dist-packages", "test", "idlelib"]);
    cpSync(library, join(work, "library"), { recursive: true, filter: (path) => !unused.has(basename(path)) });
    const packages = join(work, "files", stack, "python");
    cpSync(environment, packages, { recursive: true, verbatimSymlinks: true });
    // An archive has no times of files, by which Python else knows what is compiled: each start would compile everything.
    const compile = [
      "-m",
      "compileall",
      "-q",
      "-f",
      "-j",
      "0",
      "-x",
      "/tests?/",
      "--invalidation-mode",
      "unchecked-hash",
    ];
    execFileSync(python, [...compile, join(work, "library"), packages], { stdio: "ignore" });
    baseImage(join(work, "python.tar"), [
      ...["--tools", "--bin", "chmod", ...librariesOf(process.execPath), ...librariesOfPackages()],
      ...["--copy", `${join(work, "library")}:${library}`, "--copy", realpathSync(python)],
    ]);
    // Packages of PyPI bring their libraries: no need to look what each of hundreds loads.
    const stage = { user: "0", env: {}, workdir: "/", entrypoint: [], labels: {} };
    const layer = { base: join(work, "python.tar"), tar: join(work, "stack.tar"), root: join(work, "files") };
    addLayer({ ...layer, name: "local/stack:1", stage });
    cpSync(join(work, "stack.tar"), `${tar}.${process.pid}`);
    renameSync(`${tar}.${process.pid}`, tar);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return tar;
}

/** Redis of this machine under the name that the stack declares; gives the docker-archive. */
function redisImage(dir: string, tag: string): string {
  const tar = join(dir, "redis.tar");
  const programs = ["redis-server", "redis-cli", "sed", "grep"].flatMap((program) => ["--bin", program]);
  execFileSync(tool("host-image"), [
    ...[tar, `docker.io/library/redis:${tag}`, "--user", "999:redis", "--tools", ...programs],
  ]);
  return tar;
}

/** Options of `host-image` that bring the libraries which a program loads. */
function librariesOf(program: string): string[] {
  const lines = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...lines.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => ["--copy", `${realpathSync(path!)}:${path!}`]);
}

/**
 * Options of `host-image` for the libraries that packages of PyPI expect of any Linux (PEP 600) beside those of Node.js, and
 * for PostgreSQL's, which psycopg finds by `ldconfig`.
 */
function librariesOfPackages(): string[] {
  const known = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" });
  const names = ["librt.so.1", "libutil.so.1", "libnsl.so.1", "libresolv.so.2", "libz.so.1", "libpq.so.5"];
  const found = names.flatMap((name) => new RegExp(`^\\t${name} \\(.*x86-64\\) => (.*)$`, "m").exec(known)?.[1] ?? []);
  const copies = found.flatMap((path) => ["--copy", `${realpathSync(path)}:${path}`]);
  return [...copies, "--copy", "/sbin/ldconfig", "--copy", "/etc/ld.so.cache"];
}

const versionOf = (image: string) => image.slice(image.lastIndexOf(":") + 1);
