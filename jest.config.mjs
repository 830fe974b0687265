const swc = [
  "@swc/jest",
  { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
];

/** Tests run as they are written; real services are started by the tests themselves. */
export default {
  testEnvironment: "<rootDir>/test/support/jest/environment.cjs",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  transform: {
    // ES-only packages, for which jest knows no require(); and one whose metrics belong to each test file.
    "/node_modules/(listr2|eventemitter3|fast-check|pure-rand|hyparquet|hyparquet-writer|prom-client)/": swc,
    "/node_modules/.*js$": "<rootDir>/test/support/jest/packages.cjs",
    "\\.(ts|mts|mjs|js)$": swc,
  },
  transformIgnorePatterns: [],
  modulePathIgnorePatterns: ["<rootDir>/workloads/dist", "<rootDir>/.usdf"],
  // Ends what hangs, and is no measure: on a busy machine a test may take many times as long.
  testTimeout: 600_000,
};
