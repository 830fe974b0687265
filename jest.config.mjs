/** Tests run as they are written; real services are started by the tests themselves. */
export default {
  testEnvironment: "node",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  transform: {
    "\\.(ts|mts|mjs|js)$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  // ES-only packages are transformed too: jest loads modules by itself and knows no require() of them.
  transformIgnorePatterns: ["/node_modules/(?!(listr2|eventemitter3|fast-check|pure-rand)/)"],
  // As `local/typescript.cjs` does for the programs.
  moduleNameMapper: {
    "/typescript-shim$": "<rootDir>/local/lazy/typescript.cjs",
    "^@npmcli/arborist$": "<rootDir>/local/lazy/arborist.cjs",
  },
  modulePathIgnorePatterns: ["<rootDir>/workloads/dist", "<rootDir>/.usdf"],
  testTimeout: 30_000,
};
