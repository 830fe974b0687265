import { FacilityError } from "./errors";

/** An object of one exposure: `[profile@]bucket/instrument/dayObs/expId/filename`. */
export interface ExposurePath {
  readonly kind: "exposure";
  /** The whole string: `[profile@]bucket/key`, without `s3://`. */
  readonly path: string;
  /** Bucket as Redis and ingest name it, with profile and tenant: `embargo@rubin-summit`, `rubin:rubinobs-lfa-cp`. */
  readonly bucket: string;
  readonly instrument: string;
  /** `YYYYMMDD` of the directory; it wins over the one in expId. */
  readonly dayObs: string;
  /** `MC_O_20260603_000258`. */
  readonly expId: string;
  /** Two letters by convention: AT LATISS, CC LSSTComCam, MC LSSTCam, TS TS8. */
  readonly instrumentCode: string;
  readonly controller: string;
  /** Day of observation inside expId. */
  readonly expDayObs: string;
  /** Text as it stands in expId, e.g. `000258`. */
  readonly seqNum: string;
  readonly filename: string;
}

/** An object of the Large File Annex: no exposure. */
export interface LfaPath {
  readonly kind: "lfa";
  readonly path: string;
  readonly bucket: string;
  /** `csc/generator`, or the single component of the short form. */
  readonly instrument: string;
  readonly dayObs: string;
  readonly filename: string;
}

export type ObjectPath = ExposurePath | LfaPath;

/** The object path breaks the naming rule of its bucket. */
export class ObjectPathError extends FacilityError {
  readonly code = "OBJECT_PATH";
  readonly retryable = false;
  constructor(
    readonly path: string,
    reason: string,
  ) {
    super(`Cannot read object path "${path}": ${reason}. Rename the object or narrow DATASET_REGEXP.`);
  }
}

/** Whether a bucket (or path) follows the rule of the Large File Annex. */
export function isLfa(text: string): boolean {
  return text.includes("rubinobs-lfa-");
}

/** Whether a path names a guider sensor's file. */
export function isGuider(path: string): boolean {
  return path.includes("_guider");
}

/** Bucket of a path, with profile and tenant. */
export function bucketOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path : path.slice(0, slash);
}

/** Object key of a path. */
export function keyOf(path: string): string {
  return path.slice(bucketOf(path).length + 1);
}

/**
 * Reads an object path.
 * @param text - `[s3://][profile@]bucket/key`.
 * @throws {@link ObjectPathError} when it has not the components of an exposure (5) or of the LFA (6, 7 or 8).
 */
export function parseObjectPath(text: string): ObjectPath {
  const path = text.startsWith("s3://") ? text.slice("s3://".length) : text;
  if (path.includes("\0")) throw new ObjectPathError(path, "it holds a NUL"); // which ends a field of the queue's scripts
  const parts = path.split("/");
  return isLfa(path) ? parseLfa(path, parts) : parseExposure(path, parts);
}

function parseExposure(path: string, parts: string[]): ExposurePath {
  if (parts.length !== 5) {
    throw new ObjectPathError(
      path,
      `bucket/instrument/dayObs/expId/filename has 5 components, this has ${parts.length}`,
    );
  }
  const [bucket, instrument, dayObs, expId, filename] = parts as [string, string, string, string, string];
  const fields = expId.split("_");
  if (fields.length !== 4) {
    throw new ObjectPathError(path, `expId "${expId}" is not <code>_<controller>_<dayObs>_<seqNum>`);
  }
  if (bucket === "" || filename === "") throw new ObjectPathError(path, "a component is empty");
  const [instrumentCode, controller, expDayObs, seqNum] = fields as [string, string, string, string];
  return {
    kind: "exposure",
    path,
    bucket,
    instrument,
    dayObs,
    expId,
    instrumentCode,
    controller,
    expDayObs,
    seqNum,
    filename,
  };
}

function parseLfa(path: string, parts: string[]): LfaPath {
  const bucket = parts[0] as string;
  const filename = parts[parts.length - 1] as string;
  const short = parts.length === 6;
  if (!short && parts.length !== 7 && parts.length !== 8) {
    throw new ObjectPathError(path, `an LFA path has 6, 7 or 8 components, this has ${parts.length}`);
  }
  const instrument = short ? (parts[1] as string) : `${parts[1]}/${parts[2]}`;
  const [year, month, day] = short ? parts.slice(2, 5) : parts.slice(3, 6);
  if (!/^\d{4}$/.test(year ?? "") || !/^\d{2}$/.test(month ?? "") || !/^\d{2}$/.test(day ?? "")) {
    throw new ObjectPathError(path, `"${year}/${month}/${day}" is not YYYY/MM/DD`);
  }
  return { kind: "lfa", path, bucket, instrument, dayObs: `${year}${month}${day}`, filename };
}

/** Day of observation, `YYYYMMDD`, of a moment: the date in the time zone UTC-12, so it starts at 12:00 UTC. */
export function dayObsOf(date: Date): string {
  return new Date(date.getTime() - 12 * 3_600_000).toISOString().slice(0, 10).replaceAll("-", "");
}
