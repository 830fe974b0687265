import { z } from "zod";
import {
  choice,
  commonEnv,
  type Contract,
  flag,
  integer,
  redisEnv,
  redisSecrets,
  seconds,
  text,
} from "../lib/contract";

/** Variables that say where objects and the Butler are; reconcile needs the same. */
export const storeEnv = {
  BUCKET: text({ about: "Bucket as Redis names it, `[profile@][tenant:]bucket`; its queue is the one worked on" }),
  BUTLER_REPO: text({ about: "Butler repository: a folder, a butler.yaml or its URI" }),
  BUTLER_MODE: choice(["auto", "obs", "plain"], {
    about: "obs: lsst.obs.base tasks; plain: lsst-daf-butler with the JSON sidecars; auto: obs where it is installed",
  }).default("auto"),
  BUTLER_CREATE: flag({ about: "Create the repository when there is none" }).default(false),
  BUTLER_REGISTRY_URL: z
    .string()
    .meta({ about: "Registry of a repository that is created, without password; empty: SQLite inside it" })
    .default(""),
  BUTLER_PYTHON: text({ about: "Python interpreter that has lsst-daf-butler" }).default("python3"),
  BUTLER_TIMEOUT: seconds({ about: "Longest time of one Butler request; then the child is restarted", min: 1 }).default(
    120,
  ),
  LSST_DB_AUTH: text({ about: "File with the passwords of Butler registries, read by the Butler itself" }).optional(),
  S3_ENDPOINT_URL: text({ about: "S3 endpoint of a BUCKET without a profile" }).optional(),
  S3_CONCURRENCY: integer({ about: "Sidecars read at the same time", min: 1, max: 256 }).default(32),
  S3_TIMEOUT: seconds({ about: "Longest time of one S3 request", min: 0.1 }).default(10),
  LSST_DISABLE_BUCKET_VALIDATION: text({
    about: "Let lsst.resources accept any bucket name; set by itself for tenant buckets",
  }).optional(),
} as const;

/** Secrets of {@link storeEnv}; profiles come as the family below. */
export const storeSecrets = {
  AWS_ACCESS_KEY_ID: text({ about: "S3 access key of a BUCKET without a profile" }).optional(),
  AWS_SECRET_ACCESS_KEY: text({ about: "S3 secret key of a BUCKET without a profile" }).optional(),
} as const;

export const storeFamilies = [
  {
    prefix: "LSST_RESOURCES_S3_PROFILE_",
    about: "Endpoint and keys of an S3 profile: https://ACCESS:SECRET@host",
    secret: true,
  },
] as const;

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
