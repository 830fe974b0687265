/**
 * Keeps Pulumi from loading what it would not use and V8 from optimising what hardly runs, from when this is itself required:
 * half of what its processes take.
 */
const Module = require("node:module");

const { functionsLater, later } = require("./later.cjs");
const { v8Hooks } = require("./v8Hooks.cjs");

require("./optimizer.cjs");
preload("@pulumi/pulumi/typescript-shim", () => require("./typescript.cjs"));
preload("@npmcli/arborist", () => require("./arborist.cjs"));
preload("@pulumi/pulumi/runtime/closure/v8Hooks", v8Hooks);
preload("@pulumi/pulumi/runtime/closure/codePaths", (file) => functionsLater(file, ["computeCodePaths"]));
// Pulumi and its Kubernetes package bring them with all else; no program of ours uses them.
preload("@pulumi/pulumi/automation", later);
for (const part of ["helm", "kustomize", "yaml"]) preload(`@pulumi/kubernetes/${part}`, later);
preload("zod/v4/locales", later); // English has a file of its own
// It maps stacks to files such as node_modules/@pulumi/output.ts; Node 20 loops for ever when it shows an error with such a
// path in colours, as Pulumi shows each error of a program. With USDF_DEBUG Node maps them by itself.
preload("source-map-support/register", () => ({}));
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS)
  preload("@pulumi/pulumi/runtime/debuggable", () => require("./debuggable.cjs"));

/** Gives a module in advance: whoever requires it takes this. Nothing where there is no such module. */
function preload(name, standIn) {
  try {
    const filename = require.resolve(name, { paths: [require.resolve("@pulumi/pulumi/package.json")] });
    const exports = standIn(filename);
    require.cache[filename] = Object.assign(new Module(filename), { filename, loaded: true, exports });
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
}
