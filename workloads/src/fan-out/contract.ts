import { z } from "zod";
import {
  choice,
  commonEnv,
  type Contract,
  type EnvOf,
  integer,
  redisEnv,
  redisSecrets,
  seconds,
  text,
} from "../lib/contract";
import { kafkaEnv, kafkaSecrets, registryEnv } from "../lib/kafkaContract";

/** Tells the workers of each detector of every visit that is announced. */
export const fanOutContract = {
  name: "fan-out",
  about: "Makes of each next_visit event a message for every detector's worker, and looks after the streams of these.",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    ...kafkaEnv,
    ...registryEnv,
    REGISTRY_URL: text({
      about: "Schema registry with Confluent's API, of the cluster that the schema ids are from; a path is kept",
    }),
    NEXT_VISIT_TOPIC: text({ about: "Kafka topic of the next_visit events" }),
    CONSUMER_GROUP: text({ about: "Kafka consumer group" }),
    OFFSET: choice(["latest", "earliest"], {
      about: "Where a consumer group without offsets starts; later it goes on where it was",
    }).default("latest"),
    SESSION_SECONDS: seconds({
      about: "A member of the group that was not heard of for so long is given up; the brokers take 6 to 1,800",
      min: 6,
      max: 1_800,
    }).default(10),
    MESSAGE_EXPIRATION: seconds({ about: "An event older than this, by `private_efdStamp`, is not fanned out" }).default(3_600), // prettier-ignore
    INSTRUMENT_CONFIG_FILE: text({
      about:
        "File (YAML or JSON) with `instruments`: name → `stream`, `consumerGroup`, `url`, `detectors` (ids), and " +
        "`testVisits`: `<instrument>-TEST-<salIndex>` → ids of detectors",
    }),
    DELIVERY: choice(["redis", "http"], {
      about: "How workers get their messages: entries of Redis streams, or CloudEvents that are POSTed to `url`",
    }).default("redis"),
    STREAM_MAX_ENTRIES: integer({
      about: "A stream of so many entries takes no visit more: Kafka keeps them, until workers have read some",
      min: 1_000,
    }).default(200_000),
    HOUSEKEEPING_SECONDS: seconds({ about: "How often the streams are trimmed and looked after", min: 0.1 }).default(15), // prettier-ignore
    MAX_PENDING_SECONDS: seconds({
      about: "An entry whose worker gave no sign for so long is given to another; longer than any worker's lease",
      min: 1,
    }).default(1_800),
    MAX_ATTEMPTS: integer({ about: "After so many attempts an entry is a dead letter", min: 1 }).default(3),
    CONSUMER_IDLE_SECONDS: seconds({
      about: "A consumer that holds nothing and was not heard of for so long is deleted",
      min: 1,
    }).default(86_400),
    MAX_FAN_OUT_MESSAGES: integer({ about: "HTTP: POSTs that are under way at the same time", min: 1 }).default(2_000),
    MAX_VISITS_IN_HAND: integer({ about: "Visits that are fanned out at the same time", min: 1, max: 10_000 }).default(256), // prettier-ignore
    HTTP_TIMEOUT: seconds({
      about: "HTTP: longest time of one POST; a worker answers when it is done with the visit",
      min: 0.1,
    }).default(1_200),
    HTTP_RETRIES: integer({
      about: "HTTP: how often a POST is repeated that found nobody, or was answered 503",
      max: 100,
    }).default(1),
    HTTP_MAX_RETRY_DELAY: seconds({ about: "HTTP: longest wait before a repeat, whatever Retry-After says" }).default(60), // prettier-ignore
  }),
  secrets: z.object({ ...redisSecrets, ...kafkaSecrets }),
  httpPort: 8000,
  longestStepSeconds: 30,
  runs: "until-stopped",
} as const satisfies Contract;

export type FanOutEnv = EnvOf<typeof fanOutContract>;

/** What `INSTRUMENT_CONFIG_FILE` holds. */
export const fanOutDocument = z.strictObject({
  /** By the name that next_visit has; those not named here are of other environments. */
  instruments: z.record(
    z.string().min(1),
    z.strictObject({
      stream: z.string().min(1),
      consumerGroup: z.string().min(1),
      /** Where CloudEvents go. */
      url: z.url({ protocol: /^https?$/ }).optional(),
      /** Ids of the active detectors. */
      detectors: z.array(z.int().min(0)),
    }),
  ),
  /** `<instrument>-TEST-<salIndex>` -> ids of the detectors of that visit. */
  testVisits: z.record(z.string().regex(/^.+-TEST-\d+$/, "is not <instrument>-TEST-<salIndex>"), z.array(z.int().min(0))).default({}), // prettier-ignore
});

export type FanOutDocument = z.input<typeof fanOutDocument>;
