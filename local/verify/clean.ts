import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import type { Redis } from "ioredis";
import { canaryPrefix, forgetCanary, hasCanaryName } from "../../workloads/src/lib/canary";
import { type ExposurePath, keyOf, parseObjectPath } from "../../workloads/src/lib/objectPath";
import { sidecarKey } from "../camera";
import type { Place } from "./place";

interface Parts {
  readonly place: Place;
  readonly redis: Redis;
  readonly s3: S3Client;
}

/** A canary of this age belongs to no run that still goes on: the longest one lasts ten minutes. */
const leftoverMs = 15 * 60_000;

/**
 * Removes a canary from Redis and from the bucket. May be repeated. While its objects stand, a later run finds what is left;
 * so Redis comes first, and once more for what an ingest that had it in hand wrote meanwhile.
 */
export async function removeCanary({ place, redis, s3 }: Parts, object: ExposurePath): Promise<void> {
  await forgetCanary(redis, object);
  const key = keyOf(object.path);
  for (const one of [key, sidecarKey(key)]) {
    await s3.send(new DeleteObjectCommand({ Bucket: place.bucket.name, Key: one }));
  }
  await forgetCanary(redis, object);
}

/** Removes canaries of runs that were killed. @returns how many. */
export async function removeLeftovers(parts: Parts, olderThanMs: number = leftoverMs): Promise<number> {
  const { place, s3 } = parts;
  const request = { Bucket: place.bucket.name, Prefix: canaryPrefix, MaxKeys: 1_000 };
  const { Contents = [] } = await s3.send(new ListObjectsV2Command(request));
  const found = new Map<string, ExposurePath>();
  for (const { Key = "", LastModified } of Contents) {
    if (Date.now() - (LastModified?.getTime() ?? Date.now()) < olderThanMs) continue;
    const path = `${place.path}/${Key.replace(/\.json$/, ".fits")}`;
    const object = path.split("/").length === 5 ? parseObjectPath(path) : undefined;
    if (object && hasCanaryName(object)) found.set(path, object);
  }
  for (const object of found.values()) await removeCanary(parts, object);
  return found.size;
}
