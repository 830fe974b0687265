/**
 * `node --require test/support/codeCache.cjs workloads/dist/<name>.js`: the bundle starts with what V8 compiled of it the last time,
 * half of a start's CPU time. Tests start programs hundreds of times; a pod starts once and does without.
 */
const { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const { basename, dirname, join, resolve } = require("node:path");
const vm = require("node:vm");

const dist = resolve(__dirname, "../../workloads/dist");
const cache = resolve(__dirname, "../../node_modules/.cache/usdf/compiled-bundles");
const compile = Module.prototype._compile;

Module.prototype._compile = function (text, path) {
  if (dirname(path) !== dist) return compile.call(this, text, path);
  const { mtimeMs, size } = statSync(path);
  const name = basename(path);
  const file = join(cache, `${name}-${process.version}-${size}-${mtimeMs}`);
  let cachedData;
  try {
    cachedData = readFileSync(file);
  } catch {
    // the first start of this bundle
  }
  const importModuleDynamically = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const script = new vm.Script(Module.wrap(text), { filename: path, cachedData, importModuleDynamically });
  if (!cachedData || script.cachedDataRejected) process.once("exit", () => keep(name, file, script.createCachedData()));
  const main = script.runInThisContext();
  return main.call(this.exports, this.exports, Module.createRequire(path), this, path, dirname(path));
};

/** Whole or not there, also for a second process that ends now; those of earlier bundles go. */
function keep(name, file, data) {
  try {
    mkdirSync(cache, { recursive: true });
    for (const old of readdirSync(cache)) if (old.startsWith(`${name}-`)) rmSync(join(cache, old), { force: true });
    writeFileSync(`${file}.${process.pid}`, data);
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // it only costs time
  }
}
