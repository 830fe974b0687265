import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../lib/errors";
import { authorization, type InfluxdbClient, type Login } from "../lib/influxdb";
import type { Logger } from "../lib/log";
import { BackupError, stampOf } from "./folder";

/** Folder of the buckets in a backup. */
export const bucketsItem = "influxdb";
const bucketsFile = "buckets.json";

/** A bucket as InfluxDB 2 tells of it; what is not named here is handed back as it came. */
interface BucketManifest {
  readonly bucketName: string;
  readonly retentionPolicies: { shardGroups: { deletedAt?: string; shards: { id: number }[] }[] }[];
}

export interface BucketOptions {
  readonly client: InfluxdbClient;
  readonly login: Login;
  readonly org: string;
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly stop?: AbortSignal;
}

/** A shard is asked for so often. */
const maxAttempts = 3;

/** Backs up all buckets of people: their shards, and how they lie in time. Users and tasks are declared elsewhere. */
export async function backUpBuckets(dir: string, options: BucketOptions): Promise<void> {
  const { client, login, timeoutMs, log, stop } = options;
  const folder = join(dir, bucketsItem);
  await mkdir(folder);
  const response = await fetch(`${client.url}/api/v2/backup/metadata`, {
    headers: authorization(login),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok)
    throw new BackupError(`InfluxDB refuses a backup with ${response.status}: ${await response.text()}`);
  const all = partOf(Buffer.from(await response.arrayBuffer()), response.headers.get("content-type"), "buckets");
  const buckets = (JSON.parse(all) as BucketManifest[]).filter(({ bucketName }) => !bucketName.startsWith("_"));
  const kept: BucketManifest[] = [];
  for (const bucket of buckets) {
    const gone = new Set<number>();
    for (const id of shardsOf(bucket)) {
      if (stop?.aborted) throw new BackupError("Stopped before the backup was whole. No backup was made.");
      if (!(await download(id, join(folder, shardFile(id)), options))) gone.add(id);
    }
    const retentionPolicies = bucket.retentionPolicies.map((policy) => ({
      ...policy,
      shardGroups: policy.shardGroups.filter(
        ({ deletedAt, shards }) => deletedAt === undefined && !shards.some(({ id }) => gone.has(id)),
      ),
    }));
    kept.push({ ...bucket, retentionPolicies });
    log.info({ bucket: bucket.bucketName, shards: shardsOf(bucket).length - gone.size }, "Backed up");
  }
  await writeFile(join(folder, bucketsFile), `${JSON.stringify(kept, null, 1)}\n`);
}

/**
 * Restores buckets. All is looked into before anything is changed: a bucket that holds points is left alone, and nothing
 * restored, unless `overwrite` puts it aside under another name. The set-up gives the new buckets their users afterwards.
 */
export async function restoreBuckets(
  dir: string,
  { only, overwrite, now, ...options }: BucketOptions & { only: readonly string[]; overwrite: boolean; now: Date },
): Promise<string[]> {
  const { client, login, log } = options;
  const folder = join(dir, bucketsItem);
  const all = JSON.parse(await readFile(join(folder, bucketsFile), "utf8")) as BucketManifest[];
  const unknown = only.filter((name) => !all.some(({ bucketName }) => bucketName === name));
  if (unknown.length > 0)
    throw new BackupError(
      `The backup has no bucket ${unknown.join(", ")}. It has: ${all.map(({ bucketName }) => bucketName).join(", ")}. Nothing was changed.`,
    );
  const chosen = all.filter(({ bucketName }) => only.length === 0 || only.includes(bucketName));
  const ask = <T>(method: string, path: string, body?: object) =>
    client.request<T>(method, `/api/v2${path}`, body, login);
  const { orgs } = await ask<{ orgs: { id: string; name: string }[] }>(
    "GET",
    `/orgs?org=${encodeURIComponent(options.org)}`,
  );
  const org = orgs[0]!;
  const there: { id: string; name: string; hasPoints: boolean }[] = [];
  for (const { bucketName } of chosen) {
    const path = `/buckets?orgID=${org.id}&name=${encodeURIComponent(bucketName)}`;
    const { buckets } = await ask<{ buckets: { id: string; name: string }[] }>("GET", path);
    for (const { id, name } of buckets) there.push({ id, name, hasPoints: await hasPoints(name, options) });
  }
  const full = there.filter((one) => one.hasPoints).map(({ name }) => name);
  if (full.length > 0 && !overwrite)
    throw new BackupError(
      `Buckets with points in them: ${full.join(", ")}. Nothing was changed. Name others by BUCKETS, or set OVERWRITE=true: ` +
        "then they are renamed and kept.",
    );
  for (const { id, name, hasPoints: isFull } of there) {
    if (isFull) await ask("PATCH", `/buckets/${id}`, { name: `${name}_before_${stampOf(now)}` });
    else await ask("DELETE", `/buckets/${id}`); // it was seen to be empty
    log.info({ bucket: name, renamed: isFull }, isFull ? "Put aside" : "Empty bucket removed");
  }
  for (const bucket of chosen) {
    const made = await ask<{ shardMappings: { oldId: number; newId: number }[] }>("POST", "/restore/bucketMetadata", {
      ...bucket,
      organizationID: org.id,
      organizationName: org.name,
    });
    for (const { oldId, newId } of made.shardMappings) await upload(newId, join(folder, shardFile(oldId)), options);
    log.info({ bucket: bucket.bucketName, shards: made.shardMappings.length }, "Restored");
  }
  return chosen.map(({ bucketName }) => bucketName);
}

async function hasPoints(bucket: string, { client, login, org }: BucketOptions): Promise<boolean> {
  // Fields of different types cannot be in one table: only the times are kept.
  const query = `from(bucket: ${JSON.stringify(bucket)}) |> range(start: 0, stop: 2200-01-01T00:00:00Z) |> first() |> keep(columns: ["_time"]) |> limit(n: 1)`;
  const text = await client.text(
    "POST",
    `/api/v2/query?org=${encodeURIComponent(org)}`,
    { query, type: "flux" },
    login,
  );
  return text.trim() !== "";
}

const shardFile = (id: number) => `shard-${id}.tar`;

function shardsOf({ retentionPolicies }: BucketManifest): number[] {
  return retentionPolicies.flatMap(({ shardGroups }) =>
    shardGroups.filter(({ deletedAt }) => deletedAt === undefined).flatMap(({ shards }) => shards.map(({ id }) => id)),
  );
}

/** @returns false when the shard is gone: its time was over meanwhile. */
async function download(id: number, file: string, { client, login, timeoutMs }: BucketOptions): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(`${client.url}/api/v2/backup/shards/${id}`, {
        headers: authorization(login),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status === 404) return false;
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file));
      await checkArchive(file);
      return true;
    } catch (error) {
      await rm(file, { force: true });
      if (attempt === maxAttempts)
        throw new BackupError(`Shard ${id} cannot be backed up: ${messageOf(error)}. No backup was made.`);
    }
  }
}

/** The server writes an error into an answer that has begun; only the end of the archive tells that it is whole. */
async function checkArchive(file: string): Promise<void> {
  const { size } = await stat(file);
  const end = Buffer.alloc(1024, 1);
  const handle = await open(file);
  try {
    if (size >= 1024) await handle.read(end, 0, 1024, size - 1024);
  } finally {
    await handle.close();
  }
  if (size % 512 !== 0 || end.some((byte) => byte !== 0)) throw new Error(`the archive of ${size} bytes has no end`);
}

async function upload(id: number, file: string, { client, login, timeoutMs }: BucketOptions): Promise<void> {
  const response = await fetch(`${client.url}/api/v2/restore/shards/${id}`, {
    method: "POST",
    headers: { ...authorization(login), "content-type": "application/octet-stream" },
    body: Readable.toWeb(createReadStream(file)) as never,
    duplex: "half",
    signal: AbortSignal.timeout(timeoutMs),
  } as RequestInit);
  if (!response.ok)
    throw new BackupError(
      `InfluxDB refuses shard ${id} with ${response.status}: ${await response.text()}. The bucket is not whole: restore again.`,
    );
}

/** One part of an answer of many. */
function partOf(body: Buffer, contentType: string | null, name: string): string {
  const boundary = /boundary=([^;]+)/.exec(contentType ?? "")?.[1];
  // It is the last part; those before are databases that may hold anything.
  const start = boundary === undefined ? -1 : body.lastIndexOf(`name="${name}"`);
  const from = start < 0 ? -1 : body.indexOf("\r\n\r\n", start);
  const to = from < 0 ? -1 : body.indexOf(`\r\n--${boundary}--`, from);
  if (to < 0) throw new BackupError(`InfluxDB's answer has no whole part "${name}". No backup was made.`);
  return body.toString("utf8", from + 4, to);
}
