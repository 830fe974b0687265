import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../state";

/** Digest of the code that a supervisor runs, so that `usdf up` after a change of it starts a new one. */
export function codeDigest(): string {
  const local = join(checkout, "local");
  const folders = ["runner", "services", "relay"].map((name) => join(local, name));
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const all = [
    ...files,
    join(local, "process.ts"),
    join(local, "state.ts"),
    join(checkout, "package-lock.json"),
  ].sort();
  const hash = createHash("sha256").update(process.version);
  for (const file of all) hash.update(`${file} ${statSync(file).mtimeMs} ${statSync(file).size}\n`);
  return hash.digest("hex").slice(0, 16);
}
