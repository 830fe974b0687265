import { readNetworks } from "../../../components/config";
import type { Declaration } from "../model";
import type { StackFinding } from "./finding";

/** Allow lists (`allow`) as they are written: what was taken otherwise than it stands there, and what says nothing new. */
export function checkNetworks({ stack, recorded }: Declaration): StackFinding[] {
  const findings: StackFinding[] = [];
  const look = (value: unknown, path: readonly string[]): void => {
    if (typeof value !== "object" || value === null) return;
    if (path.at(-1) === "allow" && Array.isArray(value)) {
      const [key = "", , environment] = path;
      const system = key.replace(/^usdf:/, "");
      const where = path[1] === "environments" && environment !== undefined ? `${system}-${environment}` : stack;
      for (const message of readNetworks(value.map(String)).warnings)
        findings.push({
          level: "warning",
          environment: where,
          object: path.join("."),
          message: `${message}. Correct it`,
        });
      return;
    }
    for (const [name, inner] of Object.entries(value)) look(inner, [...path, name]);
  };
  look(recorded.yaml.config, []);
  return findings;
}
