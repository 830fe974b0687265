import { FacilityError } from "../errors";

/** What a file is to the Butler: `raw` and `lfa` make the exposure known, a `guider` needs it to be known. */
export type FileKind = "raw" | "guider" | "lfa";

/** One file to ingest. */
export interface ButlerFile {
  /** `[profile@]bucket/key`; names the file in its result. */
  readonly path: string;
  /** The same as a URI with a quoted key; see {@link objectUri}. */
  readonly uri: string;
  /** Bytes, where known: the Butler then asks the store no more. */
  readonly size?: number;
  /** Header of the file; needed in plain mode. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface ExposureKey {
  readonly instrument: string;
  /** Number in the Butler, e.g. 2026060300258. */
  readonly id: number;
  readonly obsId: string;
}

/** What became of one file. */
export interface FileResult {
  readonly path: string;
  readonly status: "ingested" | "already" | "undefinedExposure" | "failed";
  /** Stable name of the failure, e.g. `METADATA`, `EXPOSURE_CONFLICT`, `OBJECT_MISSING`. */
  readonly code?: string;
  /** Whether the same file may succeed later with nothing changed by a person. */
  readonly retryable?: boolean;
  readonly message?: string;
  readonly exposure?: ExposureKey;
}

export interface VisitResult {
  readonly instrument: string;
  readonly id: number;
  readonly status: "defined" | "already" | "skipped" | "failed";
  readonly dataId?: Readonly<Record<string, string | number>>;
  readonly code?: string;
  readonly message?: string;
}

export interface ButlerInfo {
  readonly mode: "obs" | "plain";
  readonly repo: string;
  /** Whether the repository was made now. */
  readonly created: boolean;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * The Butler as ingest sees it. Each method fails with {@link ButlerUnavailableError} when the Butler, its database or the
 * network is lost; a fault of a file is a result, never an error.
 */
export interface Butler {
  hello(): Promise<ButlerInfo>;
  /** Asks the registry for something small. */
  ping(): Promise<void>;
  /** Results in the order of `files`. */
  ingest(kind: FileKind, files: readonly ButlerFile[]): Promise<FileResult[]>;
  /** What {@link ingest} would answer for this raw file; the Butler is as it was before. */
  rehearse(file: ButlerFile): Promise<FileResult>;
  defineVisits(exposures: readonly { instrument: string; id: number }[]): Promise<VisitResult[]>;
  /** Whether the Butler has each of these URIs. */
  known(uris: readonly string[]): Promise<boolean[]>;
}

/** The Butler did not do its work, for a reason that no file is to blame for (as far as one can tell). */
export class ButlerUnavailableError extends FacilityError {
  readonly code = "BUTLER_UNAVAILABLE";
  readonly retryable = true;
  constructor(reason: string, options?: ErrorOptions) {
    super(`The Butler is unavailable: ${reason}. Ingest goes on when it answers again.`);
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** `s3://` URI of a path. What a URI gives a meaning (`#`, `?`, `%`) is quoted, so that any key comes back as it was. */
export function objectUri(path: string): string {
  return `s3://${encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23")}`;
}
