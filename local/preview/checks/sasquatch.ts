import type { Declaration } from "../model";
import type { StackFinding } from "./finding";

/** Topics of each Sasquatch environment against its connectors, over all names that are known. */
export function checkSasquatch({ stack, recorded }: Declaration): StackFinding[] {
  if (recorded.yaml.config?.["usdf:sasquatch"] === undefined) return [];
  // Loaded for a stack that has it only.
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { stackConfig } = require("../../stackConfig") as typeof import("../../stackConfig");
  const { auditTopics, findingsOf } = require("../../topics") as typeof import("../../topics");
  /* eslint-enable @typescript-eslint/no-require-imports */
  const { sasquatch } = stackConfig(stack, recorded.yaml);
  return Object.keys(sasquatch?.environments ?? {}).flatMap((name) =>
    findingsOf(auditTopics(name, sasquatch!)).map((one) => ({ environment: `sasquatch-${name}`, ...one })),
  );
}
