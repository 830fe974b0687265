import { setMaxListeners } from "node:events";
import {
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { messageOf } from "../../workloads/src/lib/errors";
import { backoffMs, sleep } from "../../workloads/src/lib/process";
import { cadenceSeconds, type Exposure, exposureOf, exposureSeconds, filesOf, fitsKey, sidecarKey } from "./exposure";
import { type Detector, instrumentNamed } from "./instruments";

/** Where the camera writes to. */
export interface Bucket {
  /** URL of the S3 service, e.g. `http://127.65.2.4:7480`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly name: string;
}

export interface SendOptions {
  readonly instrument: string;
  readonly bucket: Bucket;
  readonly exposures: number;
  /** Exposures per second; by default as fast as the bucket takes them. */
  readonly ratePerSecond?: number;
  /** Day of observation, `YYYYMMDD`. */
  readonly dayObs: string;
  /** Number of the first exposure; by default one more than the largest in the bucket for this day. */
  readonly firstSeqNum?: number;
  /** When the last exposure ends; those before it are a cadence apart. Default: times follow from dayObs and seqNum. */
  readonly endingAt?: Date;
  /** Names of the detectors to send, e.g. `R22_S11`; by default all of the instrument. */
  readonly detectors?: readonly string[];
  /** Detectors uploaded at the same time. Default 32. */
  readonly concurrency?: number;
  /** How long one object is tried again while the bucket does not take it, ms. Default 60,000. */
  readonly giveUpAfterMs?: number;
  /** Awaited before the first object of an exposure. */
  readonly onExposure?: (exposure: Exposure) => Promise<void>;
  /** Called after each FITS file is in the bucket. */
  readonly onProgress?: (progress: SendProgress) => void;
  /** Aborted: objects in hand are finished, nothing new is begun, and {@link sendExposures} rejects. */
  readonly stop?: AbortSignal;
}

export interface SendProgress {
  readonly key: string;
  /** FITS files done and wanted. */
  readonly done: number;
  readonly total: number;
}

export interface SentExposure {
  readonly obsId: string;
  readonly dayObs: string;
  readonly seqNum: number;
  readonly exposureId: number;
  readonly groupId: string;
  /** When light was taken, UTC, ms since 1970. */
  readonly beginMs: number;
  readonly endMs: number;
  /** Keys of the FITS files, in the order of detector numbers. */
  readonly keys: readonly string[];
  /** When the last object of the exposure was in the bucket, ms since 1970. */
  readonly lastPutMs: number;
}

export interface SendResult {
  readonly instrument: string;
  readonly bucket: string;
  /** FITS files and sidecars. */
  readonly objects: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly exposures: readonly SentExposure[];
}

/** The bucket did not take an object within the limit. */
export class CameraError extends Error {}

/**
 * Plays a camera: PUTs FITS files and their JSON sidecars, each sidecar before its FITS file, so that whoever is told of
 * a FITS file finds the sidecar there.
 * @throws {@link CameraError} when the bucket does not take an object within `giveUpAfterMs`; what is in hand is finished.
 */
export async function sendExposures(options: SendOptions): Promise<SendResult> {
  const { bucket, concurrency = 32, giveUpAfterMs = 60_000, ratePerSecond, onExposure, onProgress, stop } = options;
  const instrument = instrumentNamed(options.instrument);
  const detectors = chosen(instrument.detectors, options.detectors, instrument.name);
  whole("exposures", options.exposures);
  whole("concurrency", concurrency);
  if (ratePerSecond !== undefined) positive("rate", ratePerSecond);
  const s3 = clientOf(bucket);
  const started = Date.now();
  const failed = new AbortController();
  const ended = stop ? AbortSignal.any([stop, failed.signal]) : failed.signal;
  setMaxListeners(0, ended, ...(stop ? [stop] : [])); // each upload at hand listens
  const total = options.exposures * detectors.length;
  let done = 0;
  let bytes = 0;
  const place = `bucket ${bucket.name} at ${bucket.endpoint}`;
  const limit = () => ({ deadlineMs: Date.now() + giveUpAfterMs, stop });
  const list = (request: ListObjectsV2CommandInput) =>
    persist(`list ${place}`, () => s3.send(new ListObjectsV2Command(request)), limit());
  const put = async (key: string, body: Buffer, contentType: string): Promise<void> => {
    const request = { Bucket: bucket.name, Key: key, Body: body, ContentType: contentType };
    await persist(`put ${key} into ${place}`, () => s3.send(new PutObjectCommand(request)), limit());
    bytes += body.length;
  };
  const begun = new Map<Exposure, Promise<void> | undefined>();
  const sendDetector = async (exposure: Exposure, detector: Detector): Promise<void> => {
    if (!begun.has(exposure)) begun.set(exposure, onExposure?.(exposure));
    await begun.get(exposure);
    const key = fitsKey(exposure, detector);
    const { fits, sidecar } = filesOf(exposure, detector);
    await put(sidecarKey(key), sidecar, "application/json");
    await put(key, fits, "application/fits");
    done++;
    onProgress?.({ key, done, total });
  };
  try {
    const first = options.firstSeqNum ?? (await nextSeqNum(list, bucket.name, `${instrument.name}/${options.dayObs}/`));
    const exposures = Array.from({ length: options.exposures }, (_, index) =>
      exposureOf(instrument, options.dayObs, first + index, beginOf(options, index)),
    );
    const lastPutMs = exposures.map(() => 0);
    const jobs = (function* () {
      for (const [index, exposure] of exposures.entries())
        for (const detector of detectors) yield { index, exposure, detector };
    })();
    const worker = async (): Promise<void> => {
      for (const { index, exposure, detector } of jobs) {
        const due = ratePerSecond === undefined ? 0 : started + (index / ratePerSecond) * 1000;
        if (due > Date.now()) await sleep(due - Date.now(), ended);
        if (ended.aborted) return;
        await sendDetector(exposure, detector);
        lastPutMs[index] = Date.now();
      }
    };
    const results = await Promise.allSettled(
      Array.from({ length: concurrency }, () =>
        worker().catch((error: unknown) => {
          failed.abort();
          throw error;
        }),
      ),
    );
    const fault = results.find((result) => result.status === "rejected");
    if (fault) throw fault.reason;
    if (stop?.aborted) throw new CameraError(`Stopped after ${done} of ${total} files.`);
    return {
      instrument: instrument.name,
      bucket: bucket.name,
      objects: 2 * done,
      bytes,
      seconds: (Date.now() - started) / 1000,
      exposures: exposures.map(({ obsId, dayObs, seqNum, exposureId, groupId, begin }, index) => ({
        obsId,
        dayObs,
        seqNum,
        exposureId,
        groupId,
        beginMs: begin.getTime(),
        endMs: begin.getTime() + exposureSeconds * 1000,
        keys: detectors.map((detector) => fitsKey(exposures[index] as Exposure, detector)),
        lastPutMs: lastPutMs[index] as number,
      })),
    };
  } finally {
    s3.destroy();
  }
}

function beginOf({ endingAt, exposures }: SendOptions, index: number): Date | undefined {
  if (endingAt === undefined) return undefined;
  const secondsBefore = exposureSeconds + (exposures - 1 - index) * cadenceSeconds;
  return new Date(endingAt.getTime() - secondsBefore * 1000);
}

/** S3 client as RGW wants it: path style, and no checksums that older gateways do not know. */
export function clientOf(bucket: Bucket): S3Client {
  return new S3Client({
    endpoint: bucket.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: bucket.accessKey, secretAccessKey: bucket.secretKey },
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 1, // persist() below tries again, for longer than the SDK would
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 20_000,
      httpAgent: { keepAlive: true, maxSockets: 64 },
    },
  });
}

/** Makes a call again while the bucket does not answer it, with growing pauses, until the limit. */
async function persist<T>(
  what: string,
  call: () => Promise<T>,
  limit: { deadlineMs: number; stop?: AbortSignal },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;
      const lasting = status >= 400 && status < 500 && status !== 408 && status !== 429;
      if (lasting || limit.stop?.aborted || Date.now() >= limit.deadlineMs) {
        throw new CameraError(`Cannot ${what} (${attempt} ${attempt === 1 ? "try" : "tries"}): ${reasonOf(error)}`);
      }
      await sleep(backoffMs(attempt, 100, 2_000), limit.stop);
    }
  }
}

/** One more than the largest seqNum in the bucket for this day; 1 when there is none. */
async function nextSeqNum(
  list: (request: ListObjectsV2CommandInput) => Promise<ListObjectsV2CommandOutput>,
  bucket: string,
  prefix: string,
): Promise<number> {
  let largest = 0;
  let token: string | undefined;
  do {
    const page = await list({ Bucket: bucket, Prefix: prefix, Delimiter: "/", ContinuationToken: token });
    for (const { Prefix = "" } of page.CommonPrefixes ?? []) {
      const seqNum = Number(/_(\d+)\/$/.exec(Prefix)?.[1] ?? 0);
      largest = Math.max(largest, seqNum);
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return largest + 1;
}

function chosen(
  all: readonly Detector[],
  names: readonly string[] | undefined,
  instrument: string,
): readonly Detector[] {
  if (names === undefined) return all;
  const wanted = new Set(names);
  const found = all.filter(({ name, raft, sensor }) => wanted.delete(name) || wanted.delete(`${raft}_${sensor}`));
  if (wanted.size > 0) throw new CameraError(`${instrument} has no detector ${[...wanted].join(", ")}.`);
  return found;
}

function positive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) throw new CameraError(`${name} ${value} is not a number above 0.`);
}

function whole(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new CameraError(`${name} ${value} is not a whole number above 0.`);
}

/** What an S3 call failed of, and what to do; RGW answers many with a name only. */
export function reasonOf(error: unknown): string {
  const { name, code } = error as { name: string; code?: string };
  const reason = code ?? name;
  const message = messageOf(error);
  const advice: Record<string, string> = {
    ECONNREFUSED: "Is the endpoint right, and does the service run?",
    NoSuchBucket: "Create the bucket first, or correct its name.",
    InvalidAccessKeyId: "Use the keys of a user of that service.",
    SignatureDoesNotMatch: "The secret key does not belong to the access key.",
    AccessDenied: "Use the keys of someone who may write there.",
  };
  const detail = ["", "UnknownError", reason].includes(message) ? "" : ` (${message})`;
  return `${reason}${detail}. ${advice[reason] ?? ""}`.trim();
}
