import { z } from "zod";
import { choice, flag, integer, seconds, text } from "./contract";

/** Variables that say where objects and the Butler are: what ingest and reconcile share. */
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
