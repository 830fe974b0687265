import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createLogger } from "../../../workloads/src/lib/log";

it("writes one JSON object a line, each field once, and no secret", () => {
  const program = `
    const { createLogger } = require(${JSON.stringify(join(__dirname, "../../../workloads/src/lib/log"))});
    createLogger("ingest").info({ path: "b/k", password: "p1", redis: { secret: "p2" } }, "Ingested b/k");`;
  const text = execFileSync(
    "sh",
    ["-c", '"$0" --require ./local/typescript.cjs -e "$1" 2>&1', process.execPath, program],
    {
      cwd: join(__dirname, "../../.."),
    },
  ).toString();
  expect(Object.keys(JSON.parse(text))).toEqual(["level", "time", "name", "path", "password", "redis", "msg"]);
  expect(text.match(/"name"/g)).toHaveLength(1);
  expect(text).not.toMatch(/p1|p2/);
});

it.each([
  ["INFO", "info"],
  ["WARNING", "warn"],
  [".=ERROR,ingest=DEBUG", "debug"],
  ["lsst.ingest=DEBUG", "debug"],
  ["enqueue=DEBUG", "info"],
  ["nonsense", "info"],
])("LOG_CONFIG=%s sets ingest to %s", (config, level) => expect(createLogger("ingest", config).level).toBe(level));
