/**
 * Modules that are loaded when something of them is first asked for. Each stands in the place of the real one in the cache, which
 * it gives up then.
 */
const loaded = new Map();

/** The module of a file whose place in the cache another has taken. */
function original(file) {
  if (!loaded.has(file)) {
    delete require.cache[file];
    loaded.set(file, require(file));
  }
  return loaded.get(file);
}
exports.original = original;

/** A namespace: what is asked of it is the module's. */
exports.later = (file) =>
  new Proxy(
    {},
    {
      get: (_, name) => (name === "__esModule" ? true : original(file)[name]),
      has: (_, name) => name in original(file),
    },
  );

/** Functions that others take from the module as they load. */
exports.functionsLater = (file, names) =>
  Object.fromEntries(names.map((name) => [name, (...args) => original(file)[name](...args)]));
