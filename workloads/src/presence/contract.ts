import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { commonEnv, flag, redisEnv, redisSecrets, seconds } from "../lib/contract";

/** Tells whether the image of a detector has arrived, and where it is. */
export const presenceContract = {
  name: "presence",
  about: "Tells whether the image of a detector has arrived, and where it is.",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    DELETE_SEEN: flag({ about: "Answer each image once: forget it with the answer" }).default(false),
    REDIS_TIMEOUT: seconds({
      about: "Longest wait for Redis; clients of this service wait 1 s",
      min: 0.05,
      max: 10,
    }).default(0.7),
  }),
  secrets: z.object({ ...redisSecrets }),
  httpPort: 8000,
  longestStepSeconds: 5,
  runs: "until-stopped",
} as const satisfies Contract;

export type PresenceEnv = EnvOf<typeof presenceContract>;
