import type { AvroSchema } from "../lib/avro";
import type { ObjectStore } from "../lib/objectStore";
import { encodeParquet } from "./encode";
import { digestOf, type Group } from "./epoch";

/** What the first file of a span says that was there before. */
export interface FoundLead {
  /** First offset after the span. */
  readonly end: number;
  /** {@link digestOf} its messages. */
  readonly digest: string;
}

export interface FileStoreOptions {
  readonly store: ObjectStore;
  /** What keys begin with. */
  readonly topicsDir: string;
}

/** A source of files: one partition. */
export interface Source {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Parquet files in S3, each made once and never changed. A name that is taken by other messages (a topic that was made
 * anew begins with offset 0 again) gets an addition, so that no file is ever written over.
 */
export class FileStore {
  constructor(private readonly options: FileStoreOptions) {}

  /**
   * Writes the first file of a span, which settles where the span ends: its name follows from the committed offset alone,
   * so of all who ever write that span, one succeeds, and the others learn its end.
   * @param end - First offset after the span.
   * @returns what is there instead, or undefined when this call made it.
   */
  async createLead(source: Source, group: Group, schema: AvroSchema, end: number): Promise<FoundLead | undefined> {
    const first = digestOf(group.rows.slice(0, 1));
    const body = encodeParquet(schema, valuesOf(group));
    const digest = digestOf(group.rows);
    for (const addition of ["", `+${first.slice(0, 8)}`]) {
      const key = this.keyOf(source, group, addition);
      if (await this.options.store.create(key, body, metadataOf(group, end, digest))) return undefined;
      const found = await this.options.store.metadataOf(key);
      if (found[names.first] === first) return { end: Number(found[names.end]), digest: found[names.digest] ?? "" };
    }
    throw new Error(
      `${this.keyOf(source, group, `+${first.slice(0, 8)}`)} is there with other messages. Move it out of the bucket.`,
    );
  }

  /** Writes a file unless it is there with the same messages; `beside` is under another name, since its own is taken. */
  async create(source: Source, group: Group, schema: AvroSchema, end: number): Promise<"written" | "found" | "beside"> {
    const digest = digestOf(group.rows);
    const body = encodeParquet(schema, valuesOf(group));
    for (const addition of ["", `+${digest.slice(0, 8)}`]) {
      const key = this.keyOf(source, group, addition);
      const made = await this.options.store.create(key, body, metadataOf(group, end, digest));
      if (made) return addition === "" ? "written" : "beside";
      if ((await this.options.store.metadataOf(key))[names.digest] === digest) return "found";
    }
    throw new Error(
      `${this.keyOf(source, group, `+${digest.slice(0, 8)}`)} is there with other messages. Move it out of the bucket.`,
    );
  }

  /**
   * Makes sure that the store keeps the promise that all of this rests on.
   * @throws Error when it writes over an object that it was told not to.
   */
  async checkConditionalPut(): Promise<void> {
    const { store, topicsDir } = this.options;
    const key = `${topicsDir}/.written-once`;
    const body = Buffer.from("parquet-sink looks here whether the store obeys If-None-Match.\n");
    if ((await store.create(key, body)) && (await store.create(key, body)))
      throw new Error(
        `The store of bucket "${store.bucket}" writes over objects in spite of If-None-Match: *, so files could hold ` +
          "messages twice. Give a store that knows conditional writes (Ceph RGW, S3).",
      );
  }

  /** `<topicsDir>/<topic>/year=YYYY/month=MM/day=dd/hour=HH/<topic>+<partition>+<first offset><addition>.snappy.parquet` */
  private keyOf({ topic, partition }: Source, { hourMs, rows }: Group, addition: string): string {
    const [year, month, day, hour] = new Date(hourMs).toISOString().split(/[-T:]/);
    const folder = `${this.options.topicsDir}/${topic}/year=${year}/month=${month}/day=${day}/hour=${hour}`;
    const first = String(rows[0]!.offset).padStart(10, "0");
    return `${folder}/${topic}+${partition}+${first}${addition}.snappy.parquet`;
  }
}

/** Names of an object's metadata, as S3 keeps them: `x-amz-meta-…`. */
const names = {
  first: "first-message-sha256",
  digest: "messages-sha256",
  end: "end-offset",
  firstOffset: "first-offset",
  lastOffset: "last-offset",
  records: "records",
  schemaId: "schema-id",
} as const;

function metadataOf({ rows, schemaId }: Group, end: number, digest: string): Record<string, string> {
  return {
    [names.firstOffset]: String(rows[0]!.offset),
    [names.lastOffset]: String(rows[rows.length - 1]!.offset),
    [names.end]: String(end),
    [names.records]: String(rows.length),
    [names.schemaId]: String(schemaId),
    [names.first]: digestOf(rows.slice(0, 1)),
    [names.digest]: digest,
  };
}

function valuesOf({ rows }: Group): Buffer[] {
  return rows.map(({ value }) => value);
}
