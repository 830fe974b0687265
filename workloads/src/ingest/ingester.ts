import type { Redis } from "ioredis";
import { butlerHeader, forgetCanary, hasCanaryName, isCanary } from "../lib/canary";
import { FacilityError, messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { type ObjectPath, parseObjectPath } from "../lib/objectPath";
import type { Completed, Failure, FollowUp, LeasedQueue } from "../lib/queue";
import { redisKey } from "../lib/redisKeys";
import {
  type Butler,
  type ButlerFile,
  type ButlerInfo,
  ButlerUnavailableError,
  type FileKind,
  type FileResult,
} from "../lib/butler/butler";
import { objectUri } from "../lib/butler/butler";
import { groupKey, recordGroup } from "./groups";
import { type ObjectMetadata, readAll } from "./metadata";
import { metrics } from "./metrics";
import { ObjectMissingError, ObjectRefusedError, type ObjectStore } from "../lib/objectStore";
import { type IngestSettings, kindOf } from "./settings";

export interface IngesterParts {
  readonly queue: LeasedQueue;
  readonly redis: Redis;
  readonly store: ObjectStore;
  readonly butler: Butler;
  readonly settings: IngestSettings;
  readonly log: Logger;
  /** Told after each step of a long turn. */
  readonly onStep?: () => void;
}

/** Failures of one batch in a row after which its files are tried apart, to find one that ends the Butler. */
const suspicion = 3;
/** An object that only dependencies have failed for this long is for a person to look at. */
const oldestMs = 7 * 86_400_000;

interface Work {
  readonly object: ObjectPath;
  readonly kind: FileKind;
  readonly metadata: ObjectMetadata;
  readonly isCanary: boolean;
}

/** Takes objects from the queue to the Butler, a batch a turn. */
export class Ingester {
  private info: ButlerInfo | undefined;
  /** Headers of objects that are still in hand after a turn that failed: a lost Butler is no reason to read S3 again. */
  private readonly read = new Map<string, ObjectMetadata>();
  private butlerFailures = 0;

  constructor(private readonly parts: IngesterParts) {}

  /** Opens the Butler; nothing is taken from the queue before. */
  async open(): Promise<ButlerInfo> {
    if (!this.info) {
      this.info = await this.parts.butler.hello();
      this.parts.log.info({ ...this.info }, "Butler opened");
    }
    return this.info;
  }

  /** The lease is lost: what was in hand is not any more. */
  forget(): void {
    this.read.clear();
  }

  /**
   * One batch. Whatever is wrong with an object ends in a retry or a dead letter of that object.
   * @returns how many objects were in hand; all of them have left it.
   * @throws {@link FacilityError} (or an error of Redis) when a dependency is lost: the objects stay in hand for the next turn.
   * @throws LeaseLostError when they are not in hand any more.
   */
  async turn(): Promise<number> {
    const { queue, settings } = this.parts;
    const { mode } = await this.open();
    const paths = await queue.claim(settings.maxIngests);
    for (const path of this.read.keys()) if (!paths.includes(path)) this.read.delete(path);
    if (paths.length === 0) return 0;
    metrics.batchFiles.observe(paths.length);
    const end = metrics.batchSeconds.startTimer({ stage: "all" });
    const objects = await this.parse(paths);
    const { work, lost } = await this.readHeaders(objects, mode);
    for (const kind of ["raw", "lfa", "guider"] as const) {
      const batch = work.filter((item) => item.kind === kind && !item.isCanary);
      if (batch.length > 0) await this.settle(batch, await this.ingest(kind, batch));
    }
    for (const item of work) if (item.isCanary) await this.rehearse(item);
    await this.putAside(lost, paths.length);
    end();
    return paths.length;
  }

  private async parse(paths: readonly string[]): Promise<ObjectPath[]> {
    const objects: ObjectPath[] = [];
    for (const path of paths) {
      try {
        objects.push(parseObjectPath(path));
      } catch (error) {
        const nowhere = { path, instrument: "unknown", dayObs: "unknown" };
        await this.fail(nowhere, { code: codeOf(error), reason: messageOf(error), maxFailures: 1 });
      }
    }
    return objects;
  }

  /** Headers of all objects; each group becomes visible to presence as soon as its header is read. */
  private async readHeaders(objects: readonly ObjectPath[], mode: ButlerInfo["mode"]) {
    const { store, redis, settings, log, onStep } = this.parts;
    const end = metrics.batchSeconds.startTimer({ stage: "metadata" });
    const byPath = new Map(objects.map((object) => [object.path, object]));
    const missing = objects.map(({ path }) => path).filter((path) => !this.read.has(path));
    const found = await readAll(store, missing, settings.s3Concurrency, async (path, { header, fault }) => {
      if (fault) log.warn({ path, code: fault.code }, fault.message);
      if (!header || kindOf(byPath.get(path) as ObjectPath) !== "raw") return;
      const key = groupKey(header);
      if (typeof key === "string") await recordGroup(redis, key, path, settings.groupLifetimeSeconds);
      else if (key) log.warn({ path, missing: key.missing }, "Header lacks what a GROUP key needs");
    });
    const work: Work[] = [];
    const lost: { object: ObjectPath; error: Error }[] = [];
    for (const object of objects) {
      const metadata = this.read.get(object.path) ?? found.get(object.path);
      if (metadata === undefined) continue;
      if (metadata instanceof ObjectMissingError && hasCanaryName(object)) {
        await forgetCanary(redis, object); // its sender gave up and removed it before the notification came
      } else if (metadata instanceof ObjectMissingError || metadata instanceof ObjectRefusedError) {
        await this.fail(object, { code: metadata.code, reason: metadata.message });
      } else if (metadata instanceof Error) {
        lost.push({ object, error: metadata });
      } else if (metadata.fault && mode === "plain") {
        await this.fail(object, { code: metadata.fault.code, reason: metadata.fault.message, field: "md_fail_exc" });
      } else {
        const verdict = isCanary(object, metadata.header);
        if (typeof verdict === "string") {
          await this.fail(object, { code: "CANARY", reason: verdict, maxFailures: 1 });
          continue;
        }
        this.read.set(object.path, metadata);
        work.push({ object, kind: kindOf(object), metadata, isCanary: verdict });
      }
    }
    end();
    onStep?.();
    return { work, lost };
  }

  private async ingest(kind: FileKind, batch: readonly Work[]): Promise<FileResult[]> {
    const end = metrics.batchSeconds.startTimer({ stage: "butler" });
    const files = batch.map(butlerFile);
    try {
      const results = await this.parts.butler.ingest(kind, files);
      this.butlerFailures = 0;
      return results;
    } catch (error) {
      if (!(error instanceof ButlerUnavailableError) || ++this.butlerFailures < suspicion) throw error;
      await this.parts.butler.ping(); // fails when the Butler is down for everyone
      this.parts.log.warn(
        { files: files.length },
        "The Butler answers, but not for this batch: trying its files apart",
      );
      return this.ingestApart(kind, files, error);
    } finally {
      end();
      this.parts.onStep?.();
    }
  }

  /** Halves a batch that ends the Butler until the file that does it stands alone. */
  private async ingestApart(kind: FileKind, files: readonly ButlerFile[], error: Error): Promise<FileResult[]> {
    if (files.length === 1) {
      return [{ path: files[0]!.path, status: "failed", code: "BUTLER_LOST", retryable: true, message: error.message }];
    }
    const middle = files.length >> 1;
    const results: FileResult[] = [];
    for (const half of [files.slice(0, middle), files.slice(middle)]) {
      this.parts.onStep?.();
      try {
        results.push(...(await this.parts.butler.ingest(kind, half)));
      } catch (cause) {
        if (!(cause instanceof ButlerUnavailableError)) throw cause;
        await this.parts.butler.ping();
        results.push(...(await this.ingestApart(kind, half, cause)));
      }
    }
    return results;
  }

  /**
   * A canary: all that ingest does with a file, and back. It is counted under its own day, nothing follows from it, and a
   * Butler that is lost over it is no reason for the others of the batch to wait.
   */
  private async rehearse({ object, metadata }: Work): Promise<void> {
    const { queue, butler, log, onStep } = this.parts;
    const { path, instrument, dayObs } = object;
    const file = butlerFile({ object, metadata: { ...metadata, header: butlerHeader(metadata.header!) } });
    const result = await butler.rehearse(file).catch((error: unknown): FileResult => {
      return { path, status: "failed", code: codeOf(error), retryable: true, message: messageOf(error) };
    });
    onStep?.();
    if (result.status === "failed") {
      const { code = "INGEST", message: reason = code, retryable } = result;
      return this.fail(object, { code, reason, ...(retryable === false ? { maxFailures: 1 } : {}) });
    }
    await queue.complete([{ path, instrument, dayObs }], false);
    this.read.delete(path);
    log.info({ path }, `Rehearsed ${path}`);
  }

  private async settle(batch: readonly Work[], results: readonly FileResult[]): Promise<void> {
    const done = batch.flatMap((work, i) => {
      const result = results[i] as FileResult;
      return result.status === "ingested" || result.status === "already" ? [{ work, result }] : [];
    });
    await this.complete(done);
    for (const [i, { object }] of batch.entries()) {
      const { status, code = "INGEST", retryable, message = code } = results[i] as FileResult;
      if (status === "undefinedExposure") await this.park(object, message);
      if (status !== "failed") continue;
      await this.fail(object, {
        code,
        reason: message,
        ...(retryable === false ? { maxFailures: 1 } : {}),
        ...(code === "METADATA" ? { field: "md_fail_exc" as const } : {}),
      });
    }
  }

  private async complete(done: readonly { work: Work; result: FileResult }[]): Promise<void> {
    if (done.length === 0) return;
    const { queue, settings, log } = this.parts;
    const received = await this.receiveTimes(done.map(({ work }) => work.object.path));
    const held = new Set(
      await queue.complete(
        done.map(({ work, result }) => completed(work, result)),
        settings.callWebhook,
      ),
    );
    const now = Date.now();
    for (const [i, { work, result }] of done.entries()) {
      const { path, instrument } = work.object;
      this.read.delete(path);
      if (!held.has(path)) continue;
      const labels = { bucket: settings.bucket, instrument };
      if (result.status === "already") {
        log.info({ path }, `Already ingested ${path}`);
        metrics.already.inc(labels);
      } else {
        log.info({ path, exposure: result.exposure?.id }, `Ingested ${path}`);
        metrics.ingested.inc(labels);
      }
      const since = (name: string, ms: number) =>
        metrics.latency.observe({ ...labels, since: name }, Math.max(0, now - ms) / 1000);
      since("last_modified", work.metadata.info.lastModifiedMs);
      const seconds = received[i];
      if (seconds) since("received", Number(seconds) * 1000);
    }
  }

  private async receiveTimes(paths: readonly string[]): Promise<(string | null)[]> {
    const pipeline = this.parts.redis.pipeline();
    for (const path of paths) pipeline.hget(redisKey.file(path), "recv_time");
    return ((await pipeline.exec()) ?? []).map(([, value]) => (value as string | null) ?? null);
  }

  private async park(object: ObjectPath, reason: string): Promise<void> {
    const { guiderWaitMs, retryMaxMs, parkLifetimeMs } = this.parts.settings;
    await this.fail(object, {
      code: "UNDEFINED_EXPOSURE",
      reason,
      counts: false,
      baseMs: guiderWaitMs,
      maxMs: Math.max(guiderWaitMs, retryMaxMs),
      maxAgeMs: parkLifetimeMs,
      ...(object.kind === "exposure" ? { parkedFor: object.expId } : {}),
    });
  }

  /**
   * Objects that S3 (or Redis) failed. When it failed for all, it is lost: nothing is held against the objects, which stay in
   * hand. When it served others in the same turn, these go to the back, so that they do not fill the batch.
   */
  private async putAside(lost: readonly { object: ObjectPath; error: Error }[], total: number): Promise<void> {
    if (lost.length === 0) return;
    if (lost.length === total) throw lost[0]!.error;
    for (const { object, error } of lost) {
      await this.fail(object, { code: codeOf(error), reason: messageOf(error), counts: false });
    }
  }

  private async fail(
    object: Pick<ObjectPath, "path" | "instrument" | "dayObs">,
    failure: Pick<Failure, "code" | "reason"> & Partial<Failure>,
  ): Promise<void> {
    const { queue, settings, log } = this.parts;
    const { path, instrument, dayObs } = object;
    const outcome = await queue.fail({
      path,
      instrument,
      dayObs,
      counts: true,
      maxFailures: settings.maxFailures,
      maxAgeMs: oldestMs,
      baseMs: settings.retryBaseMs,
      maxMs: settings.retryMaxMs,
      ...failure,
    });
    this.read.delete(path);
    if (outcome.status === "not-held") return;
    const { code, reason } = failure;
    const labels = { bucket: settings.bucket, instrument, code };
    if (failure.counts !== false) metrics.failed.inc(labels);
    const fields = { path, code, reason, attempts: outcome.attempts };
    if (outcome.status === "dead") {
      metrics.deadLettered.inc(labels);
      log.error(fields, `Giving up on ${path}`);
    } else {
      metrics.retried.inc(labels);
      log.warn({ ...fields, dueMs: outcome.dueMs }, `Marking for retry ${path}`);
    }
  }
}

function butlerFile({ object: { path }, metadata: { info, header } }: Pick<Work, "object" | "metadata">): ButlerFile {
  return { path, uri: objectUri(path), size: info.size, metadata: header };
}

function completed({ object, kind }: Work, { exposure }: FileResult): Completed {
  const { path, instrument, dayObs } = object;
  if (object.kind === "lfa") return { path, instrument, dayObs };
  const { expId, filename } = object;
  if (kind === "guider" || !exposure) return { path, instrument, dayObs, expId, filename };
  const visit: FollowUp = { kind: "visit", instrument: exposure.instrument, exposure: String(exposure.id) };
  return { path, instrument, dayObs, expId, filename, visit: JSON.stringify(visit), releases: expId };
}

function codeOf(error: unknown): string {
  return error instanceof FacilityError ? error.code : "DEPENDENCY";
}
