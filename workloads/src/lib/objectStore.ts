import { createHash } from "node:crypto";
import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from "@aws-sdk/client-s3";
import { ConfigError } from "./contract";
import { FacilityError, messageOf } from "./errors";
import { keyOf } from "./objectPath";

/** What the store says of an object. */
export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** In whole seconds, as S3 tells it, ms since 1970. */
  readonly lastModifiedMs: number;
  readonly eTag: string;
}

/** The object is not there. */
export class ObjectMissingError extends FacilityError {
  readonly code = "OBJECT_MISSING";
  readonly retryable = true;
  constructor(key: string, bucket: string) {
    super(`There is no object "${key}" in bucket "${bucket}". PUT it again, or drop its dead letter.`);
  }
}

/** The store answers, but will not have this request: the key or the object is at fault. */
export class ObjectRefusedError extends FacilityError {
  readonly code = "OBJECT_REFUSED";
  readonly retryable = true;
  constructor(what: string, cause: unknown) {
    super(`S3 ${what} was refused: ${messageOf(cause)}. Look at the key and at the object.`, { cause });
  }
}

/** The store did not answer, or not as it should. */
export class StoreUnavailableError extends FacilityError {
  readonly code = "STORE_UNAVAILABLE";
  readonly retryable = true;
  constructor(what: string, cause: unknown) {
    super(`S3 ${what} failed: ${messageOf(cause)}. Look at the gateway and at the keys of the profile.`, { cause });
  }
}

/** What is needed to reach the store, from the environment of a workload. */
export interface StoreEnv {
  readonly BUCKET: string;
  readonly S3_ENDPOINT_URL?: string;
  readonly AWS_ACCESS_KEY_ID?: string;
  readonly AWS_SECRET_ACCESS_KEY?: string;
  readonly S3_CONCURRENCY: number;
  readonly S3_TIMEOUT: number;
}

/** One bucket of an S3 store. Paths are `[profile@]bucket/key`; keys go to the store byte for byte. */
export class ObjectStore {
  /** Bucket as the store names it, with a tenant before `:` if it has one. */
  readonly bucket: string;
  private readonly client: S3Client;

  /** @throws {@link ConfigError} when the profile of BUCKET has no variable, or a malformed one. */
  constructor(env: StoreEnv, environment: NodeJS.ProcessEnv) {
    const at = env.BUCKET.indexOf("@");
    this.bucket = env.BUCKET.slice(at + 1);
    const access = at < 0 ? defaultAccess(env) : profileAccess(env.BUCKET.slice(0, at), environment);
    this.client = new S3Client({
      ...access,
      region: "default",
      forcePathStyle: true,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      maxAttempts: 2,
      requestHandler: {
        connectionTimeout: env.S3_TIMEOUT * 1000,
        requestTimeout: env.S3_TIMEOUT * 1000,
        httpAgent: { keepAlive: true, maxSockets: env.S3_CONCURRENCY },
        httpsAgent: { keepAlive: true, maxSockets: env.S3_CONCURRENCY },
      },
    });
  }

  async head(path: string): Promise<ObjectInfo> {
    const key = keyOf(path);
    const answer = await this.ask("HEAD", key, () =>
      this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key })),
    );
    const { ContentLength = 0, LastModified, ETag = "" } = answer;
    return { key, size: ContentLength, lastModifiedMs: LastModified?.getTime() ?? 0, eTag: ETag.replaceAll('"', "") };
  }

  /** The object, or its first `limitBytes`. @throws {@link ObjectMissingError} {@link StoreUnavailableError} */
  async read(key: string, limitBytes?: number): Promise<Buffer> {
    return this.ask("GET", key, async () => {
      const range = limitBytes === undefined ? {} : { Range: `bytes=0-${limitBytes - 1}` };
      const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key, ...range }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    });
  }

  /**
   * Makes an object, unless there is one of that key: of several who try at once, one succeeds.
   * @param metadata - Kept with the object; given back by {@link metadataOf}.
   * @returns whether this call made it.
   */
  async create(key: string, body: Uint8Array, metadata: Readonly<Record<string, string>> = {}): Promise<boolean> {
    const ContentMD5 = createHash("md5").update(body).digest("base64"); // the store refuses what was changed on its way
    return this.ask("PUT", key, async () => {
      const object = { Bucket: this.bucket, Key: key, Body: body, Metadata: { ...metadata }, ContentMD5 };
      try {
        await this.client.send(new PutObjectCommand({ ...object, IfNoneMatch: "*" }));
        return true;
      } catch (error) {
        if ((error as Partial<S3ServiceException>).$metadata?.httpStatusCode === 412) return false;
        throw error;
      }
    });
  }

  /** Writes an object, over one that is there. @throws {@link StoreUnavailableError} */
  async put(key: string, body: Uint8Array, contentType: string): Promise<void> {
    const ContentMD5 = createHash("md5").update(body).digest("base64");
    const object = { Bucket: this.bucket, Key: key, Body: body, ContentType: contentType, ContentMD5 };
    await this.ask("PUT", key, () => this.client.send(new PutObjectCommand(object)));
  }

  /** Metadata that an object was made with. @throws {@link ObjectMissingError} */
  async metadataOf(key: string): Promise<Readonly<Record<string, string>>> {
    const command = new HeadObjectCommand({ Bucket: this.bucket, Key: key });
    const { Metadata = {} } = await this.ask("HEAD", key, () => this.client.send(command));
    return Metadata;
  }

  /** Objects in the order of their keys, a page at a time, so that memory holds no more than a page. */
  async *list(prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo[]> {
    let token: string | undefined;
    do {
      const page = await this.ask("LIST", prefix, () =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: prefix,
            ContinuationToken: token,
            ...(startAfter === undefined || token !== undefined ? {} : { StartAfter: startAfter }),
          }),
        ),
      );
      yield (page.Contents ?? []).map(({ Key = "", Size = 0, LastModified, ETag = "" }) => ({
        key: Key,
        size: Size,
        lastModifiedMs: LastModified?.getTime() ?? 0,
        eTag: ETag.replaceAll('"', ""),
      }));
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** What keys that begin with `prefix` have up to the next `/`, which is kept; by default the instruments of a raw bucket. */
  async folders(prefix = ""): Promise<string[]> {
    const found: string[] = [];
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket,
        Prefix: prefix,
        Delimiter: "/",
        ContinuationToken: token,
      });
      const page = await this.ask("LIST", prefix, () => this.client.send(command));
      for (const { Prefix } of page.CommonPrefixes ?? []) if (Prefix !== undefined) found.push(Prefix);
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found;
  }

  /** Whether the bucket answers. @throws {@link StoreUnavailableError} */
  async check(): Promise<void> {
    await this.ask("HEAD bucket", this.bucket, () => this.client.send(new HeadBucketCommand({ Bucket: this.bucket })));
  }

  close(): void {
    this.client.destroy();
  }

  private async ask<T>(what: string, key: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      const { name, $metadata } = error as Partial<S3ServiceException>;
      if (
        name === "NoSuchKey" ||
        (name === "NotFound" && $metadata?.httpStatusCode === 404 && what !== "HEAD bucket")
      ) {
        throw new ObjectMissingError(key, this.bucket);
      }
      const status = $metadata?.httpStatusCode ?? 0;
      if (status >= 400 && status < 500 && ![401, 403, 404, 408, 429].includes(status)) {
        throw new ObjectRefusedError(`${what} "${key}" in bucket "${this.bucket}"`, error);
      }
      throw new StoreUnavailableError(`${what} "${key}" in bucket "${this.bucket}"`, error);
    }
  }
}

function defaultAccess(env: StoreEnv) {
  const { S3_ENDPOINT_URL: endpoint, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = env;
  const missing = Object.entries({ S3_ENDPOINT_URL: endpoint, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY })
    .filter(([, value]) => value === undefined)
    .map(
      ([name]) => `${name} is missing: BUCKET "${env.BUCKET}" names no profile, so its endpoint and keys come from it`,
    );
  if (missing.length > 0) throw new ConfigError("S3 access", missing);
  return {
    endpoint: endpoint as string,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID as string, secretAccessKey: AWS_SECRET_ACCESS_KEY as string },
  };
}

/** Endpoint and keys of `LSST_RESOURCES_S3_PROFILE_<profile>`, `https://ACCESS:SECRET@host`; both keys may be quoted. */
function profileAccess(profile: string, environment: NodeJS.ProcessEnv) {
  const variable = `LSST_RESOURCES_S3_PROFILE_${profile}`;
  const value = environment[variable];
  if (!value)
    throw new ConfigError("S3 access", [`${variable} is missing: the endpoint and keys of profile "${profile}"`]);
  const match = /^(https?):\/\/([^:@/]+):([^@]+)@(.+)$/.exec(value);
  if (!match)
    throw new ConfigError("S3 access", [`${variable} (secret, value not shown) is not https://ACCESS:SECRET@host`]);
  const [, scheme, access, secret, host] = match as unknown as [string, string, string, string, string];
  return {
    endpoint: `${scheme}://${host}`,
    credentials: { accessKeyId: decodeURIComponent(access), secretAccessKey: decodeURIComponent(secret) },
  };
}
