import type { Redis } from "ioredis";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import { RawArrivals } from "../lib/raws";
import type { FannedOutVisit } from "../lib/visits";
import { metrics } from "./metrics";
import { type PipelineChild, PipelineLostError } from "./pipelineChild";
import type { Grant } from "./protocol";
import type { GatewaySettings } from "./settings";
import type { Unit } from "./unit";

/** What of {@link PipelineChild} a worker needs. */
export type Pipeline = Pick<PipelineChild, "ready" | "begin" | "tell" | "abandon" | "starts">;

export interface VisitInHand {
  readonly visit: FannedOutVisit;
  readonly attempt: number;
  /** Whether an earlier attempt was granted its commit and never told the end. */
  readonly uncertain: boolean;
  readonly unit: Unit;
}

export interface Means {
  readonly pipeline: Pipeline;
  /** For commands. */
  readonly redis: Redis;
  /** For listening to raws. */
  readonly listener: Redis;
  readonly settings: GatewaySettings;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

/** How one attempt ended. */
export type End =
  | { readonly end: "committed" | "ignored" | "already" }
  | { readonly end: "failed"; readonly code: string; readonly reason: string; readonly retriable: boolean }
  /** It is to be another worker's, as if nothing had been. */
  | { readonly end: "handed-back"; readonly reason: string };

const commitRetryBaseMs = 50;
const commitRetryMaxMs = 1_000;
/** Programs in a row that may end in order, with code 0, before they look at a visit. */
const untouchedLimit = 3;

/** One attempt at a visit: lease, raws, fence, deadline; ends when the program has reported or is lost. */
export async function processVisit(inHand: VisitInHand, means: Means): Promise<End> {
  for (let program = 1; ; program++) {
    try {
      if (!(await readyUnlessStopped(means.pipeline, means.stop))) return { end: "handed-back", reason: "The worker stopped before it began" }; // prettier-ignore
      return await attemptWith(inHand, means);
    } catch (error) {
      if (!(error instanceof PipelineLostError)) throw error;
      if (error.untouched && program < untouchedLimit && !means.stop.aborted) continue;
      return { end: "failed", code: error.code, reason: error.message, retriable: true };
    }
  }
}

/** Waits for the program. @returns false when told to stop meanwhile. @throws PipelineStartError */
export async function readyUnlessStopped(pipeline: Pipeline, stop: AbortSignal): Promise<boolean> {
  if (stop.aborted) return false;
  let end = () => {};
  const stopped = new Promise<void>((resolve) => (end = resolve));
  stop.addEventListener("abort", end, { once: true });
  await Promise.race([pipeline.ready(), stopped]).finally(() => stop.removeEventListener("abort", end));
  return !stop.aborted;
}

async function attemptWith({ visit, attempt, uncertain, unit }: VisitInHand, means: Means): Promise<End> {
  const { pipeline, settings, log, stop } = means;
  const { instrument } = visit;
  const over = new AbortController();
  const startMs = Date.now();
  let begun = false;
  let verdict: string | undefined;
  let handBack = false;
  const timers: NodeJS.Timeout[] = [];
  const after = (ms: number, reason: string) => timers.push(setTimeout(() => pipeline.abandon(reason), ms));

  const onCommit = async (): Promise<Grant> => {
    const { verdict: said, ...grant } = await askToCommit(unit, over.signal, log);
    verdict = said;
    if (!grant.granted) metrics.refused.inc({ instrument, verdict });
    return grant;
  };
  const onStop = () => {
    const graceMs = settings.graceMs;
    if (begun || verdict === "granted")
      return after(graceMs, `this worker is stopping, and has waited ${graceMs / 1000} s`);
    handBack = true;
    pipeline.abandon("this worker is stopping");
  };
  const reported = pipeline.begin(
    { type: "visit", visit, attempt, commitUncertain: uncertain, deadlineSeconds: settings.workerTimeoutMs / 1000 },
    onCommit,
  );
  after(settings.workerTimeoutMs, `the visit took longer than ${settings.workerTimeoutMs / 1000} s`);
  const beat = setInterval(() => void renew(unit, log), settings.leaseMs / 3);
  const feeding = feed(visit, means, over.signal, () => (begun = true));
  if (stop.aborted) onStop();
  else stop.addEventListener("abort", onStop, { once: true });
  try {
    const { outcome, retriable, reason } = await reported;
    if (verdict === "done") return { end: "already" };
    if (outcome === "committed" && verdict !== "granted") {
      const said = verdict === undefined ? "without asking" : `although it was refused (${verdict})`;
      return { end: "failed", code: "COMMIT_UNGRANTED", reason: `The pipeline reported a commit ${said}`, retriable: verdict !== undefined }; // prettier-ignore
    }
    if (outcome !== "failed") return { end: outcome };
    return { end: "failed", code: "PIPELINE_FAILED", reason: reason || "The pipeline gave no reason", retriable };
  } catch (error) {
    if (handBack) return { end: "handed-back", reason: messageOf(error) };
    throw error;
  } finally {
    over.abort();
    clearInterval(beat);
    timers.forEach(clearTimeout);
    stop.removeEventListener("abort", onStop);
    await feeding;
    metrics.seconds.observe({ instrument, stage: "all" }, (Date.now() - startMs) / 1000);
  }
}

/** Gives the program its raws as they come, until all are there or the time for them is over. */
async function feed(visit: FannedOutVisit, means: Means, over: AbortSignal, onEnd: () => void): Promise<void> {
  const { instrument, groupId: group, detector, nimages, duration } = visit;
  const { pipeline, redis, listener, settings, log } = means;
  const startMs = Date.now();
  const deadlineMs = startMs + 2_000 * duration + settings.imageTimeoutMs;
  const arrivals = new RawArrivals(redis, listener, { instrument, group, detector }, log);
  const exposures = new Set<string>();
  try {
    while (nimages === 0 || exposures.size < nimages) {
      const raw = await arrivals.next(deadlineMs, over);
      if (!raw) break;
      exposures.add(raw.obsId);
      pipeline.tell({ type: "raw", ...raw });
    }
  } finally {
    arrivals.close();
  }
  if (over.aborted) return;
  const complete = nimages === 0 ? exposures.size > 0 : exposures.size >= nimages;
  onEnd();
  pipeline.tell({ type: "rawsEnd", complete });
  metrics.seconds.observe({ instrument, stage: "raws" }, (Date.now() - startMs) / 1000);
  if (complete) return;
  metrics.incomplete.inc({ instrument });
  log.warn({ raws: exposures.size, announced: nimages }, "Not all raws came in time; the pipeline goes on with those");
}

async function renew(unit: Unit, log: Logger): Promise<void> {
  try {
    if (await unit.renew()) return;
    log.warn("The visit is another worker's now; its commit will be refused");
  } catch (error) {
    log.warn({ reason: messageOf(error) }, "Lease not renewed; trying again");
  }
}

/** Asks until Redis answers or the visit is over. */
async function askToCommit(unit: Unit, over: AbortSignal, log: Logger): Promise<Grant & { verdict: string }> {
  for (let tries = 1; !over.aborted; tries++) {
    try {
      return await unit.commit();
    } catch (error) {
      const delayMs = backoffMs(tries, commitRetryBaseMs, commitRetryMaxMs);
      log.warn({ reason: messageOf(error), delayMs }, "Redis gave no answer on a commit; asking again");
      await sleep(delayMs, over);
    }
  }
  return { verdict: "unknown", granted: false, uncertain: false, reason: "the visit is over" };
}
