/**
 * Lets `require` load the TypeScript of this checkout: each file is translated by esbuild and kept in
 * node_modules/.cache/usdf by the hash of its text. tsx does the same and more, but it also looks into every JavaScript
 * file of every package: half a second of `usdf preview`, a quarter of the whole.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, "node_modules", ".cache", "usdf", "typescript");
/** Part of the key: what a translation depends on beside the text. */
const recipe = `1 ${require("esbuild/package.json").version}`;

/** Registers the loader for `.ts`; extensionless imports find `.ts` files from then on. */
export function register() {
  // Stacks are shown for USDF_DEBUG only, and Pulumi makes thousands: mapping them takes 0.2 s of a preview.
  if (process.env.USDF_DEBUG) process.setSourceMapsEnabled(true);
  Module.enableCompileCache?.(join(cache, "..", "compiled")); // Node 22 and newer: 0.3 s less
  Module._extensions[".ts"] = (module, path) => module._compile(translated(path), path);
}

function translated(path) {
  const text = readFileSync(path, "utf8");
  const key = createHash("sha256")
    .update(`${recipe}\n${relative(root, path)}\n${text}`)
    .digest("hex")
    .slice(0, 32);
  const cached = join(cache, `${key}.js`);
  try {
    return readFileSync(cached, "utf8");
  } catch {
    const { code } = require("esbuild").transformSync(text, {
      loader: "ts",
      format: "cjs",
      target: "node20",
      sourcefile: path,
      sourcemap: "inline",
      // `import()` becomes a require, which knows this loader; Node's own import() does not.
      supported: { "dynamic-import": false },
    });
    mkdirSync(cache, { recursive: true });
    const half = `${cached}.${process.pid}`;
    writeFileSync(half, code);
    renameSync(half, cached); // whole or not there, also for a second usdf that runs now
    return code;
  }
}
