import { z } from "zod";
import { imageTag } from "../field";
import { type DeepPartial, partialOf } from "./partial";
import { pipelinesSchema } from "./pipelines";

/**
 * A prompt service: workers of one instrument. Defaults are what all instruments share; `instruments.ts` has what one
 * instrument has everywhere, and `Pulumi.<stack>.yaml` what an environment has.
 */

const quantity = z.string().regex(/^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$/, 'must be a quantity such as "500m" or "2Gi"');
const amounts = (cpu: string, memory: string, ephemeralStorage?: string) =>
  z
    .strictObject({
      cpu: quantity.default(cpu).describe("CPU."),
      memory: quantity.default(memory).describe("Memory."),
      ephemeralStorage: (ephemeralStorage === undefined ? quantity.optional() : quantity.default(ephemeralStorage)).describe("Disk of the node."), // prettier-ignore
    })
    .prefault({});
const annotations = z.record(z.string(), z.string('must be text: quote "true" and numbers'));
const seconds = z.number().positive("must be more than 0");
const storageUri = z.string().regex(/^(s3:\/\/|\/|label:)\S+$/, "must be s3://…, an absolute path or label:…");
const hostAndPort = z.string().regex(/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/, "must be host:port,…");

const image = z
  .strictObject({
    repository: z.string().default("ghcr.io/lsst-dm/prompt-service").describe("Image with the pipelines."),
    tag: imageTag
      .optional()
      .describe(
        "Its tag, and that of the image that prepares the repository: both are one release. Needed but for standIn.",
      ),
    pullPolicy: z
      .enum(["Always", "IfNotPresent"])
      .default("IfNotPresent")
      .describe("Always where the tag moves, as `latest` does."),
  })
  .prefault({})
  .describe("Release of the pipelines.");

const worker = z
  .strictObject({
    timeoutSeconds: seconds.default(900).describe("Longest time of one visit."),
    graceSeconds: seconds
      .default(45)
      .describe("Beside timeoutSeconds, for what a stop leaves to do: a visit in hand is finished."),
    restartAfterVisits: z.int().min(0).default(0).describe("Visits after which a worker ends; 0: no limit."),
    attempts: z.int().min(1).default(3).describe("gateway: attempts at a visit before it is a dead letter."),
    leaseSeconds: seconds.default(30).describe("gateway: a worker that is silent for so long loses its visit."),
    command: z
      .array(z.string().min(1))
      .min(1)
      .default(["python", "-m", "activator.driver_gateway"])
      .describe("gateway: the program of the image that processes visits, with its arguments."),
    env: z
      .record(
        z.string().regex(/^[A-Z_][A-Z0-9_]*$/, "must be the name of a variable"),
        z.string("must be text: quote numbers"),
      )
      .default({})
      .describe("Further variables of that program, none of them a secret."),
  })
  .prefault({})
  .describe("How a worker works.");

const stream = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .optional()
      .describe("Redis stream of its visits. Default: `instrument:` and the instrument."),
    consumerGroup: z
      .string()
      .min(1)
      .optional()
      .describe("Consumer group of its workers. Default: the instrument and `_consumer_group`."),
    listenSeconds: seconds.default(900).describe("Time without a visit after which a worker ends."),
    retrySeconds: seconds.default(30).describe("upstream: pause before Redis is tried again."),
  })
  .prefault({})
  .describe("Where its visits come from.");

const scaling = z
  .strictObject({
    min: z.int().min(0).default(3).describe("Workers that wait at all times."),
    max: z.int().min(1).default(10).describe("Most workers; about detectors × latencySeconds / cadenceSeconds."),
    strategy: z
      .enum(["default", "eager", "accurate"])
      .default("eager")
      .describe("How KEDA counts; eager uses all slots up to max, as long as something waits."),
    pollingSeconds: z.int().min(1).default(2).describe("How often KEDA looks at the stream."),
    activationLag: z.int().min(0).default(1).describe("Waiting entries above which KEDA begins to scale."),
    lagPerWorker: z.int().min(1).default(1).describe("Waiting entries for which there shall be a worker."),
    pendingPerWorker: z.int().min(1).default(1).describe("Told to KEDA, which goes by the lag where both are given."),
    keepSuccessful: z.int().min(0).default(25).describe("Workers that ended well, kept to look at."),
    keepFailed: z.int().min(0).default(25).describe("Workers that failed, kept to look at."),
    latencySeconds: seconds.optional().describe("Usual time of one visit, for the check of max. Default: unknown."),
    cadenceSeconds: seconds.optional().describe("Usual time between visits, for the check of max. Default: unknown."),
  })
  .prefault({})
  .describe("How many workers there are.");

const s3 = z
  .strictObject({
    endpointUrl: z.url().describe("Object store of raws and repository."),
    imageBucket: z.string().min(1).describe("Bucket of raws and sidecars, without profile."),
    profile: z.string().min(1).optional().describe("AWS profile in the credentials file. Default: the first."),
    credentials: z
      .enum(["file", "variables"])
      .default("file")
      .describe("Which of the secret's fields are used: s3_credentials_file, or s3_access_key and s3_secret_key."),
    disableBucketValidation: z
      .boolean()
      .default(false)
      .describe("Take any bucket name, as of tenants (`rubin:bucket`)."),
    checksumCalculation: z
      .enum(["WHEN_REQUIRED", "WHEN_SUPPORTED"])
      .default("WHEN_REQUIRED")
      .describe("When clients send checksums; Ceph knows not all of them."),
  })
  .describe("Object store.");

const raws = z
  .strictObject({
    topic: z
      .string()
      .min(1)
      .describe("Topic of the bucket's notifications; one of fileNotifications.topics, or another's."),
    kafka: hostAndPort
      .default("s3-file-notifications-kafka-external-bootstrap.s3-file-notifications:9094")
      .describe("upstream: bootstrap servers that its workers read the topic from."),
    offsetReset: z.enum(["latest", "earliest"]).default("latest").describe("upstream: where a worker starts in it."),
    timeoutSeconds: z
      .int()
      .min(0)
      .default(20)
      .describe("How long raws are waited for, beyond twice the duration that the visit announces."),
  })
  .describe("How it learns of raws.");

const init = z
  .strictObject({
    repository: z.string().default("ghcr.io/lsst-dm/prompt-init").describe("Image that prepares the repository."),
    timeoutSeconds: z.int().min(1).default(300).describe("Longest run."),
    retries: z.int().min(0).default(6).describe("Pods that are started again after one failed."),
    keepSeconds: z.int().min(0).default(3600).describe("How long a finished run is kept to look at."),
    utcOffsetHours: z
      .int()
      .min(-12)
      .max(14)
      .default(-12)
      .describe("Where a day of observation begins at midnight; the run is at 00:01 there."),
    suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
    podAnnotations: annotations.default({}).describe("Annotations of its pods."),
    requests: amounts("1", "512Mi").describe("What the scheduler keeps for a pod."),
    limits: amounts("1", "1Gi").describe("What a pod may use at most."),
  })
  .prefault({})
  .describe("Init-outputs and the chain of the day, without which no worker can work.");

const alerts = z.strictObject({
  username: z.string().min(1).describe("Kafka user; the password is in the secret, alert_stream_pass."),
  server: hostAndPort.describe("Bootstrap servers."),
  topic: z.string().min(1).describe("Topic of the alerts."),
});

const sasquatch = z
  .strictObject({
    url: z.url().optional().describe("REST proxy. Default: no metrics are sent."),
    namespace: z.string().default("lsst.prompt").describe("Namespace of the metrics."),
    token: z.boolean().default(false).describe("Send the token of the secret, sasquatch_token."),
  })
  .prefault({})
  .describe("Metrics of the pipelines.");

const butlerWriter = z.strictObject({
  server: hostAndPort.describe("Bootstrap servers."),
  username: z
    .string()
    .default("butler-writer")
    .describe("Kafka user; the password is in the secret, butler-writer-password."),
  topic: z.string().default("butler-writer").describe("Topic of what the writer shall take in."),
});

const debug = z
  .strictObject({
    exportOutputs: z.boolean().default(true).describe("Export what pipelines made."),
    monitorDaxApdb: z.boolean().default(false).describe("Log how the APDB is used."),
  })
  .prefault({})
  .describe("For looking closer.");

const knative = z
  .strictObject({
    concurrency: z.int().min(1).default(1).describe("Visits at a time in a pod."),
    targetUtilizationPercent: z.int().min(1).max(100).default(80).describe("Load of a pod at which there is one more."),
    extraTimeoutSeconds: z
      .int()
      .min(0)
      .default(10)
      .describe(
        "Answer within 2 × worker.timeoutSeconds and this, at most 1200 s, the most that Knative is told to allow.",
      ),
    gpus: z.int().min(0).default(0).describe("GPUs of a pod."),
    queue: z
      .strictObject({
        requests: amounts("25m", "400Mi", "400Mi").describe("What the scheduler keeps for it."),
        limits: amounts("1", "800Mi", "450Mi").describe("What it may use at most."),
      })
      .prefault({})
      .describe("Knative's own container in each pod."),
  })
  .prefault({})
  .describe("What `platform: knative` needs beside.");

const detectorId = z.int().min(0);

const detectors = z
  .strictObject({
    count: z.int().min(1).describe("Its detectors are 0 to this, less one."),
    off: z.array(detectorId).default([]).describe("Detectors of these that are not processed."),
    test: z
      .record(z.string().regex(/^\d+$/, "must be the salIndex of a test visit"), z.array(detectorId).min(1))
      .default({})
      .describe("Visits of the testers, by their salIndex, that go to some detectors only."),
  })
  .describe("Detectors that visits go to.");

/** Regular expressions over names of dataset types. */
const exportTypes = z.union([
  z.literal("published"),
  z.array(z.string().regex(/^[!-~]+$/, "must be a regular expression in ASCII without spaces")).min(1),
]);

const serviceShape = {
  driver: z
    .enum(["gateway", "upstream"])
    .default("gateway")
    .describe(
      "Who takes visits from the stream: gateway = ours, which acknowledges after the commit and tries again, around the " +
        "pipeline's program; upstream = the image's own program, which acknowledges first.",
    ),
  platform: z
    .enum(["keda", "knative"])
    .default("keda")
    .describe("keda = jobs that read a Redis stream; knative = a service that gets a POST for each detector."),
  standIn: z
    .boolean()
    .default(false)
    .describe("Workers run a program of our image that stands for the pipelines: for tests and one machine."),
  image,
  detectors,
  worker,
  stream,
  scaling,
  skymap: z.string().min(1).describe("Sky map of the templates."),
  preloadPaddingArcsec: z
    .number()
    .min(0)
    .default(30)
    .describe("Margin around a detector for what is preloaded, arcsec."),
  centralRepo: storageUri.describe("Butler repository that outputs are written to."),
  readRepo: storageUri.optional().describe("Butler repository that is read. Default: centralRepo."),
  localRepoConfig: storageUri.optional().describe("Butler configuration of a worker's own repository. Default: none."),
  transferWorkers: z.int().min(1).default(3).describe("Threads that transfer files."),
  repoRetrySeconds: seconds.default(30).describe("Pause before a repository is tried again."),
  exportTypes: exportTypes
    .default([".*"])
    .describe(
      "Dataset types that are exported: regular expressions of which one fits the whole name; `published` = those that prompt " +
        "products are published from.",
    ),
  cachedDatasets: z.int().min(0).default(3).describe("Datasets of each type that a worker keeps for the next visit."),
  cacheSize: quantity.default("5Gi").describe("Most that a worker's own repository may take on the node's disk."),
  apdbConfig: z.string().min(1).describe("Configuration of the APDB: s3://… or label:…"),
  s3,
  raws,
  presenceUrl: z.url().optional().describe("Presence of raws, up to the instrument. Default: not asked."),
  mpSkyUrl: z.url().optional().describe("Ephemerides of known objects. Default: not asked."),
  sattleUrl: z.url().optional().describe("Sattle, which knows satellites. Default: not asked."),
  iersCache: storageUri.optional().describe("Copy of the IERS tables. Default: none."),
  alerts: alerts.optional().describe("Where alerts are sent. Default: nowhere."),
  sasquatch,
  butlerWriter: butlerWriter
    .optional()
    .describe("Outputs go to the central repository by way of the Butler writer. Default: each worker writes itself."),
  init,
  knative,
  pipelines: pipelinesSchema.describe("Which pipelines run for which visits."),
  logLevels: z
    .record(
      z.string().regex(/^[\w.]+$/, "must be a logger"),
      z.enum(["TRACE", "DEBUG", "VERBOSE", "INFO", "WARNING", "ERROR"]),
    )
    .default({})
    .describe("Log levels by logger; `.` is all."),
  debug,
  dbAuth: z.boolean().default(true).describe("Give it db-auth.yaml, the passwords of registries and APDB."),
  sdfData: z.boolean().default(true).describe("Mount /sdf/data/rubin, for reading."),
  requests: amounts("1", "2Gi", "5Gi").describe("What the scheduler keeps for a worker."),
  limits: amounts("1", "8Gi", "5Gi").describe("What a worker may use at most."),
  podAnnotations: annotations.default({}).describe("Annotations of its pods, beside those of metrics."),
  preferredNodes: z
    .strictObject({
      label: z.string().min(1).describe("Label that its nodes have."),
      weight: z.int().min(1).max(100).default(10).describe("How much the scheduler cares."),
    })
    .optional()
    .describe("Nodes that workers rather run on. Default: any."),
  egressPorts: z
    .array(z.int().min(1).max(65535))
    .default([443, 5432, 6432, 9042])
    .describe(
      "TCP ports outside the cluster, beside those of URLs here: object store, registry, APDB in PostgreSQL and Cassandra.",
    ),
};

/** A service with everything that is told of it. */
export const serviceSchema = z.strictObject(serviceShape);
export type PromptService = z.output<typeof serviceSchema>;

/** The same as it is written: each part may be left out, since other layers give it. */
export const partialService = partialOf(serviceSchema);
export type ServiceInput = DeepPartial<z.input<typeof serviceSchema>>;

/** The dataset types that prompt products are published from. */
export const publishedTypes: readonly string[] = [
  ".*_(config|metadata|log)",
  "packages",
  "regionTimeInfo",
  "template_detector",
  "preliminary_visit_image",
  "preliminary_visit_image_background",
  "difference_image",
  "single_visit_star_footprints",
  "dia_source_unfiltered",
  "dia_source_detector",
  "difference_kernel",
  "dia_source_apdb",
  "dia_forced_source_apdb",
  "dia_object_apdb",
  "ss_source_direct_detector",
  "ss_object_direct_unassociated",
  "ss_object_unassociated_detector",
  "ss_source_detector",
  "marginal_new_dia_source",
  "new_dia_source",
  "preloaded_dia_forced_source",
  "preloaded_dia_object",
  "preloaded_dia_source",
  "preloaded_ss_object",
  "prompt_provenance",
];
