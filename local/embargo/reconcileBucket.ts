import { parseEnv } from "../../workloads/src/lib/contract";
import { createLogger } from "../../workloads/src/lib/log";
import { reconcileContract } from "../../workloads/src/reconcile/contract";
import type { ReconcileReport } from "../../workloads/src/reconcile/reconcile";
import { runReconcile } from "../../workloads/src/reconcile/run";
import { type EmbargoOptions, embargoEnvironment } from "./connection";

/** Missed objects that JSON names; the counts are of all. */
const listLimit = 10_000;

export async function reconcileBucket(
  options: EmbargoOptions & { prefix?: string; since?: string; minAge?: string; dryRun?: boolean },
): Promise<void> {
  const environment = {
    ...(await embargoEnvironment(options)),
    ...(options.prefix === undefined ? {} : { PREFIX: options.prefix }),
    ...(options.since === undefined ? {} : { SINCE_DAY_OBS: options.since }),
    ...(options.minAge === undefined ? {} : { MIN_AGE: options.minAge }),
    ...(options.dryRun ? { DRY_RUN: "true" } : {}),
  };
  const env = parseEnv(reconcileContract, environment);
  const missed: string[] = [];
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const report = await runReconcile(env, environment, {
    log: createLogger("reconcile", "ERROR"),
    stop: stop.signal,
    onMissed: (path) => {
      if (!options.json) console.log(path);
      else if (missed.length < listLimit) missed.push(path);
    },
  });
  if (options.json) console.log(JSON.stringify({ ...report, missedPaths: missed }, null, 2));
  else console.log(summary(report));
}

function summary(report: ReconcileReport): string {
  const ingested = report.ingestedByRedis + report.ingestedByButler;
  const { listed, compared, young, pending, unreadable, missed, queued, dryRun, seconds } = report;
  return [
    `${report.bucket}: ${listed} objects listed, ${compared} compared in ${seconds.toFixed(1)} s`,
    `${ingested} ingested, ${pending} pending, ${young} too young, ${unreadable} unreadable`,
    `${missed} missed, ${dryRun ? "none queued (--dry-run)" : `${queued} queued again`}`,
  ].join("\n");
}
