import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** Folders that hold nothing but generated pages. */
const generatedFolders = ["docs/playbook"];

/** Writes the generated pages, and removes those of what is gone. @returns the paths that changed. */
export function writeDocs(root: string): string[] {
  const stale = stalePages(root);
  for (const [path, text] of stale) {
    if (text === undefined) rmSync(join(root, path));
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
  return [...stale.keys()];
}

/** Generated pages whose text in the checkout is not what the code says. */
export function staleDocs(root: string): string[] {
  return [...stalePages(root).keys()];
}

/** By path what the text should be; undefined for a page that should not be there. */
function stalePages(root: string): Map<string, string | undefined> {
  const pages = pagesOf(root);
  const wanted = Object.entries(pages).map(([path, text]): [string, string] => [path, text(root)]);
  const gone = generatedFolders
    .flatMap((folder) => namesIn(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !Object.hasOwn(pages, path));
  return new Map<string, string | undefined>([
    ...wanted.filter(([path, text]) => textOf(join(root, path)) !== text),
    ...gone.map((path): [string, undefined] => [path, undefined]),
  ]);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // there is none yet
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
