import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { stringify } from "yaml";
import type { Declaration, DeclaredObject } from "./model";

/** File that says that a folder was made by render, and which files in it are render's. */
export const marker = ".usdf-render.json";

/** What render did to a folder. */
export interface Rendered {
  readonly written: readonly string[];
  /** Files of an earlier render that the stack no longer has. */
  readonly removed: readonly string[];
}

/** Text of an object's file: YAML for Kubernetes and Vault, for Ceph the JSON that `aws s3api` and `aws sns` take. */
export function textOf({ type, content }: DeclaredObject): string {
  if (type !== "kubernetes" && type !== "vault") return `${JSON.stringify(content, null, 2)}\n`;
  return stringify(content, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Objects by file, in the order of the files. */
export function byFile({ objects }: Declaration): Map<string, DeclaredObject> {
  const files = new Map<string, DeclaredObject>();
  for (const object of [...objects].sort((a, b) => (a.file < b.file ? -1 : 1))) {
    if (files.has(object.file)) {
      throw new Error(`Two objects would be rendered to ${object.file}: rename one (usdf preview names both).`);
    }
    files.set(object.file, object);
  }
  return files;
}

/** Texts by file, in the order of the files. */
export function filesOf(declaration: Declaration): Map<string, string> {
  return new Map([...byFile(declaration)].map(([file, object]) => [file, textOf(object)]));
}

/**
 * Writes a stack's objects below `folder`, one file each, and removes what an earlier render left there. Files that
 * render did not write stay.
 * @throws when the folder holds something and was not made by render.
 */
export async function renderTo(folder: string, declaration: Declaration): Promise<Rendered> {
  const earlier = await filesOfEarlierRender(folder);
  const files = filesOf(declaration);
  await mkdir(folder, { recursive: true });
  // First the union, so that an interrupted render still knows all that is its own.
  await writeMarker(folder, declaration.stack, [...new Set([...earlier, ...files.keys()])]);
  for (const [file, text] of files) {
    await mkdir(join(folder, dirname(file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  const removed = earlier.filter((file) => !files.has(file));
  for (const file of removed) await removeFile(folder, file);
  await writeMarker(folder, declaration.stack, [...files.keys()]);
  return { written: [...files.keys()], removed };
}

async function writeMarker(folder: string, stack: string, files: readonly string[]): Promise<void> {
  const about = "Made by usdf render, which removes the files below when the stack no longer has them.";
  await writeFile(join(folder, marker), `${JSON.stringify({ about, stack, files: [...files].sort() }, null, 2)}\n`);
}

async function filesOfEarlierRender(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw new Error(`Cannot render into ${folder}: ${error.message}`, { cause: error });
  });
  if (entries.length === 0) return [];
  if (!entries.includes(marker)) {
    throw new Error(
      `${folder} holds ${entries.slice(0, 3).join(", ")}${entries.length > 3 ? ", …" : ""} and was not made by usdf render. ` +
        "Give an empty or a new folder.",
    );
  }
  const { files } = JSON.parse(await readFile(join(folder, marker), "utf8")) as { files: string[] };
  // The marker is a file that anyone can edit: nothing outside the folder is touched for it.
  return files.filter((file) => !normalize(file).startsWith("..") && !file.startsWith("/"));
}

/** Removes a file, and the folders that it leaves empty. */
async function removeFile(folder: string, file: string): Promise<void> {
  await rm(join(folder, file), { force: true });
  for (let inner = dirname(file); inner !== "."; inner = dirname(inner)) {
    const isEmpty = await rmdir(join(folder, inner)).then(
      () => true,
      () => false,
    );
    if (!isEmpty) return;
  }
}
