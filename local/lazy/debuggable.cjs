/**
 * Pulumi's watch over its promises, without the stack of each, which would name the one that never ends: of thousands it is a
 * sixth of the program's time on a large stack. Not used with PULUMI_DEBUG_PROMISE_LEAKS, which shows them.
 */
let watch;

/** The module itself, whose place in the cache this one has taken. */
function original() {
  if (watch) return watch;
  const file = require.resolve("@pulumi/pulumi/runtime/debuggable");
  const { [file]: here } = require.cache;
  delete require.cache[file];
  watch = require(file);
  require.cache[file] = here;
  return watch;
}

function debuggablePromise(...args) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return original().debuggablePromise(...args);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

module.exports = new Proxy(
  {},
  { get: (_, name) => (name === "debuggablePromise" ? debuggablePromise : original()[name]) },
);
