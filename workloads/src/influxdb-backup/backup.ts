import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError, parseEnv } from "../lib/contract";
import { InfluxdbClient } from "../lib/influxdb";
import type { Logger } from "../lib/log";
import { backUpBuckets, bucketsItem, type BucketOptions, restoreBuckets } from "./buckets";
import { incomingFolder, influxdbBackupContract, outgoingFolder } from "./contract";
import { BackupError, beginBackup, copyStable, openBackup, prune, sealBackup, stampOf } from "./folder";

/** The environment, with what one mode needs and another does not. @throws {@link ConfigError} */
export function readEnvironment(environment: NodeJS.ProcessEnv) {
  const env = parseEnv(influxdbBackupContract, environment);
  const faults: string[] = [];
  if (env.INFLUXDB_URL !== undefined && env.INFLUXDB_ADMIN_TOKEN === undefined)
    faults.push("INFLUXDB_ADMIN_TOKEN is missing, which INFLUXDB_URL needs");
  if (env.MODE === "restore" && env.INFLUXDB_URL === undefined && env.COPIES.length === 0)
    faults.push(
      "INFLUXDB_URL is missing: MODE restore is for InfluxDB 2; others are restored by their own tools after MODE check",
    );
  const copies = env.COPIES.map((entry) => {
    const [item = "", file = ""] = entry.split("=", 2);
    if (!/^[a-z][a-z0-9-]*$/.test(item) || !file.startsWith("/"))
      faults.push(`COPIES has "${entry}", not <item>=</file>`);
    return { item, file };
  });
  const items = [...env.INCOMING, ...copies.map(({ item }) => item), ...(env.INFLUXDB_URL ? [bucketsItem] : [])];
  if (env.MODE === "backup" && items.length === 0)
    faults.push("INFLUXDB_URL, INCOMING and COPIES are empty: nothing to back up");
  if (faults.length > 0) throw new ConfigError(influxdbBackupContract.name, faults);
  return { ...env, copies, items };
}

/** One run. @returns what was done, for the log. @throws on any failure: half a backup is none. */
export async function runBackup(
  env: ReturnType<typeof readEnvironment>,
  { log, stop, now }: { log: Logger; stop?: AbortSignal; now: Date },
): Promise<object> {
  const { BACKUP_DIR: root, MODE: mode, INFLUXDB_URL: url, INFLUXDB_ORG: org } = env;
  const timeoutMs = env.REQUEST_TIMEOUT * 1000;
  const client = url === undefined ? undefined : new InfluxdbClient({ url, timeoutMs, waitMs: env.WAIT * 1000, stop });
  const options = client && { client, login: { token: env.INFLUXDB_ADMIN_TOKEN! }, org, timeoutMs, log, stop };
  if (mode === "backup") return backUp(env, options, now);
  const { dir, manifest } = await openBackup(root, env.BACKUP);
  log.info({ backup: basename(dir), files: manifest.files.length }, "Backup is whole");
  if (mode === "check") {
    // The tool after this one gets a copy, so that no mistake of it costs the backup.
    const outgoing = join(root, outgoingFolder);
    await rm(outgoing, { recursive: true, force: true });
    await cp(dir, outgoing, { recursive: true });
    return { checked: basename(dir), outgoing };
  }
  const files = await restoreCopies(dir, env.copies, env.OVERWRITE, now);
  const buckets =
    options && (await restoreBuckets(dir, { ...options, only: env.BUCKETS, overwrite: env.OVERWRITE, now }));
  return { restored: basename(dir), files, buckets };
}

/** Puts files back where they were; one that is there is refused, or put aside. */
async function restoreCopies(
  dir: string,
  copies: readonly { item: string; file: string }[],
  overwrite: boolean,
  now: Date,
) {
  const there = copies.filter(({ file }) => existsSync(file));
  if (there.length > 0 && !overwrite)
    throw new BackupError(
      `Files that are there already: ${there.map(({ file }) => file).join(", ")}. Nothing was changed. ` +
        "Set OVERWRITE=true: then they are renamed and kept.",
    );
  const missing = copies.filter(({ item, file }) => !existsSync(join(dir, item, basename(file))));
  if (missing.length > 0)
    throw new BackupError(`The backup has no ${missing.map(({ item }) => item).join(", ")}. Nothing was changed.`);
  for (const { file } of there) await rename(file, `${file}.before_${stampOf(now)}`);
  for (const { item, file } of copies) await copyStable(join(dir, item, basename(file)), file);
  return copies.map(({ file }) => file);
}

async function backUp(env: ReturnType<typeof readEnvironment>, options: BucketOptions | undefined, now: Date) {
  const { BACKUP_DIR: root, INCOMING, KEEP_DAYS, copies, items } = env;
  const dir = await beginBackup(root, now);
  if (options) await backUpBuckets(dir, options);
  for (const item of INCOMING) {
    await rename(join(root, incomingFolder, item), join(dir, item)).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      await mkdir(join(dir, item)); // the seal says that it is empty
    });
  }
  for (const { item, file } of copies) await copyStable(file, join(dir, item, basename(file)));
  const sealed = await sealBackup(dir, items, now);
  const pruned = await prune(root, KEEP_DAYS, now);
  return { backup: basename(sealed), items, pruned };
}
