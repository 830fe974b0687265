/**
 * The TypeScript compiler, loaded when something of it is first asked for. Pulumi loads its 9 MB with every program and uses them
 * only to serialise closures, which we have none of: a quarter second of each start, two seconds of each test file.
 */
module.exports = new Proxy(
  {},
  { get: (_, name) => require("typescript")[name], has: (_, name) => name in require("typescript") },
);
