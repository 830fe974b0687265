import { FacilityError } from "../../lib/errors";
import { sleep } from "../../lib/process";
import type { Mode } from "../options";
import { createBackfill, createDue, type WindowOptions } from "../queue";
import { reconcile } from "./reconcile";
import { Worker, type WorkerParts } from "./worker";

export interface RunParts extends WorkerParts {
  readonly windows: WindowOptions;
  /** Age at which a window of a cronjob is due, seconds. */
  readonly marginSeconds: number;
  /** Days that the failure monitor compares with the Butler, and that a cronjob looks for missing windows in. */
  readonly monitorDays: number;
  /** Now, ms since 1970; default: the clock of this machine. */
  readonly clock?: () => number;
}

/** What a run did. */
export interface RunReport {
  /** Tasks that it made. */
  readonly created: number;
  readonly completed: number;
  readonly failed: number;
  /** Tasks that belong to somebody else now, or were handed back. */
  readonly left: number;
  readonly exposures: number;
  readonly visits: number;
  /** Failed tasks that nobody repeats any more, as this run found. */
  readonly stale: number;
}

/** Something needs a person. */
export class RunFailedError extends FacilityError {
  readonly code = "RUN_FAILED";
  readonly retryable = false;
}

/** So many tasks in a row that nothing could be computed of: the EFD is away, and the rest of the queue waits for it. */
const wholeFailures = 5;
const leasePollMs = 2_000;
/** A secondary database that lacks rows for so long needs a person. */
const secondaryGraceSeconds = 3_600;

/**
 * Runs a mode until there is nothing to do for it.
 * @throws {@link RunFailedError} when a person should look: tasks of a job failed, tasks became stale, or the EFD is away.
 */
export async function run(mode: Mode, parts: RunParts, stop: AbortSignal): Promise<RunReport> {
  const worker = new Worker(parts);
  await worker.repair(stop);
  const { stale, silent } = await parts.queue.settle();
  if (silent + stale > 0) parts.log.error({ silent, stale }, "tasks_failed_for_good");
  const created = await createTasks(mode, parts, stop);
  if (created > 0) parts.log.info({ count: created }, "tasks_created");
  const sum = { created, completed: 0, failed: 0, left: 0, exposures: 0, visits: 0, stale };
  let inRow = 0;
  let waitUntilMs: number | undefined;
  while (!stop.aborted && inRow < wholeFailures) {
    const task = await parts.queue.claim(mode, stop);
    if (!task) {
      waitUntilMs ??= Date.now() + parts.leaseSeconds * 1000;
      if (Date.now() > waitUntilMs || !(await waitForLease(mode, parts, stop))) break;
      continue;
    }
    waitUntilMs = undefined;
    const end = await worker.run(task, stop);
    if (end.result === "completed" || end.result === "failed") sum[end.result]++;
    else sum.left++;
    sum.exposures += end.rows.exposure;
    sum.visits += end.rows.visit1;
    if (end.answers !== "not asked") inRow = end.answers === "none" ? inRow + 1 : 0;
    if (end.rows.exposure + end.rows.visit1 > 0) await worker.repair(stop);
  }
  if (stop.aborted) parts.log.warn("shutdown_signal_received");
  const tasks = sum.completed + sum.failed;
  parts.log.info({ tasks, ...sum }, "task_processing_summary");
  const faults = [...faultsOf(mode, sum, inRow), ...(mode.name === "failure-monitor" ? await behind(parts) : [])];
  if (faults.length > 0 && !stop.aborted)
    throw new RunFailedError(`${faults.join(" ")} See error and topics of the tasks.`);
  return sum;
}

/** What secondary databases lack for long: the failure monitor ends as failed over it, since nobody else tells. */
async function behind({ secondaries }: RunParts): Promise<string[]> {
  const targets = await secondaries.behind(secondaryGraceSeconds);
  return [...targets]
    .filter(([, tasks]) => tasks > 0)
    .map(([target, tasks]) => `${target} lacks rows of ${tasks} tasks.`);
}

async function createTasks(mode: Mode, parts: RunParts, stop: AbortSignal): Promise<number> {
  const { database, windows, marginSeconds, monitorDays: days, clock = Date.now, log } = parts;
  const nowMs = clock();
  const dueMs = nowMs - marginSeconds * 1000;
  switch (mode.name) {
    case "job":
      if (mode.resume) return 0;
      if (mode.endMs > nowMs) log.warn({ end: new Date(mode.endMs).toISOString() }, "windows_in_the_future_left_out");
      return createBackfill(database, windows, mode, nowMs);
    case "cronjob":
      return createDue(database, windows, dueMs, days);
    case "failure-monitor":
      return reconcile({ ...parts, days }, dueMs, stop);
  }
}

/**
 * A job ends when its whole range is done: it waits for as long as a lease lasts, in case one of the workers that still have tasks
 * of it has died. @returns false when there are none.
 */
async function waitForLease(mode: Mode, { queue }: RunParts, stop: AbortSignal): Promise<boolean> {
  if (mode.name !== "job") return false;
  const ms = await queue.firstLeaseEndMs(mode);
  if (ms === undefined) return false;
  await sleep(Math.min(ms + 50, leasePollMs), stop);
  return true;
}

function faultsOf(mode: Mode, sum: RunReport, inRow: number): string[] {
  return [
    ...(mode.name === "job" && sum.failed > 0 ? [`Failed tasks: ${sum.failed}.`] : []),
    ...(sum.stale > 0 ? [`Tasks given up for good, stale now: ${sum.stale}.`] : []),
    ...(inRow >= wholeFailures
      ? [`Nothing could be computed for ${inRow} tasks in a row; the others still wait.`]
      : []),
  ];
}
