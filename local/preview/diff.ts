import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { structuredPatch } from "diff";
import { recordStack } from "../record";
import { declarationOf } from "./declaration";
import { filesOf } from "./render";

const run = promisify(execFile);

/** What became of one object. */
export interface ObjectChange {
  readonly change: "created" | "changed" | "removed";
  /** Its file, as render names it. */
  readonly file: string;
  /** Lines with their mark: `+`, `-` or a space; `@@` between distant ones. */
  readonly lines: readonly string[];
}

/** Object by object, what differs between two renderings. */
export function compareFiles(before: Map<string, string>, after: Map<string, string>): ObjectChange[] {
  const files = [...new Set([...before.keys(), ...after.keys()])].sort();
  return files.flatMap((file): ObjectChange[] => {
    const [old = "", now = ""] = [before.get(file), after.get(file)];
    if (old === now) return [];
    const { hunks } = structuredPatch(file, file, old, now, "", "", { context: 2 });
    const lines = hunks.flatMap((hunk, index) => (index > 0 ? ["@@", ...hunk.lines] : hunk.lines));
    const change = !before.has(file) ? "created" : !after.has(file) ? "removed" : "changed";
    return [{ change, file, lines }];
  });
}

/**
 * Objects of a stack as they stand at a git ref: its program and its configuration, with the packages that are
 * installed here. A stack that the ref does not have is empty.
 * @throws when git knows no such ref, or when the program of the ref does not run.
 */
export async function filesAtRef(root: string, ref: string, stacks: readonly string[]): Promise<Map<string, string>[]> {
  const folder = await mkdtemp(join(tmpdir(), "usdf-diff-"));
  try {
    await checkOut(root, ref, folder);
    const renderings: Map<string, string>[] = [];
    for (const stack of stacks) {
      if (!existsSync(join(folder, `Pulumi.${stack}.yaml`))) {
        renderings.push(new Map());
        continue;
      }
      const recorded = await recordStack(stack, { root: folder }).catch((error: Error) => {
        throw new Error(`Stack ${stack} at ${ref} cannot be rendered: ${error.message}`, { cause: error });
      });
      renderings.push(filesOf(declarationOf(recorded)));
    }
    return renderings;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts the files of a ref into a folder, and this checkout's packages beside them. */
async function checkOut(root: string, ref: string, folder: string): Promise<void> {
  const git = (...args: string[]) => run("git", ["-C", root, ...args], { maxBuffer: 2 ** 30 });
  const commit = await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`).catch((error) => {
    const reason = error.code === "ENOENT" ? "git is not installed" : `git knows no commit "${ref}" here`;
    throw new Error(`Cannot compare with "${ref}": ${reason}. Give a branch, tag or commit of this checkout.`, {
      cause: error,
    });
  });
  const archive = join(folder, "ref.tar");
  await git("archive", "--format=tar", `--output=${archive}`, commit.stdout.trim());
  await run("tar", ["-xf", archive, "-C", folder]);
  await rm(archive);
  for (const modules of ["node_modules", "workloads/node_modules"])
    if (existsSync(join(root, modules))) await symlink(join(root, modules), join(folder, modules));
}
