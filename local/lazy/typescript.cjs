/**
 * TypeScript, loaded when something of it is first asked for. Pulumi requires its 9 MB in every program and uses them only to
 * serialise closures, which we have none of.
 */
module.exports = new Proxy(
  {},
  { get: (_, name) => require("typescript")[name], has: (_, name) => name in require("typescript") },
);
