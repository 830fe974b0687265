/** Files of images that are large and always the same, in the cache; a node gets them without a copy (`Node.fill`). */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../../local/services";

/**
 * A folder that is made once.
 * @param name - What it is; older ones of this name are removed.
 * @param madeOf - What it depends on.
 * @param make - Makes it somewhere in the folder that it is given, and says where.
 */
export function cachedTree(name: string, madeOf: readonly (string | Buffer)[], make: (work: string) => string): string {
  const hash = createHash("sha256");
  for (const one of madeOf) hash.update(one);
  const tree = join(cacheDir, `${name}-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(tree)) return tree;
  for (const old of readdirSync(cacheDir).filter((one) => one.startsWith(`${name}-`)))
    rmSync(join(cacheDir, old), { recursive: true, force: true });
  const work = mkdtempSync(join(cacheDir, `making-${name}-`));
  try {
    renameSync(make(work), tree);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return tree;
}
