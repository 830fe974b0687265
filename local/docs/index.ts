import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { environmentReference } from "./environment";

/** Pages that are generated, by their path in the checkout. */
const pages: Record<string, () => string> = {
  "docs/reference/environment.md": environmentReference,
};

/** Writes the generated pages. @returns the paths whose text changed. */
export function writeDocs(root: string): string[] {
  const stale = staleDocs(root);
  for (const path of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), pages[path]!());
  }
  return stale;
}

/** Generated pages whose text in the checkout is not what the code says. */
export function staleDocs(root: string): string[] {
  return Object.entries(pages)
    .filter(([path, text]) => textOf(join(root, path)) !== text())
    .map(([path]) => path);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
