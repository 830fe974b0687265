import type { Redis } from "ioredis";
import { connectRedis } from "../workloads/src/lib/redis";
import { CommandError, exitCodes } from "./exit";

/** The variables of {@link withRedisOf} for `redis[s]://host:port`. @throws CommandError for what is none, or has a password. */
export function redisVariables(text: string): NodeJS.ProcessEnv {
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

/**
 * Runs `work` with a connection to the Redis of REDIS_HOST, REDIS_PORT, REDIS_TLS and REDIS_PASSWORD.
 * @throws CommandError when they name none, or it does not answer.
 */
export async function withRedisOf<T>(env: NodeJS.ProcessEnv, work: (redis: Redis) => Promise<T>): Promise<T> {
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
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
