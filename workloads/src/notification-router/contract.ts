import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { choice, commonEnv, flag, integer, list, redisEnv, redisSecrets, seconds, text } from "../lib/contract";
import { kafkaEnv, kafkaSecrets } from "../lib/kafkaContract";
import { storeEnv, storeFamilies, storeSecrets } from "../lib/storeContract";

/** Reads a bucket's notifications once and tells the worker of each detector of its raw files. */
export const notificationRouterContract = {
  name: "notification-router",
  about:
    "Reads the notifications of the bucket of raw files once, and publishes each raw file to the worker of its group and detector.",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    ...kafkaEnv,
    BUCKET_TOPIC: list({ about: "Topics of the bucket's notifications, comma-separated" }),
    CONSUMER_GROUP: text({ about: "Consumer group; whoever shares it shares the partitions" }),
    KEY_ENCODING: choice(["raw", "url"], {
      about: "How the object store writes keys in its events: Ceph `raw`, S3 itself `url` (`+` a space, `%XX` a byte)",
    }).default("raw"),
    IMAGE_BUCKET: text({
      about:
        "Bucket of the raw files and their sidecars, `[profile@][tenant:]bucket`; other buckets' events are parked",
    }),
    S3_ENDPOINT_URL: text({ about: "S3 endpoint of an IMAGE_BUCKET without a profile" }).optional(),
    S3_CONCURRENCY: storeEnv.S3_CONCURRENCY,
    S3_TIMEOUT: storeEnv.S3_TIMEOUT,
    SIDECAR_WAIT: seconds({
      about: "How long an exposure's raw files wait for a sidecar that is not there; then they are parked",
      min: 0.1,
      max: 600,
    }).default(30),
    SIDECAR_OUTAGE_WAIT: seconds({
      about: "The same while the object store does not answer",
      min: 1,
      max: 86_400,
    }).default(600),
    SIDECAR_CACHE: integer({
      about: "Exposures whose group is kept in memory; the one not asked for longest goes first",
      min: 10,
      max: 1_000_000,
    }).default(10_000),
    RAWS_LIFETIME: seconds({
      about: "How long a late worker can ask for a group's raw files; older notifications are left out",
      min: 60,
      max: 2_592_000,
    }).default(86_400),
    FOREIGN_GROUPS: flag({
      about:
        "Park one dead letter for each group that no next_visit has announced; its files are published in any case",
    }).default(true),
    FOREIGN_GROUP_WAIT: seconds({
      about: "How long after its first file the next_visit of a group may come",
      min: 0.1,
      max: 86_400,
    }).default(300),
    MAX_PENDING: integer({
      about: "Most notifications that are read and not yet done; what waits for a sidecar is among them",
      min: 100,
      max: 1_000_000,
    }).default(20_000),
    SESSION_SECONDS: seconds({
      about: "A member that the group did not hear of for so long loses its partitions",
      min: 6,
      max: 300,
    }).default(30),
  }),
  secrets: z.object({ ...redisSecrets, ...kafkaSecrets, ...storeSecrets }),
  families: storeFamilies,
  httpPort: 8000,
  longestStepSeconds: 15,
  runs: "until-stopped",
} as const satisfies Contract;

export type NotificationRouterEnv = EnvOf<typeof notificationRouterContract>;
