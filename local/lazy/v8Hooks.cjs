/**
 * Pulumi's session with V8's inspector, opened when something of it is first asked for. Every program would open it and wait for
 * a note on each of its scripts, which only serialised closures need; we have none of those.
 */
const { functionsLater } = require("./later.cjs");

exports.v8Hooks = (file) => ({
  ...functionsLater(file, ["getSessionAsync", "getScriptUrl"]),
  isInitializedAsync: async () => {},
});
