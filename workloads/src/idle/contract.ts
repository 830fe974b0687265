import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { commonEnv, integer, redisEnv, redisSecrets, seconds } from "../lib/contract";

/** Gives the work of lost pods back to its queue, keeps statistics small and publishes the state of the whole Redis. */
export const idleContract = {
  name: "idle",
  about: "Gives the work of lost pods back to its queue, keeps statistics small and publishes the state of the Redis.",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    IDLE_PERIOD: seconds({ about: "Time between two looks for lost work", min: 0.1, max: 3600 }).default(5),
    IDLE_MAX: seconds({
      about: "How long a worker list without a lease (a pod of the upstream image) may stay untouched",
      min: 1,
    }).default(10),
    STATS_PERIOD: seconds({ about: "Time between two readings of the gauges", min: 0.1, max: 3600 }).default(15),
    STATS_LIFETIME: integer({
      about: "How long statistics of a day of observation are kept",
      unit: "days",
      min: 7,
    }).default(400),
  }),
  secrets: z.object({ ...redisSecrets }),
  httpPort: 8000,
  longestStepSeconds: 15,
  runs: "until-stopped",
} as const satisfies Contract;

export type IdleEnv = EnvOf<typeof idleContract>;
