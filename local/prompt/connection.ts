import type { Redis } from "ioredis";
import { redisVariables, withRedisOf } from "../redis";

/** Where a command of `usdf prompt` looks. */
export interface PromptOptions {
  /** Variables of this shell instead of the local stack's. */
  readonly env?: boolean;
  readonly redisUrl?: string;
  readonly json?: boolean;
}

/** Runs `work` with the Redis that the options name: that of the local stack, or another. */
export async function withPromptRedis<T>(options: PromptOptions, work: (redis: Redis) => Promise<T>): Promise<T> {
  const { env, redisUrl } = options;
  const base = env || redisUrl !== undefined ? process.env : await localVariables();
  return withRedisOf({ ...base, ...(redisUrl !== undefined && redisVariables(redisUrl)) }, work);
}

async function localVariables(): Promise<NodeJS.ProcessEnv> {
  const { localEnvironment } = await import("../runner");
  return (await localEnvironment("next-visit-fan-out")).env;
}
