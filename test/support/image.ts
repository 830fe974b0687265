/**
 * Images without registry and daemon: what the last stage of a Dockerfile copies, over programs of this machine that stand
 * for its base image. Nothing else is invented: files, user, variables and entry point are the Dockerfile's.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { tool } from "./cluster";

/** One `COPY`, its target absolute. */
export interface Copy {
  /** Stage or image that it comes from; the checkout without one. */
  readonly from?: string;
  readonly sources: readonly string[];
  readonly target: string;
  /** Permissions of what is copied, as `--chmod` says it. */
  readonly mode?: number;
}

/** The last stage of a Dockerfile, arguments put in. */
export interface FinalStage {
  readonly base: string;
  readonly copies: readonly Copy[];
  /** Commands that run while it is built: whoever makes the image without a daemon must do the same. */
  readonly runs: readonly string[];
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Reads a Dockerfile.
 * @param args - Build arguments; others have the default that the file gives.
 * @throws Error with the line that is not understood.
 */
export function finalStage(file: string, args: Readonly<Record<string, string>> = {}): FinalStage {
  const globals: Record<string, string> = {};
  let values = globals; // a stage knows only what it declares itself
  const filled = (text: string) => text.replace(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
  let stage = newStage("");
  for (const line of instructions(file)) {
    const [, word, rest] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    if (word === "FROM") values = globals;
    const text = word === "RUN" ? rest! : filled(rest ?? "");
    switch (word) {
      case "ARG": {
        const [name, fallback] = text.split("=") as [string, string?];
        const value = args[name] ?? fallback ?? globals[name];
        if (value !== undefined) values[name] = value;
        break;
      }
      case "FROM":
        stage = newStage(text.split(/\s+/)[0]!);
        values = {};
        break;
      case "COPY":
        stage.copies.push(copyOf(text, stage.workdir));
        break;
      case "RUN":
        stage.runs.push(text);
        break;
      case "USER":
        stage.user = text;
        break;
      case "WORKDIR":
        stage.workdir = posix.resolve(stage.workdir, text);
        break;
      case "ENV":
        Object.assign(stage.env, pairs(text));
        break;
      case "LABEL":
        Object.assign(stage.labels, pairs(text));
        break;
      case "ENTRYPOINT":
        stage.entrypoint = JSON.parse(text) as string[];
        break;
      case "SHELL":
        break;
      default:
        throw new Error(`${file}: cannot read "${line}"`);
    }
  }
  return stage;
}

const newStage = (base: string) => ({
  base,
  copies: [] as Copy[],
  runs: [] as string[],
  user: "0",
  workdir: "/",
  env: {} as Record<string, string>,
  labels: {} as Record<string, string>,
  entrypoint: [] as string[],
});

/** Lines of a Dockerfile without comments, continued ones as one. */
function instructions(file: string): string[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const text = lines.filter((line) => !line.startsWith("#")).join("\n");
  return text
    .replace(/\\\n/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

function copyOf(text: string, workdir: string): Copy {
  const words = text.split(/\s+/);
  const flags = pairs(words.filter((word) => word.startsWith("--")).join(" "));
  const paths = words.filter((word) => !word.startsWith("--"));
  const target = paths.at(-1)!;
  const slash = target.endsWith("/") && target !== "/" ? "/" : "";
  return {
    from: flags["--from"],
    sources: paths.slice(0, -1),
    target: posix.resolve(workdir, target) + slash,
    mode: flags["--chmod"] === undefined ? undefined : parseInt(flags["--chmod"], 8),
  };
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/([^\s=]+)=(?:"([^"]*)"|(\S*))/g)].map(([, name, quoted, plain]) => [name!, quoted ?? plain!]),
  );
}

/**
 * Does the copies of a stage into a folder, as a builder would.
 * @param root - Gets the files, as below `/` of the image.
 * @param place - Path on this machine of a path of a stage or of the checkout.
 */
export function copyFiles(stage: FinalStage, root: string, place: (path: string, from?: string) => string): void {
  for (const { from, sources, target, mode } of stage.copies) {
    for (const source of sources) {
      const pattern = place(source, from);
      for (const file of matching(pattern)) {
        // A folder gives its content; a file goes into a target with a slash at its end, or becomes the target.
        const isInto = target.endsWith("/") && !statSync(file).isDirectory();
        const copied = join(root, isInto ? join(target, basename(file)) : target);
        mkdirSync(dirname(copied), { recursive: true });
        cpSync(file, copied, { recursive: true, filter: (path) => basename(path) !== "__pycache__" });
        if (mode !== undefined) chmodSync(copied, mode);
      }
    }
  }
}

/** Files of a pattern with `*` in its last part. @throws Error when there is none: a builder fails then, too. */
function matching(pattern: string): string[] {
  if (!pattern.includes("*")) return [pattern];
  const wanted = new RegExp(`^${basename(pattern).replaceAll(".", "\\.").replaceAll("*", "[^/]*")}$`);
  const found = readdirSync(dirname(pattern)).filter((name) => wanted.test(name) && !name.startsWith("."));
  if (found.length === 0) throw new Error(`no file is ${pattern}`);
  return found.map((name) => join(dirname(pattern), name));
}

/** Paths of all files of a folder, as below `/` of an image, with their sizes in bytes. */
export function filesOf(root: string): Map<string, number> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
  return new Map(paths.map((path) => [`/${relative(root, path)}`, statSync(path).size]));
}

/** What stands for a base image: programs and folders of this machine, as options of `host-image` name them. */
export function baseImage(tar: string, options: readonly string[]): void {
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  execFileSync(tool("host-image"), [tar, "local/base:1", "--env", path, ...options], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Options of `host-image` that bring the libraries which a program loads. */
export function librariesOf(program: string): string[] {
  const lines = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...lines.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => ["--copy", `${realpathSync(path!)}:${path!}`]);
}

/** Unpacks the layers of a docker-archive, one over the other. @param root - Gets the files, as below `/`. */
export function unpackLayers(tar: string, root: string): void {
  const read = (file: string) => execFileSync("tar", ["-xOf", tar, file], { encoding: "utf8" });
  const [{ Layers: layers }] = JSON.parse(read("manifest.json")) as [{ Layers: string[] }];
  mkdirSync(root, { recursive: true });
  for (const layer of layers) execFileSync("sh", ["-c", 'tar -xOf "$1" "$2" | tar -xC "$3"', "sh", tar, layer, root]);
}

/** Arguments of {@link addLayer}. */
export interface LayerOptions {
  /** The docker-archive of {@link baseImage}. */
  readonly base: string;
  /** The docker-archive to write. */
  readonly tar: string;
  /** Name with registry and tag, as the pods ask for it. */
  readonly name: string;
  readonly stage: Pick<FinalStage, "user" | "env" | "workdir" | "entrypoint" | "labels">;
  /** Folder with the files of the layer. */
  readonly root: string;
}

/** Writes the image that a builder would: the base, one layer upon it, and what the stage says of user, folder and so on. */
export function addLayer({ base, tar, name, stage, root }: LayerOptions): void {
  const work = mkdtempSync(join(dirname(tar), "layers-"));
  try {
    execFileSync("tar", ["-xf", base, "-C", work]);
    const read = (file: string) => JSON.parse(readFileSync(join(work, file), "utf8"));
    const [{ Config: baseConfig, Layers: layers }] = read("manifest.json") as [{ Config: string; Layers: string[] }];
    const config = read(baseConfig) as { config: { Env: string[] }; rootfs: { diff_ids: string[] } };
    const layer = `layer-${layers.length}.tar`; // the base may have such a layer, too
    execFileSync("tar", [
      ...["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"],
      ...["-cf", join(work, layer), "-C", root, "."],
    ]);
    config.rootfs.diff_ids.push(`sha256:${sha256(readFileSync(join(work, layer)))}`);
    const { user, env, workdir, entrypoint, labels } = stage;
    const made = JSON.stringify({
      ...config,
      config: {
        User: user,
        Env: [...config.config.Env, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)],
        WorkingDir: workdir,
        Entrypoint: entrypoint,
        Labels: labels,
      },
    });
    const configFile = `${sha256(made)}.json`;
    const all = [...layers, layer];
    writeFileSync(join(work, configFile), made);
    writeFileSync(join(work, "manifest.json"), JSON.stringify([{ Config: configFile, RepoTags: [name], Layers: all }]));
    execFileSync("tar", ["-cf", tar, "-C", work, "manifest.json", configFile, ...all]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const sha256 = (content: string | Buffer) => createHash("sha256").update(content).digest("hex");
