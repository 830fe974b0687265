/**
 * Bundles each `src/<name>/main.ts` to `dist/<name>.js`, so that a container starts in a tenth of a second and its image
 * holds nothing unused; `dist/sbom.cdx.json` lists what is in them. Does nothing when no source has changed. Run it, or
 * call {@link build}.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "dist");
const stampFile = join(target, ".stamp");
const sbomFile = join(target, "sbom.cdx.json");

/** @returns {Promise<string[]>} names of the programs that were bundled; empty when all were up to date. */
export async function build() {
  const makers = ["build.mjs", "sbom.mjs", "butler/instruments.json", "../package-lock.json"].map((name) =>
    join(here, name),
  );
  const stamp = stampOf([...makers, ...filesOf(source)]);
  const programs = readdirSync(source).filter((name) => existsSync(join(source, name, "main.ts")));
  const isCurrent = existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;
  const products = [...programs.map((name) => join(target, `${name}.js`)), sbomFile];
  if (isCurrent && products.every((file) => existsSync(file))) return [];
  const { build: bundle } = await import("esbuild");
  const { sbomOf } = await import("./sbom.mjs");
  const { outputFiles, metafile } = await bundle(bundleOf(programs));
  const sbom = await sbomOf(metafile);
  mkdirSync(target, { recursive: true });
  // Written beside and renamed: a pod that starts meanwhile reads the old or the new program, never half of one.
  for (const { path, contents } of outputFiles) replaceFile(path, contents);
  replaceFile(sbomFile, sbom);
  replaceFile(stampFile, stamp);
  for (const file of readdirSync(target)) {
    if (file.endsWith(".js") && !programs.includes(basename(file, ".js"))) rmSync(join(target, file));
  }
  return programs;
}

/**
 * @param {string[]} programs
 * @returns {import("esbuild").BuildOptions & { metafile: true, write: false }}
 */
export function bundleOf(programs) {
  return {
    absWorkingDir: dirname(here),
    entryPoints: Object.fromEntries(programs.map((name) => [name, join(source, name, "main.ts")])),
    outdir: target,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["supports-color"], // a terminal's; "debug" takes it where some other tool has brought it
    legalComments: "none", // the texts of the licences are in the list
    // A third less, for an image below 250 MB. Names stay, and lines are short: a stack tells where it was, and Node shows the line.
    minifyWhitespace: true,
    lineLimit: 160,
    metafile: true,
    logLevel: "warning",
    write: false,
  };
}

function replaceFile(path, contents) {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, contents);
  renameSync(part, path);
}

function filesOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function stampOf(files) {
  const hash = createHash("sha256");
  for (const file of files) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build().then((programs) => console.log(programs.length > 0 ? `bundled ${programs.join(", ")}` : "up to date"));
}
