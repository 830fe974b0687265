import { ConfigError, type EnvOf } from "../lib/contract";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { dayObsOf } from "../lib/objectPath";
import { Closers } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { pythonRegexp } from "../lib/pythonRegexp";
import { ButlerChild } from "../lib/butler/butlerChild";
import { butlerEnvironment } from "../lib/butler/butlerEnvironment";
import { ObjectStore } from "../lib/objectStore";
import { reconcileContract } from "./contract";
import { reconcile, type ReconcileParts, type ReconcileReport } from "./reconcile";

/** Time to close everything after a run. */
const closeMs = 10_000;

/**
 * One run of reconcile as the environment says, with connections of its own.
 * @param environment - The same variables unparsed: S3 profiles are found in it, and the Butler child inherits it.
 * @throws {@link ConfigError} for a faulty DATASET_REGEXP or S3 profile.
 */
export async function runReconcile(
  env: EnvOf<typeof reconcileContract>,
  environment: NodeJS.ProcessEnv,
  parts: Pick<ReconcileParts, "log" | "stop" | "onMissed" | "onPage"> & { log: Logger },
): Promise<ReconcileReport> {
  const { log } = parts;
  const dataset = readRegexp(env.DATASET_REGEXP);
  const closers = new Closers(log);
  try {
    const store = closers.add("store", new ObjectStore(env, environment), (s) => s.close());
    const redis = closers.add("redis", connectRedis({ ...redisOptions(env), log }), (r) => r.disconnect());
    const butlerEnv = butlerEnvironment(env, environment);
    const timeoutMs = env.BUTLER_TIMEOUT * 1000;
    const child = new ButlerChild({ python: env.BUTLER_PYTHON, env: butlerEnv, timeoutMs, log });
    const butler = closers.add("butler", child, (c) => c.close());
    const lookbackMs = env.LOOKBACK_DAYS * 86_400_000;
    return await reconcile(
      { ...parts, redis, store, butler },
      {
        bucket: env.BUCKET,
        dataset,
        prefix: env.PREFIX,
        sinceDayObs: env.SINCE_DAY_OBS || (lookbackMs > 0 ? dayObsOf(new Date(Date.now() - lookbackMs)) : undefined),
        minAgeMs: env.MIN_AGE * 1000,
        dryRun: env.DRY_RUN,
        dedupeSeconds: env.ENQUEUE_DEDUPE_TTL,
      },
    );
  } finally {
    await closers.closeAll(closeMs);
  }
}

function readRegexp(source: string): RegExp {
  try {
    return pythonRegexp(source);
  } catch (error) {
    throw new ConfigError(reconcileContract.name, [`DATASET_REGEXP: ${messageOf(error)}`]);
  }
}
