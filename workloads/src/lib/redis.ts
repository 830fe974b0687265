import { Redis } from "ioredis";
import type { Logger } from "./log";

export interface RedisOptions {
  readonly host: string;
  readonly port?: number;
  readonly password?: string;
  readonly tls?: boolean;
  /** Longest wait for one command, ms; then it fails and the caller decides. Default 5,000. */
  readonly commandTimeoutMs?: number;
  /**
   * Commands fail as soon as the connection is lost. Otherwise ioredis forgets those in flight when it is back at once, and only
   * their time limit ends them: too long for one that waits. Default false.
   */
  readonly failWhenLost?: boolean;
  readonly log?: Logger;
}

/**
 * Connects to Redis and keeps connected: reconnects for ever with a capped delay, while each command fails within its
 * limit. A command in flight when the connection breaks is not sent again behind the caller's back; every script of
 * the queue may safely be called again.
 */
export function connectRedis(options: RedisOptions): Redis {
  const { host, port = 6379, password, tls = false, commandTimeoutMs = 5_000, failWhenLost = false, log } = options;
  const redis = new Redis({
    host,
    port,
    password,
    ...(tls ? { tls: {} } : {}),
    commandTimeout: commandTimeoutMs,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    maxRetriesPerRequest: failWhenLost ? 0 : 1,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 5), 2_000),
    // A server that is loading its append-only file answers LOADING: wait for it rather than fail every command.
    enableReadyCheck: true,
  });
  let lost = false;
  redis.on("error", (error) => {
    if (!lost) log?.warn({ err: error, host, port }, "Redis connection failed; reconnecting");
    lost = true;
  });
  redis.on("ready", () => {
    if (lost) log?.info({ host, port }, "Redis connection is back");
    lost = false;
  });
  return redis;
}

/** Options of {@link connectRedis} from a workload's environment. */
export function redisOptions(env: {
  REDIS_HOST: string;
  REDIS_PORT: number;
  REDIS_TLS: boolean;
  REDIS_PASSWORD: string;
}): RedisOptions {
  return { host: env.REDIS_HOST, port: env.REDIS_PORT, tls: env.REDIS_TLS, password: env.REDIS_PASSWORD };
}
