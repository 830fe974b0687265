import type { Declaration } from "../model";
import type { StackFinding } from "./finding";

/** Topics of each Sasquatch environment against its connectors, over all names that are known; its data against its disks. */
export function checkSasquatch({ stack, recorded }: Declaration): StackFinding[] {
  if (recorded.yaml.config?.["usdf:sasquatch"] === undefined) return [];
  // Loaded for a stack that has it only.
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { stackConfig } = require("../../stackConfig") as typeof import("../../stackConfig");
  const { auditTopics, findingsOf } = require("../../topics") as typeof import("../../topics");
  const { sizeOfEnvironment } = require("../../sasquatch") as typeof import("../../sasquatch");
  /* eslint-enable @typescript-eslint/no-require-imports */
  const { sasquatch } = stackConfig(stack, recorded.yaml);
  return Object.keys(sasquatch?.environments ?? {}).flatMap((name) => {
    const ofTopics = findingsOf(auditTopics(name, sasquatch!));
    const { disks } = sizeOfEnvironment(name, sasquatch!);
    // Brokers are alike: the fullest stands for all.
    const fullest = [...disks].sort((one, other) => other.fillPercent - one.fillPercent);
    const told = fullest.filter(
      ({ message, kind }, index) => message !== undefined && fullest.findIndex((one) => one.kind === kind) === index,
    );
    const ofDisks = told.map(({ name: disk, message }) => ({
      level: "warning" as const,
      object: disk,
      message: `${message!} That is at 10 MB/s of SAL; other rates: usdf sasquatch size ${name}`,
    }));
    return [...ofTopics, ...ofDisks].map((one) => ({ environment: `sasquatch-${name}`, ...one }));
  });
}
