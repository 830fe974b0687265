/**
 * Pulumi's watch over its promises, without the stack of each, which would name the one that never ends: of thousands it is a
 * sixth of the program's time on a large stack. Not used with PULUMI_DEBUG_PROMISE_LEAKS, which shows them.
 */
const { original } = require("./later.cjs");

const file = require.resolve("@pulumi/pulumi/runtime/debuggable");
let watch;

/** The module itself. This one keeps its place in the cache, for those who load it later. */
function real() {
  if (watch) return watch;
  const { [file]: here } = require.cache;
  watch = original(file);
  require.cache[file] = here;
  return watch;
}

function debuggablePromise(...args) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return real().debuggablePromise(...args);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

module.exports = new Proxy({}, { get: (_, name) => (name === "debuggablePromise" ? debuggablePromise : real()[name]) });
