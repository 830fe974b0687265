import type { EnvOf } from "../lib/contract";
import type { Logger } from "../lib/log";
import type { transformEfdContract } from "./contract";
import { createEfdClient, efdUrl } from "./influx";
import type { EfdClient } from "./model";
import type { LegacySwitches } from "./window";

type Env = Omit<EnvOf<typeof transformEfdContract>, "MODE" | "DATETIME_START" | "DATETIME_END" | "CONSDB_URL">;

/** The EFD that the environment names. @param log - Gets a line for each request that is repeated. */
export function efdClientOf(env: Env, log?: Pick<Logger, "warn">): EfdClient {
  return createEfdClient({
    url: efdUrl(env.EFD || env.EFD_HOST, env.EFD_PORT, env.EFD_PATH),
    dialect: env.EFD_DIALECT,
    database: env.EFD_DATABASE,
    retentionPolicy: env.EFD_RETENTION,
    org: env.EFD_ORG,
    username: env.EFD_USERNAME,
    password: env.EFD_PASSWORD,
    token: env.EFD_TOKEN,
    concurrency: env.EFD_CONCURRENCY,
    timeoutMs: env.EFD_TIMEOUT * 1000,
    log,
  });
}

/** Which results are to be as they were. */
export function legacyOf(env: Env): LegacySwitches {
  return {
    rms: env.LEGACY_RMS,
    startOffset: env.LEGACY_START_OFFSET,
    zeroVisits: env.LEGACY_ZERO_VISITS,
    buckets: env.LEGACY_BUCKETS,
  };
}
