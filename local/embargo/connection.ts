import type { connectRedis } from "../../workloads/src/lib/redis";
import { redisVariables, withRedisOf } from "../redis";

/** Where a command of `usdf embargo` looks. */
export interface EmbargoOptions {
  /** Variables of this shell instead of the local stack's. */
  readonly env?: boolean;
  readonly redisUrl?: string;
  readonly bucket?: string;
  readonly json?: boolean;
}

/** Variables of reconcile (and with them of Redis and S3): of the shell, or of the local stack. */
export async function embargoEnvironment(options: EmbargoOptions): Promise<NodeJS.ProcessEnv> {
  const base = options.env || options.redisUrl ? process.env : await localEnvironmentOf("reconcile");
  return {
    ...base,
    ...(options.redisUrl === undefined ? {} : redisVariables(options.redisUrl)),
    ...(options.bucket === undefined ? {} : { BUCKET: options.bucket }),
  };
}

async function localEnvironmentOf(component: string): Promise<NodeJS.ProcessEnv> {
  const { localEnvironment } = await import("../runner");
  const { env } = await localEnvironment(component);
  if (env.BUTLER_PYTHON !== undefined || env.PATH !== undefined) return { ...env };
  const { ensureButlerPython } = await import("../services");
  return { ...env, PATH: process.env.PATH, BUTLER_PYTHON: await ensureButlerPython() };
}

/** Runs `work` with a connection to Redis. */
export async function withRedis<T>(
  options: EmbargoOptions,
  work: (redis: ReturnType<typeof connectRedis>, bucket: string | undefined) => Promise<T>,
): Promise<T> {
  const env = await embargoEnvironment(options);
  return withRedisOf(env, (redis) => work(redis, env.BUCKET || undefined));
}
