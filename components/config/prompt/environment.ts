import { z } from "zod";
import { imageTag, resources, vaultPath } from "../field";
import { databasesSchema } from "./databases";
import { alertStreamSchema, fileNotificationsSchema, outputsKafkaSchema } from "./kafka";
import { partialService } from "./service";
import { versionsSchema } from "./releases";

/** An environment is one cluster with everything that prompt processing has there. */

const hostAndPort = z.string().regex(/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/, "must be host:port,…");
const seconds = z.number().positive("must be more than 0");

const redis = z
  .strictObject({
    tag: imageTag.default("7.4.4").describe("Tag of the Redis image; 7 or later, KEDA needs the lag that it tells."),
    maxMemoryMi: z
      .int()
      .min(64)
      .default(2730)
      .describe("Data that Redis may hold, MiB; past it writes are refused. The pod's limit is 1.5 times that."),
    ...{ requests: resources({ requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "4Gi" } }).requests },
    storageClass: z
      .string()
      .default("wekafs--sdf-k8s01")
      .describe("Storage class of the data volume, when it is made."),
    size: z.string().default("100Gi").describe("Size of the data volume, when it is made."),
    password: z
      .enum(["required", "optional"])
      .default("required")
      .describe(
        "optional = a client without password is let in, as upstream's workers are one; network policies stay.",
      ),
  })
  .prefault({})
  .describe("The Redis of all streams.");

const fanOut = z
  .strictObject({
    kafka: hostAndPort.describe("Bootstrap servers of the Kafka with the next_visit events."),
    tls: z.boolean().default(true).describe("Speak TLS to it."),
    caField: z
      .string()
      .optional()
      .describe("Field of its secret with the authority of the brokers' certificates. Default: a public one."),
    username: z.string().optional().describe("Kafka user. Default: none, for one machine."),
    passwordField: z.string().default("kafka_pp_sasl_password").describe("Field of its secret with the password."),
    topic: z.string().default("lsst.sal.ScriptQueue.logevent_nextVisit").describe("Topic of the events."),
    consumerGroup: z.string().default("next-visit-fan-out-1").describe("Consumer group."),
    offset: z.enum(["latest", "earliest"]).default("latest").describe("Where a group without offsets starts."),
    registryUrl: z.url().describe("Schema registry of that Kafka."),
    maxStreamEntries: z
      .int()
      .min(1_000)
      .default(200_000)
      .describe("A stream of so many entries takes no visit more: Kafka keeps them, until workers have read some."),
    retries: z.int().min(0).default(1).describe("knative: how often a POST is repeated that is answered 503."),
    maxRequests: z.int().min(1).default(2_000).describe("knative: POSTs that are under way at the same time."),
    ...resources({ requests: { cpu: "100m", memory: "192Mi" }, limits: { cpu: "1", memory: "512Mi" } }),
  })
  .describe("Makes of a next_visit event a message for each detector.");

const router = z
  .strictObject({
    replicas: z.int().min(1).default(1).describe("Pods; they share the partitions of the topic."),
    kafka: hostAndPort.optional().describe("Bootstrap servers in plain text without users, for one machine. Default: fileNotifications."), // prettier-ignore
    sidecarWaitSeconds: seconds
      .default(30)
      .describe("How long an exposure's raws wait for a sidecar that is not there."),
    foreignGroups: z
      .boolean()
      .default(true)
      .describe("Park one dead letter for each group that no next_visit announced."),
    ...resources({ requests: { cpu: "250m", memory: "256Mi" }, limits: { cpu: "1", memory: "768Mi" } }),
  })
  .prefault({})
  .describe("Tells workers of the gateway which raws have arrived.");

/** A name that an instrument has in events, labels and the Butler. */
export const instrumentName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,40}$/, "must be the name of an instrument, as next_visit has it");

export const promptEnvironmentSchema = z.strictObject({
  kubeContext: z.string().describe("Context of the kubeconfig of its cluster."),
  host: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, "must be a host name")
    .describe("Host that users reach it by."),
  secrets: z
    .strictObject({
      prefix: vaultPath.describe("Vault path that those of its parts begin with: `<prefix>/prompt-keda-lsstcam`, …"),
    })
    .describe("Where the secrets are in Vault."),
  expirationSeconds: seconds
    .default(3600)
    .describe("Age since its publication at which a visit is dropped, by fan-out and by workers."),
  redis,
  fanOut,
  router,
  service: partialService.optional().describe("What all services of the environment have."),
  services: z
    .record(instrumentName, partialService)
    .describe("Prompt services by instrument. {} takes what the instrument has everywhere."),
  fileNotifications: fileNotificationsSchema
    .optional()
    .describe("Kafka of the buckets' file notifications. Default: another one's; routers need it."),
  outputsKafka: outputsKafkaSchema.optional().describe("Kafka of what pipelines made. Default: none."),
  alertStream: alertStreamSchema.optional().describe("Kafka of the alerts. Default: none."),
  databases: databasesSchema.optional().describe("PostgreSQL of registry and APDB. Default: none."),
  versions: versionsSchema.default({}).describe("Versions of what releases of the pipelines must fit, by axis."),
});

export type PromptEnvironment = z.output<typeof promptEnvironmentSchema>;
