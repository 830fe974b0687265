import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { structuredPatch } from "diff";
import { recordStack } from "../record";
import { titleOf } from "./checks/finding";
import { declarationOf } from "./declaration";
import type { Declaration, DeclaredObject } from "./model";
import { byFile, textOf } from "./render";

const run = promisify(execFile);

/** What became of one object. */
export interface ObjectChange {
  readonly change: "created" | "changed" | "removed";
  /** Environment that it belongs, or belonged, to. */
  readonly environment: string;
  /** `Deployment summit/redis` */
  readonly object: string;
  /** Its file, as render names it. */
  readonly file: string;
  /** Lines with their mark: `+`, `-` or a space; `@@` between distant ones. */
  readonly lines: readonly string[];
}

/** Object by object, what differs between two declarations of a stack. */
export function changesBetween(before: Declaration, after: Declaration): ObjectChange[] {
  const [old, now] = [byFile(before), byFile(after)];
  const text = (object: DeclaredObject | undefined) => (object ? textOf(object) : "");
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((file): ObjectChange[] => {
    const [one, other] = [old.get(file), now.get(file)];
    // Most are equal: no YAML is made of those.
    if (one && other && JSON.stringify(one.content) === JSON.stringify(other.content)) return [];
    const [was, is] = [text(one), text(other)];
    if (was === is) return [];
    const { hunks } = structuredPatch(file, file, was, is, "", "", { context: 2 });
    const lines = hunks.flatMap((hunk, index) => (index > 0 ? ["@@", ...hunk.lines] : hunk.lines));
    const change = !one ? "created" : !other ? "removed" : "changed";
    const object = (other ?? one)!;
    return [{ change, environment: object.environment, object: titleOf(object), file, lines }];
  });
}

/**
 * What stacks declared at a git ref: its program and its configuration, with the packages that are installed here. A
 * stack that the ref does not have declares nothing.
 * @throws when git knows no such ref, or when the program of the ref does not run.
 */
export async function declarationsAtRef(root: string, ref: string, stacks: readonly string[]): Promise<Declaration[]> {
  const folder = await mkdtemp(join(tmpdir(), "usdf-diff-"));
  try {
    await checkOut(root, ref, folder);
    const declarations: Declaration[] = [];
    for (const stack of stacks) {
      if (!existsSync(join(folder, `Pulumi.${stack}.yaml`))) {
        declarations.push({
          stack,
          objects: [],
          recorded: { stack, yaml: { config: {} }, resources: [], outputs: {} },
        });
        continue;
      }
      const recorded = await recordStack(stack, { root: folder }).catch((error: Error) => {
        throw new Error(`Stack ${stack} at ${ref} cannot be rendered: ${error.message}`, { cause: error });
      });
      declarations.push(declarationOf(recorded));
    }
    return declarations;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The commit that a ref names. @throws when git knows no such ref. */
export async function commitOf(root: string, ref: string): Promise<string> {
  const words = ["-C", root, "rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`];
  const { stdout } = await run("git", words).catch((error) => {
    const reason = error.code === "ENOENT" ? "git is not installed" : `git knows no commit "${ref}" here`;
    throw new Error(`Cannot compare with "${ref}": ${reason}. Give a branch, tag or commit of this checkout.`, {
      cause: error,
    });
  });
  return stdout.trim();
}

/** Puts the files of a ref into a folder, and this checkout's packages beside them. */
async function checkOut(root: string, ref: string, folder: string): Promise<void> {
  const commit = await commitOf(root, ref);
  const archive = join(folder, "ref.tar");
  await run("git", ["-C", root, "archive", "--format=tar", `--output=${archive}`, commit], { maxBuffer: 2 ** 30 });
  await run("tar", ["-xf", archive, "-C", folder]);
  await rm(archive);
  for (const modules of ["node_modules", "workloads/node_modules"])
    if (existsSync(join(root, modules))) await symlink(join(root, modules), join(folder, modules));
}
