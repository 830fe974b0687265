import { messageOf } from "../lib/errors";
import { isCreation, type KeyEncoding, type NotificationRecord } from "../lib/notification";
import { type ObjectPath, parseObjectPath } from "../lib/objectPath";
import type { QueueRecord, RejectedNotification } from "../lib/queue";
import { metrics } from "./metrics";

/** An object that goes to the dead letters of its bucket. */
export interface Unqueueable {
  readonly bucket: string;
  readonly path: string;
  readonly code: "UNKNOWN_BUCKET" | "OBJECT_PATH";
  readonly reason: string;
}

/** What one or more notifications come to. Nothing of it is acknowledged before all of it is in Redis. */
export interface Intake {
  readonly records: QueueRecord[];
  readonly dead: Unqueueable[];
  readonly rejected: RejectedNotification[];
}

export function emptyIntake(): Intake {
  return { records: [], dead: [], rejected: [] };
}

/** How many entries an intake has. */
export function sizeOf(intake: Intake): number {
  return intake.records.length + intake.dead.length + intake.rejected.length;
}

export interface SorterOptions {
  /** S3 profile put before the bucket; empty for none. */
  readonly profile: string;
  readonly datasetRegexp: RegExp;
  /** `[profile@]bucket` names that have an ingester; empty accepts every bucket. */
  readonly buckets: readonly string[];
  readonly keyEncoding: KeyEncoding;
}

/** Decides for each record: to the queue, to the dead letters, or left out. */
export class Sorter {
  private readonly prefix: string;
  private readonly buckets: ReadonlySet<string>;
  constructor(readonly options: SorterOptions) {
    this.prefix = options.profile === "" ? "" : `${options.profile}@`;
    this.buckets = new Set(options.buckets);
  }

  /** @returns the object when it goes to the queue. */
  sort(record: NotificationRecord, into: Intake): ObjectPath | undefined {
    if (!isCreation(record)) {
      metrics.ignored.inc({ reason: "event" });
      return undefined;
    }
    const bucket = this.prefix + record.bucket;
    const path = `${bucket}/${record.key}`;
    if (!this.options.datasetRegexp.test(path)) {
      metrics.ignored.inc({ reason: "regexp" });
      return undefined;
    }
    if (this.buckets.size > 0 && !this.buckets.has(bucket)) {
      const reason =
        `Bucket "${bucket}" has no ingester (BUCKETS=${[...this.buckets].join(",")}). ` +
        "Add an ingester and the bucket to BUCKETS, or remove the bucket's notification.";
      into.dead.push({ bucket, path, code: "UNKNOWN_BUCKET", reason });
      return undefined;
    }
    try {
      const object = parseObjectPath(path);
      into.records.push({ object, identity: record.identity });
      return object;
    } catch (error) {
      into.dead.push({ bucket, path, code: "OBJECT_PATH", reason: messageOf(error) });
      return undefined;
    }
  }
}
