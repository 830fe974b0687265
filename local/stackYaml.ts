import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** `Pulumi.<stack>.yaml`. */
export interface StackYaml {
  config: Record<string, unknown>;
}

/** Reads `Pulumi.<stack>.yaml`. */
export function readStackYaml(stack: string, root = join(__dirname, "..")): StackYaml {
  const file = join(root, `Pulumi.${stack}.yaml`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`Stack "${stack}" has no ${file}. Known stacks are the files Pulumi.<stack>.yaml.`, {
      cause: error,
    });
  }
  return parse(text) as StackYaml;
}
