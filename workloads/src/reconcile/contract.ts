import { z } from "zod";
import { commonEnv, type Contract, flag, integer, redisEnv, redisSecrets, seconds, text } from "../lib/contract";
import { storeEnv, storeFamilies, storeSecrets } from "../lib/storeContract";

/** Environment of reconcile. */
export const reconcileContract = {
  name: "reconcile",
  about: "Lists a bucket and queues again what no notification told of; ends when done",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    ...storeEnv,
    DATASET_REGEXP: text({ about: "Objects to compare: searched in [profile@]bucket/key, as enqueue does" }).default(
      "fits$",
    ),
    PREFIX: z.string().meta({ about: "Only keys that begin so" }).default(""),
    SINCE_DAY_OBS: z
      .string()
      .regex(/^(\d{8})?$/, "is not YYYYMMDD")
      .meta({ about: "Only objects of this dayObs and later; empty: all, or LOOKBACK_DAYS" })
      .default(""),
    LOOKBACK_DAYS: integer({ about: "Only objects of so many last days of observation; 0: all", max: 36_500 }).default(
      0,
    ),
    MIN_AGE: seconds({ about: "Only objects at least so old, as younger ones may be on their way" }).default(600),
    DRY_RUN: flag({ about: "Count and list, change nothing" }).default(false),
    ENQUEUE_DEDUPE_TTL: seconds({ about: "Life of the marker of a queued notification", min: 1 }).default(604_800),
  }),
  secrets: z.object({ ...redisSecrets, ...storeSecrets }),
  families: storeFamilies,
  httpPort: 8000,
  longestStepSeconds: 30,
  runs: "to-completion",
} as const satisfies Contract;
