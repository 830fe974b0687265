import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { FacilityError } from "../lib/errors";

/** A backup cannot be made or used; the message says why, and nothing was changed. */
export class BackupError extends FacilityError {
  readonly code = "BACKUP";
  readonly retryable = false;
}

/** What a sealed backup holds. */
export interface Manifest {
  readonly createdAt: string;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

const manifestFile = "manifest.json";
const partPrefix = ".part-";
/** Name of a sealed backup: the time when it was begun. */
const sealedName = /^\d{8}T\d{6}Z$/;

/** `20261120T030000Z`. */
export function stampOf(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d+/g, "");
}

/** Folder of a backup that is being made. What an earlier run left half done is cleared away. */
export async function beginBackup(root: string, now: Date): Promise<string> {
  await mkdir(root, { recursive: true });
  for (const name of (await readdir(root)).filter((one) => one.startsWith(partPrefix)))
    await rm(join(root, name), { recursive: true });
  const dir = join(root, `${partPrefix}${stampOf(now)}`);
  await mkdir(dir);
  return dir;
}

/**
 * Writes what the folder holds and gives it its name: from now on it is a backup.
 * @param items - Folders that must be there, none of them empty.
 * @throws {@link BackupError} when one is missing.
 */
export async function sealBackup(dir: string, items: readonly string[], now: Date): Promise<string> {
  const paths = await filesOf(dir);
  for (const item of items)
    if (!paths.some((path) => path.startsWith(`${item}/`)))
      throw new BackupError(`Backup item ${item} is empty: what should have filled it did not. No backup was made.`);
  const files = [];
  for (const path of paths) files.push({ path, ...(await fingerprint(join(dir, path))) });
  const manifest: Manifest = { createdAt: now.toISOString(), files };
  const file = join(dir, manifestFile);
  await writeFile(file, `${JSON.stringify(manifest, null, 1)}\n`);
  await sync(file);
  const sealed = join(dirname(dir), basename(dir).slice(partPrefix.length));
  await rename(dir, sealed);
  return sealed;
}

/** Finds and checks a backup. @throws {@link BackupError} that lists every file that is not what it was. */
export async function openBackup(root: string, name: string): Promise<{ dir: string; manifest: Manifest }> {
  const names = await sealedNames(root);
  const chosen = name === "latest" ? names.at(-1) : name;
  if (chosen === undefined || !names.includes(chosen))
    throw new BackupError(`There is no backup "${name}" in ${root}. There are: ${names.join(", ") || "none"}.`);
  const dir = join(root, chosen);
  const manifest = JSON.parse(await readFile(join(dir, manifestFile), "utf8")) as Manifest;
  const faults: string[] = [];
  for (const { path, bytes, sha256 } of manifest.files) {
    const found = await fingerprint(join(dir, path)).catch(() => undefined);
    if (found === undefined) faults.push(`${path} is missing`);
    else if (found.bytes !== bytes) faults.push(`${path} has ${found.bytes} bytes instead of ${bytes}`);
    else if (found.sha256 !== sha256) faults.push(`${path} has other contents`);
  }
  if (faults.length > 0)
    throw new BackupError(
      `Backup ${chosen} is damaged: ${faults.join("; ")}. Nothing was changed; take another backup.`,
    );
  return { dir, manifest };
}

/** Removes backups older than that; the newest stays whatever its age. @returns their names. */
export async function prune(root: string, keepDays: number, now: Date): Promise<string[]> {
  const oldest = stampOf(new Date(now.getTime() - keepDays * 86_400_000));
  const old = (await sealedNames(root)).slice(0, -1).filter((name) => name < oldest);
  for (const name of old) await rm(join(root, name), { recursive: true });
  return old;
}

/** Copies of a file that is written meanwhile differ from it; so many are tried. */
const maxCopies = 5;

/** Copies a file that another program may write: the copy is of one moment. @throws {@link BackupError} */
export async function copyStable(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  for (let attempt = 1; attempt <= maxCopies; attempt++) {
    const before = await fingerprint(from).catch((error: unknown) => {
      throw new BackupError(`Cannot read ${from}: ${(error as Error).message}. Mount its volume, or leave it out.`);
    });
    await copyFile(from, to);
    const [copy, after] = [await fingerprint(to), await fingerprint(from)];
    if (copy.sha256 === before.sha256 && after.sha256 === before.sha256) return;
  }
  throw new BackupError(
    `${from} changed during each of ${maxCopies} copies. No backup was made; try when less goes on.`,
  );
}

async function sealedNames(root: string): Promise<string[]> {
  const names = await readdir(root).catch(() => []);
  return names.filter((name) => sealedName.test(name)).sort();
}

async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

async function fingerprint(file: string): Promise<{ bytes: number; sha256: string }> {
  const { size: bytes } = await stat(file);
  const hash = createHash("sha256");
  // No further than it was at first: one that grows all the time would never end.
  if (bytes > 0) for await (const chunk of createReadStream(file, { end: bytes - 1 })) hash.update(chunk as Buffer);
  return { bytes, sha256: hash.digest("hex") };
}

async function sync(file: string): Promise<void> {
  const handle = await open(file);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
