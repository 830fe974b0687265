import { z } from "zod";
import { commonEnv, type Contract, integer, redisEnv, redisSecrets, seconds, text } from "../lib/contract";
import { storeEnv, storeFamilies, storeSecrets } from "../lib/storeContract";

/** Environment of ingest. */
export const ingestContract = {
  name: "ingest",
  about: "Ingests the objects that one bucket's queue names into the Butler, oldest first",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    ...storeEnv,
    MAX_INGESTS: integer({ about: "Most files of one batch", min: 1, max: 1000 }).default(10),
    MAX_FAILURES: integer({ about: "Failed attempts of a file before it is dead-lettered", min: 1 }).default(3),
    MAX_GUIDER_WAIT: seconds({ about: "First recheck of a guider whose exposure is unknown" }).default(5),
    PARK_LIFETIME: seconds({ about: "A guider without exposure is dead-lettered after this time" }).default(86_400),
    GROUP_LIFETIME: seconds({ about: "Life of a GROUP key", min: 1 }).default(86_400),
    RETRY_BASE: seconds({ about: "Delay before the second attempt; doubles each time", min: 0.01 }).default(1),
    RETRY_MAX: seconds({ about: "Longest delay between attempts", min: 0.01 }).default(60),
    LEASE_DURATION: seconds({ about: "A worker that is silent for this time loses its files", min: 1 }).default(30),
    WEBHOOK_URI: text({ about: "POST {exp_id, filenames} here after ingest" }).optional(),
    WEBHOOK_TIMEOUT: seconds({ about: "Longest time of one webhook call", min: 0.01 }).default(0.5),
    FOLLOWUP_ATTEMPTS: integer({
      about: "Attempts of a visit definition or webhook call before it is dead-lettered",
      min: 1,
    }).default(10),
  }),
  secrets: z.object({ ...redisSecrets, ...storeSecrets }),
  families: storeFamilies,
  httpPort: 8000,
  longestStepSeconds: 30,
  runs: "until-stopped",
} as const satisfies Contract;
