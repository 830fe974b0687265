import { connectRedis } from "../../workloads/src/lib/redis";
import { CommandError, exitCodes } from "../exit";

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

function redisVariables(text: string): NodeJS.ProcessEnv {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === "") {
    throw new CommandError("--redis-url is not redis[s]://host:port.", exitCodes.usage);
  }
  if (url.password || url.username) {
    throw new CommandError(
      "--redis-url carries a password, which others on this machine can read: put it in REDIS_PASSWORD instead.",
      exitCodes.usage,
    );
  }
  const tls = url.protocol === "rediss:";
  return { REDIS_HOST: url.hostname, REDIS_PORT: url.port || "6379", REDIS_TLS: String(tls) };
}

/** Runs `work` with a connection to Redis. */
export async function withRedis<T>(
  options: EmbargoOptions,
  work: (redis: ReturnType<typeof connectRedis>, bucket: string | undefined) => Promise<T>,
): Promise<T> {
  const env = await embargoEnvironment(options);
  if (!env.REDIS_HOST) {
    throw new CommandError("REDIS_HOST is not set: with --env, the shell must say where Redis is.", exitCodes.usage);
  }
  const redis = connectRedis({
    host: env.REDIS_HOST,
    port: Number(env.REDIS_PORT ?? 6379),
    password: env.REDIS_PASSWORD || undefined,
    tls: env.REDIS_TLS === "true",
  });
  try {
    await redis.ping().catch((cause: Error) => {
      throw new CommandError(
        `Redis at ${env.REDIS_HOST}:${env.REDIS_PORT ?? 6379} does not answer (${cause.message}).`,
        exitCodes.notRunning,
      );
    });
    return await work(redis, env.BUCKET || undefined);
  } finally {
    redis.disconnect();
  }
}
