import { loadStackConfig, rawStackConfig, type StackConfig } from "../components/config";
import { readStackYaml, type StackYaml } from "./stackYaml";

/**
 * Configuration of a stack, with defaults.
 * @param yaml - What stands for its file. Default: `Pulumi.<stack>.yaml` of this checkout.
 * @throws StackConfigError that lists every fault.
 */
export function stackConfig(stack: string, yaml: StackYaml = readStackYaml(stack)): StackConfig {
  const texts = Object.entries(yaml.config ?? {}).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return loadStackConfig(rawStackConfig(Object.fromEntries(texts) as Record<string, string>), stack);
}
