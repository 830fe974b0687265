/** The images of the embargo system, made from their Dockerfiles' file lists. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { usdfImage } from "../../components/platform";
import { cacheDir, ensureButlerPython } from "../../local/services";
import { tool } from "../support/cluster";
import { addLayer, baseImage, copyFiles, type FinalStage, finalStage } from "../support/image";
import { buildWorkloads, root } from "../support/pod";

/** An image as files and as an archive. */
export interface BuiltImage {
  readonly name: string;
  readonly stage: FinalStage;
  /** Folder with what the Dockerfile adds to its base, as below `/`. */
  readonly files: string;
  /** docker-archive */
  readonly tar: string;
}

const nodeBinary = "/usr/local/bin/node";

/** Builds workloads. Node.js of this machine stands for its builder's, the libraries that it loads for Debian. */
export async function workloadsImage(dir: string): Promise<BuiltImage> {
  await buildWorkloads();
  const stage = finalStage(join(root, "workloads/Dockerfile"), { VERSION: versionOf(usdfImage.workloads) });
  const files = join(dir, "workloads");
  copyFiles(stage, files, (path, from) => {
    if (from === undefined) return join(root, path);
    return path === nodeBinary ? process.execPath : join(root, path.replace(/^\/build\//, ""));
  });
  const base = join(dir, "debian.tar");
  baseImage(base, librariesOf(process.execPath));
  const image = { name: usdfImage.workloads, stage, files, tar: join(dir, "workloads.tar") };
  addLayer({ ...image, base, root: files });
  return image;
}

/**
 * Builds ingest upon workloads. Python of this machine with the packages of `requirements.txt` stands for the LSST stack:
 * `environment.sh`, which the Dockerfile makes of what `setup` sets, puts it on PATH.
 */
export async function ingestImage(dir: string, workloads: BuiltImage): Promise<BuiltImage> {
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
  const image = { name: usdfImage.ingest, stage, files, tar: join(dir, "ingest.tar") };
  addLayer({ ...image, base: stackBase(python), root: files });
  return image;
}

/** Where the base image of ingest has the LSST stack. */
const stack = "/opt/lsst/software/stack";

/** What stands for the LSST stack. It is half a gigabyte, the same as long as the requirements are: made once. */
function stackBase(python: string): string {
  const environment = dirname(dirname(python));
  const tar = join(cacheDir, `stack-${basename(environment)}.tar`);
  if (existsSync(tar)) return tar;
  const work = mkdtempSync(join(tmpdir(), "usdf-stack-"));
  try {
    const ask = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    const library = execFileSync(python, ["-c", ask], { encoding: "utf8" }).trim();
    const unused = new Set(["site-packages", "dist-packages", "test", "idlelib"]);
    cpSync(library, join(work, "library"), { recursive: true, filter: (path) => !unused.has(basename(path)) });
    baseImage(join(work, "python.tar"), [
      ...["--tools", "--bin", "chmod", ...librariesOf(process.execPath)],
      ...["--copy", `${join(work, "library")}:${library}`, "--copy", realpathSync(python)],
    ]);
    // Packages of PyPI bring their libraries: no need to look what each of hundreds loads.
    cpSync(environment, join(work, "files", stack, "python"), { recursive: true, verbatimSymlinks: true });
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
export function redisImage(dir: string, tag: string): string {
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

const versionOf = (image: string) => image.slice(image.lastIndexOf(":") + 1);
