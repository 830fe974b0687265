/**
 * Lets `require` load the TypeScript of this checkout, from when it is itself required: `node --require ./local/typescript.cjs`.
 * Each file is translated by esbuild and kept in node_modules/.cache/usdf by the hash of its text. tsx does the same and more,
 * but it also looks into every JavaScript file of every package: half a second of `usdf preview`, a quarter of the whole.
 * CommonJS, so that the stack positions that Pulumi keeps in its state stay relative to the project.
 */
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const { basename, dirname, join } = require("node:path");

const root = join(__dirname, "..");
const cache = join(root, "node_modules", ".cache", "usdf", "typescript");
/** Part of the key: what a translation depends on beside the text. */
const recipe = `2 ${require("esbuild/package.json").version}`;

// Stacks are shown for USDF_DEBUG only, and Pulumi makes thousands: mapping them takes 0.2 s of a preview.
if (process.env.USDF_DEBUG) process.setSourceMapsEnabled(true);
Module.enableCompileCache?.(join(cache, "..", "compiled")); // Node 22 and newer: 0.3 s less
require("./lazy/index.cjs");
// Extensionless imports find .ts files from here on.
Module._extensions[".ts"] = (module, path) => module._compile(translated(path), path);

function translated(path) {
  const text = readFileSync(path, "utf8");
  const key = createHash("sha256")
    .update(`${recipe}\n${basename(path)}\n${text}`)
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
      sourcefile: basename(path), // beside the module, in whatever folder: a checkout of another ref has most files too
      sourcemap: "inline",
      // `import()` becomes a require, which knows this loader; Node's own import() does not.
      supported: { "dynamic-import": false },
    });
    keep(cached, code);
    return code;
  }
}

/** Whole or not there, also for a second process that runs now. A folder that cannot be written to only costs time. */
function keep(file, text) {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const half = `${file}.${process.pid}`;
    writeFileSync(half, text);
    renameSync(half, file);
  } catch (error) {
    if (process.env.USDF_DEBUG) process.stderr.write(`No translation kept: ${error.message}\n`);
  }
}
