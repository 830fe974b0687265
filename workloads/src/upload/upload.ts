import pLimit from "p-limit";
import type { Camera } from "../lib/cameras";
import { FacilityError, messageOf } from "../lib/errors";
import { type CardValue, rewriteFits } from "../lib/fits";
import type { ObjectStore } from "../lib/objectStore";
import { backoffMs, sleep } from "../lib/process";
import { parseRawPath, rawKey } from "../lib/rawPath";
import type { Announcer } from "./announce";
import { exposureOf, incrementGroup } from "./groupIds";
import { nextVisitOf } from "./nextVisit";
import type { RawFile, RawGroup } from "./rawGroup";
import { shiftedTimes, taiMsOf, utcMsOf } from "./skyTime";

/** A raw file could not be read, changed or put. */
export class UploadError extends FacilityError {
  readonly code = "UPLOAD";
  readonly retryable = true;
}

export interface UploadOptions {
  readonly camera: Camera;
  readonly groups: readonly RawGroup[];
  /** Group before the first new one, see {@link lastGroup}. */
  readonly after: string;
  readonly store: ObjectStore;
  readonly announcer: Announcer;
  readonly survey: string;
  readonly durationSeconds: number;
  readonly exposureIntervalSeconds: number;
  readonly slewIntervalSeconds: number;
  /** Give exposures the time at which they are sent. */
  readonly shiftTimes: boolean;
  readonly concurrency: number;
  /** How long an object is tried again, ms. */
  readonly giveUpAfterMs: number;
  readonly onProgress?: (progress: UploadProgress) => void;
  /** Aborted: files in hand are finished, nothing new is begun. */
  readonly stop: AbortSignal;
}

export interface UploadProgress {
  readonly group: string;
  readonly did: "announced" | "put";
  /** Key that was put. */
  readonly key?: string;
  /** Raw files of all groups, put and in all. */
  readonly done: number;
  readonly total: number;
}

/** A group that was sent. */
export interface UploadedGroup {
  readonly group: string;
  /** Group that its files are from. */
  readonly from: string;
  readonly salIndex: number;
  readonly exposureIds: readonly number[];
  readonly detectors: readonly number[];
  /** Raw files without their sidecars. */
  readonly files: number;
  /** When Kafka had its next_visit, and the bucket its last file; ms since 1970. */
  readonly announcedMs: number;
  readonly lastPutMs: number;
  /** Begin of its first exposure as headers have it, TAI. */
  readonly beginTaiMs: number;
}

/**
 * Sends groups as the observatory does: a next_visit, then its exposures at their pace, each file after its sidecar. An exposure is
 * put while the telescope turns to the next; never more than one at a time.
 * @throws {@link UploadError}, {@link AnnounceError}; files in hand are finished.
 */
export async function upload(options: UploadOptions): Promise<UploadedGroup[]> {
  const { groups, stop } = options;
  const total = groups.reduce((sum, { snaps }) => sum + snaps.reduce((files, raws) => files + raws.length, 0), 0);
  const run = new Run(options, total);
  const sent: UploadedGroup[] = [];
  let putting: Promise<void> = Promise.resolve();
  const failed = new AbortController();
  const ended = AbortSignal.any([stop, failed.signal]);
  let group = options.after;
  try {
    for (const [index, from] of groups.entries()) {
      group = incrementGroup(options.camera, group, index === 0 ? 1 : groups[index - 1]!.snaps.length);
      const own = await run.begin(group, from);
      const prepared = from.prepare?.(ended) ?? Promise.resolve();
      prepared.catch(() => {}); // told where it is awaited
      await sleep(options.slewIntervalSeconds * 1000, ended);
      for (const snap of from.snaps.keys()) {
        await sleep(options.exposureIntervalSeconds * 1000, ended);
        await putting;
        if (ended.aborted) break;
        await prepared;
        const isLast = snap === from.snaps.length - 1;
        putting = run.put(own, from, snap).finally(() => (isLast ? from.release?.() : undefined));
        putting.catch(() => failed.abort());
      }
      sent.push(own);
      if (ended.aborted) break;
    }
  } finally {
    await putting.catch(() => {});
  }
  await putting;
  if (stop.aborted) throw new UploadError(`Stopped after ${run.done} of ${total} files.`);
  return sent;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
interface Sent extends Mutable<UploadedGroup> {
  exposureIds: number[];
}

class Run {
  done = 0;

  constructor(
    private readonly options: UploadOptions,
    private readonly total: number,
  ) {}

  /** Publishes the next_visit of a group. */
  async begin(group: string, from: RawGroup): Promise<Sent> {
    const { camera, announcer, survey, durationSeconds, slewIntervalSeconds, shiftTimes } = this.options;
    const nowMs = Date.now();
    const beginTaiMs = shiftTimes ? taiMsOf(nowMs + slewIntervalSeconds * 1000) : from.beginTaiMs;
    // At its own time, a visit was published while the one before it was observed.
    const sentTaiMs = shiftTimes ? taiMsOf(nowMs) : beginTaiMs - 2 * durationSeconds * 1000;
    const { name, salIndex, pointing, physicalFilter, snaps } = from;
    await announcer.send(
      nextVisitOf({
        ...{ instrument: camera.name, group, salIndex, pointing, physicalFilter, survey, durationSeconds },
        ...{ snaps: snaps.length, beginTaiMs, sentTaiMs, sentUtcMs: utcMsOf(sentTaiMs) },
      }),
    );
    this.tell(group, "announced");
    const detectors = [...new Set(snaps.flat().map(({ detector }) => detector))].sort((a, b) => a - b);
    const files = snaps.flat().length;
    return {
      group,
      from: name,
      salIndex,
      exposureIds: [],
      detectors,
      files,
      announcedMs: Date.now(),
      lastPutMs: 0,
      beginTaiMs,
    };
  }

  /** Puts one exposure. */
  async put(sent: Sent, from: RawGroup, snap: number): Promise<void> {
    const { camera, concurrency, stop } = this.options;
    const exposure = exposureOf(camera, sent.group, snap, from.snaps.length);
    sent.exposureIds.push(exposure.exposureId);
    const limit = pLimit(concurrency);
    let failed = false;
    const raws = from.snaps[snap]!.map((raw) =>
      limit(async () => {
        if (failed || stop.aborted) return;
        try {
          await this.putFile(sent, from, raw, snap, exposure);
        } catch (error) {
          failed = true;
          throw error;
        }
      }),
    );
    const fault = (await Promise.allSettled(raws)).find((result) => result.status === "rejected");
    if (fault) throw fault.reason;
    sent.lastPutMs = Date.now();
  }

  private async putFile(
    { group, beginTaiMs: toTaiMs }: Sent,
    { physicalFilter, beginTaiMs: fromTaiMs }: RawGroup,
    raw: RawFile,
    snap: number,
    { exposureId, cards }: ReturnType<typeof exposureOf>,
  ): Promise<void> {
    const { camera, shiftTimes } = this.options;
    const { detector } = raw;
    const key = rawKey({ instrument: camera.name, detector, exposureId, group, snap, physicalFilter });
    const { fits, header } = await this.persist(`read "${raw.name}"`, () => raw.load());
    const changes: Record<string, CardValue> = {
      ...(shiftTimes && shiftedTimes(camera, header, { fromTaiMs, toTaiMs })),
      ...cards,
    };
    let file: Buffer;
    try {
      file = rewriteFits(fits, changes);
    } catch (error) {
      throw new UploadError(`Cannot change the header of "${raw.name}": ${messageOf(error)}. Is it a FITS file?`);
    }
    const { sidecar } = parseRawPath(key);
    if (sidecar !== undefined) {
      const body = Buffer.from(`${JSON.stringify({ ...header, ...changes }, null, 1)}\n`);
      await this.store(sidecar, body, "application/json");
    }
    await this.store(key, file, "application/fits");
    this.done++;
    this.tell(group, "put", key);
  }

  private store(key: string, body: Buffer, contentType: string): Promise<void> {
    return this.persist(`put "${key}"`, () => this.options.store.put(key, body, contentType));
  }

  /** Again while the store does not answer, with growing pauses, until the limit. */
  private async persist<T>(what: string, call: () => Promise<T>): Promise<T> {
    const { giveUpAfterMs, stop } = this.options;
    const deadlineMs = Date.now() + giveUpAfterMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        const isPassing = (error as { code?: unknown }).code === "STORE_UNAVAILABLE";
        if (!isPassing || stop.aborted || Date.now() >= deadlineMs)
          throw new UploadError(`Cannot ${what} (${attempt} ${attempt === 1 ? "try" : "tries"}): ${messageOf(error)}`, { cause: error }); // prettier-ignore
        await sleep(backoffMs(attempt, 200, 5_000), stop);
      }
    }
  }

  private tell(group: string, did: UploadProgress["did"], key?: string): void {
    this.options.onProgress?.({ group, did, key, done: this.done, total: this.total });
  }
}
