import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configurationReference } from "./configuration";
import { environmentReference } from "./environment";
import { outputsReference } from "./outputs";
import { playbookPages } from "./playbook";
import { policyReference } from "./policies";
import { stackJsonSchema } from "../../components/config";

/** Pages that are generated, by their path in the checkout. */
const pagesOf = (root: string): Record<string, (root: string) => string> => ({
  "docs/reference/environment.md": environmentReference,
  "docs/reference/configuration.md": configurationReference,
  "docs/reference/outputs.md": outputsReference,
  "docs/reference/policies.md": policyReference,
  "components/config/stack.schema.json": () => `${JSON.stringify(stackJsonSchema(), undefined, 2)}\n`,
  ...playbookPages(root),
});

/** Writes the generated pages. @returns the paths whose text changed. */
export function writeDocs(root: string): string[] {
  const stale = staleDocs(root);
  const pages = pagesOf(root);
  for (const path of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), pages[path]!(root));
  }
  return stale;
}

/** Generated pages whose text in the checkout is not what the code says. */
export function staleDocs(root: string): string[] {
  return Object.entries(pagesOf(root))
    .filter(([path, text]) => textOf(join(root, path)) !== text(root))
    .map(([path]) => path);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
