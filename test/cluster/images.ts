/** The images of the embargo system, made from their Dockerfiles' file lists. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { usdfImage } from "../../components/platform";
import { ensureButlerPython } from "../../local/services";
import { tool } from "../support/cluster";
import { addLayer, baseImage, copyFiles, type FinalStage, finalStage, librariesOf } from "../support/image";
import { buildWorkloads, root } from "../support/pod";
import type { Node } from "./node";
import { stack, stackTree } from "./stackTree";

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

/** Makes every image of the embargo system and brings it into the node. */
export async function loadImages(node: Node, dir: string, redisTag: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const path = (name: string) => join(dir, `${name}.tar`);
  // Nothing but a place: its files are in the node without being copied there, before a layer is put upon them.
  baseImage(path("stack"), []);
  await node.load(path("stack"));
  await node.fill(path("stack"), stackTree(await ensureButlerPython()));
  const workloads = await workloadsFiles(dir);
  const ingest = await ingestFiles(dir, workloads);
  baseImage(path("debian"), librariesOf(process.execPath)); // the libraries that Node.js loads stand for it
  addLayer({ ...workloads, base: path("debian"), tar: path("workloads"), root: workloads.files });
  addLayer({ ...ingest, base: path("stack"), tar: path("ingest"), root: ingest.files });
  redisImage(path("redis"), redisTag);
  for (const name of ["redis", "workloads", "ingest"]) await node.load(path(name));
}

/** Redis of this machine under the name that the stack declares. */
function redisImage(tar: string, tag: string): void {
  const programs = ["redis-server", "redis-cli", "sed", "grep"].flatMap((program) => ["--bin", program]);
  execFileSync(tool("host-image"), [
    ...[tar, `docker.io/library/redis:${tag}`, "--user", "999:redis", "--tools", ...programs],
  ]);
}

const versionOf = (image: string) => image.slice(image.lastIndexOf(":") + 1);
