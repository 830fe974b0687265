import { z } from "zod";
import { choice, commonEnv, type Contract, flag, integer, seconds, text } from "../lib/contract";
import { kafkaEnv, kafkaSecrets, registryEnv } from "../lib/kafkaContract";
import { storeEnv, storeFamilies, storeSecrets } from "../lib/storeContract";

const {
  BUCKET: _rawBucket,
  S3_ENDPOINT_URL,
  S3_CONCURRENCY: _reads,
  S3_TIMEOUT,
  LSST_DISABLE_BUCKET_VALIDATION,
} = storeEnv;
const { BUTLER_PYTHON, BUTLER_TIMEOUT, LSST_DB_AUTH } = storeEnv;

/** Environment of upload. */
export const uploadContract = {
  name: "upload",
  about:
    "Plays the observatory for prompt processing: next_visit events, then raw files of earlier nights as new exposures",
  env: z.object({
    LOG_CONFIG: commonEnv.LOG_CONFIG,
    SOURCE: choice(["pool", "repo"], {
      about: "Where raw files are from: pool, POOL_BUCKET; repo, the Butler repository of REPO_CONFIG",
    }).default("pool"),
    INSTRUMENT: text({
      about: "Instrument to play, e.g. LATISS; with SOURCE=repo it follows from REPO_CONFIG",
    }).optional(),
    N_GROUPS: integer({ about: "Groups to send", min: 1, max: 10_000 }),
    ORDERED: flag({ about: "Send the first groups in order; false: a random choice" }).default(false),
    REPO_CONFIG: text({
      about: "YAML file: instrument, repo, query.collections (one or several), query.where; needed with SOURCE=repo",
    }).optional(),
    BUCKET: text({ about: "Bucket of raw files to write to, `[profile@][tenant:]bucket`" }),
    POOL_BUCKET: text({ about: "Bucket of the pool, `[profile@][tenant:]bucket`; needed with SOURCE=pool" }).optional(),
    POOL_PREFIX: z
      .string()
      .meta({ about: "What keys of the pool begin with; then they are as in a bucket of raw files" })
      .default("unobserved/"),
    S3_ENDPOINT_URL,
    S3_TIMEOUT,
    UPLOAD_CONCURRENCY: integer({ about: "Raw files in hand at the same time, each wholly in memory", min: 1, max: 256 }).default(8), // prettier-ignore
    UPLOAD_GIVE_UP: seconds({ about: "How long an object is tried again while the store does not take it", min: 1 }).default(60), // prettier-ignore
    NEXT_VISIT_TOPIC: text({ about: "Kafka topic of next_visit events, e.g. test.next-visit-job" }),
    ...kafkaEnv,
    KAFKA_BROKERS: kafkaEnv.KAFKA_BROKERS.default([]),
    ...registryEnv,
    REGISTER_SCHEMA: flag({ about: "Register the schema of next_visit where the registry has none for the topic" }).default(false), // prettier-ignore
    REST_PROXY_URL: text({ about: "Send next_visit by this Kafka REST proxy instead of KAFKA_BROKERS and REGISTRY_URL" }).optional(), // prettier-ignore
    SURVEY: z
      .string()
      .meta({ about: "Survey of the visits, as the pipelines configuration names it" })
      .default("SURVEY"),
    VISIT_DURATION: seconds({ about: "Duration in next_visit: of the script, not of an exposure" }).default(20),
    EXPOSURE_INTERVAL: seconds({ about: "Time from one exposure to the next" }).default(18),
    SLEW_INTERVAL: seconds({ about: "Time from next_visit to the begin of its first exposure" }).default(2),
    SHIFT_TIMES: flag({
      about:
        "Give exposures the time at which they are sent, so that an APDB takes the same sky again; false: their own time",
    }).default(true),
    BUTLER_PYTHON,
    BUTLER_TIMEOUT,
    LSST_DB_AUTH,
    LSST_DISABLE_BUCKET_VALIDATION,
  }),
  secrets: z.object({
    ...storeSecrets,
    ...kafkaSecrets,
    REST_PROXY_TOKEN: text({ about: "Token that the REST proxy is shown, as `Authorization: Bearer`" }).optional(),
  }),
  families: storeFamilies,
  httpPort: 8000,
  longestStepSeconds: 60,
  runs: "to-completion",
} as const satisfies Contract;
