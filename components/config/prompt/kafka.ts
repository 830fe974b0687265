import { z } from "zod";
import { allowList } from "../cidr";
import { imageTag, objectName, resources } from "../field";
import { addKafkaFaults, excusableExternal, kafkaCluster } from "../kafka";

/** Kafka clusters of an environment: notifications of its buckets, outputs of its pipelines, alerts. */

const topicName = z
  .string()
  .regex(/^[\w.-]{1,249}$/, "must be a name of a Kafka topic: at most 249 of letters, digits, . _ and -");

const topic = z.strictObject({
  partitions: z.int().min(1).max(2000).default(1).describe("Partitions; they can grow, but never shrink."),
  retentionSeconds: z
    .union([z.int().min(60), z.literal("infinite")])
    .optional()
    .describe("How long records are kept, or infinite. Default: the cluster's retentionMinutes."),
  retentionBytesPerPartition: z
    .int()
    .min(1_048_576)
    .optional()
    .describe("Bytes of each partition at most; the oldest records go first. Default: no bound."),
});

const kafkaUser = z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be a name of a KafkaUser");
const topicNames = z.union([z.array(topicName), z.literal("all")]);

const user = z.strictObject({
  authentication: z
    .enum(["tls", "scram-sha-512"])
    .default("scram-sha-512")
    .describe(
      "How it proves who it is: a password, field `<user>-password` of the cluster's secret, or a certificate of the cluster.",
    ),
  reads: topicNames.default([]).describe("Topics of this cluster that it reads, or all."),
  writes: topicNames.default([]).describe("Topics of this cluster that it writes, or all."),
  groups: z.array(z.string().min(1)).default([]).describe("Prefixes of its consumer groups. Default: its name."),
  transactions: z.array(z.string().min(1)).default([]).describe("Transactional ids of its own. Default: none."),
});

/** Fields of a Kafka cluster of Prompt Processing. */
function clusterShape(namespace: string) {
  return {
    namespace: objectName.default(namespace).describe("Namespace of the cluster."),
    cluster: z
      .strictObject({
        ...kafkaCluster.shape,
        external: excusableExternal.optional().describe("Load balancers for clients outside. Default: none."),
      })
      .superRefine(addKafkaFaults)
      .prefault({})
      .describe("The cluster itself."),
    allow: allowList
      .default([])
      .describe("Networks that may reach its external listener, e.g. 172.24.0.0/16. Default: none."),
    topics: z.record(topicName, topic).default({}).describe("Topics by name."),
    users: z.record(kafkaUser, user).default({}).describe("Users, each with the least that it needs."),
  };
}

interface Cluster {
  readonly topics: Readonly<Record<string, unknown>>;
  readonly users: Readonly<Record<string, z.output<typeof user>>>;
  readonly cluster: { readonly kind: string; readonly external?: object };
  readonly allow: readonly string[];
}

function addClusterFaults(value: Cluster, context: z.RefinementCtx): void {
  const { topics, users, cluster, allow } = value;
  const fault = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
  for (const [name, { reads, writes }] of Object.entries(users)) {
    for (const [key, list] of Object.entries({ reads, writes })) {
      if (list === "all") continue;
      for (const missing of list.filter((one) => !Object.hasOwn(topics, one)))
        fault(["users", name, key], `has "${missing}", no topic of this cluster (${Object.keys(topics).join(", ")})`);
    }
  }
  if (cluster.external !== undefined && allow.length === 0)
    fault(["allow"], "is empty: name the networks that reach the external listener, or leave that out");
}

/** Notifications of buckets: RGW writes them, the router reads them once. */
export const fileNotificationsSchema = z
  .strictObject({
    ...clusterShape("s3-file-notifications"),
    gatewayUser: kafkaUser
      .default("rgw")
      .describe("User that the object gateways write as, with a password; one of the topics' writers by itself."),
    routerUser: kafkaUser
      .default("notification-router")
      .describe("User of the router, with a certificate; it reads every topic by itself."),
    gatewayCaLocation: z
      .string()
      .startsWith("/", "must be an absolute path")
      .optional()
      .describe("File on the gateways' hosts with the cluster's authority. Default: those that the hosts trust."),
  })
  .superRefine(addClusterFaults)
  .superRefine(({ users, gatewayUser, routerUser, topics }, context) => {
    for (const [key, name] of Object.entries({ gatewayUser, routerUser }))
      if (Object.hasOwn(users, name))
        context.addIssue({
          code: "custom",
          path: ["users", name],
          message: `is what ${key} declares by itself. Leave it out`,
        });
    if (Object.keys(topics).length === 0)
      context.addIssue({ code: "custom", path: ["topics"], message: "is empty: notifications need one" });
  })
  .describe("Kafka cluster `s3-file-notifications`: file notifications of buckets, each topic read once by a router.");

/** Whether clients outside say who they are; only then does the cluster know rights. */
export function isAuthenticated(cluster: {
  readonly kind: string;
  readonly external?: { readonly exception?: { readonly anonymous: boolean } };
}): boolean {
  return cluster.kind === "strimzi" && cluster.external?.exception?.anonymous !== true;
}

const foreign = (repository: string, tag: string) =>
  z
    .strictObject({
      repository: z.string().default(repository).describe("Image without tag."),
      tag: imageTag.default(tag).describe("Tag of the image."),
    })
    .prefault({})
    .describe("Image; it is not ours.");

const writerService = z.strictObject({
  namespace: objectName.default("butler-writer-service").describe("Its namespace."),
  image: foreign("ghcr.io/lsst-dm/prompt_processing_butler_writer", "3.1.0"),
  butlerRepository: z.string().min(1).describe("Repository that it writes, e.g. s3://rubin-summit-users/."),
  outputDatasetLists: z.string().min(1).describe("Folder or URI for lists of the datasets that it wrote."),
  user: kafkaUser.default("butler-writer-service").describe("Kafka user of it, one of users."),
  s3EndpointUrl: z.url().describe("S3 endpoint of the repository."),
  profile: z.string().optional().describe("Profile in the credentials file. Default: its default profile."),
  debugLevel: z.string().default("INFO").describe("Level of its log."),
  ...resources({ requests: { cpu: "250m", memory: "512Mi" }, limits: { cpu: "1", memory: "1Gi" } }),
});

const cronFields = z
  .string()
  .regex(/^(\S+ ){4}\S+$/, 'must have the five fields of a cron schedule, e.g. "0 12 * * *"');

const publication = z.strictObject({
  namespace: objectName.default("prompt-pub").describe("Its namespace."),
  image: foreign("ghcr.io/lsst-dm/prompt_publication_service", "1.0.1"),
  user: kafkaUser.default("prompt-publication-consumer").describe("Kafka user of it, one of users."),
  group: z.string().default("prompt-publication").describe("Its consumer group."),
  stateDb: z.string().min(1).describe("Database of its state, as a SQLAlchemy URL without password."),
  runs: z
    .strictObject({
      from: cronFields.default("0 12 * * *").describe("When it starts, cron (UTC)."),
      to: cronFields.default("30 21 * * *").describe("When it is stopped, cron (UTC)."),
    })
    .prefault({})
    .describe("Hours of its work; in the night nothing is published."),
  env: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Further variables of its image; those of the connection are named as the writer's, and can be named anew.",
    ),
  secretEnv: z
    .record(z.string(), z.string())
    .default({})
    .describe("Variables that are secrets: field of its secret in Vault by variable."),
  ...resources({ requests: { cpu: "250m", memory: "512Mi" }, limits: { cpu: "1", memory: "1Gi" } }),
});

/** Outputs of pipelines on their way to the central Butler, and to publication. */
export const outputsKafkaSchema = z
  .strictObject({
    ...clusterShape("prompt-kafka"),
    outputTopic: topicName.default("butler-writer").describe("Topic of what the pipelines made, one of topics."),
    ingestionEventTopic: topicName
      .default("butler-writer-ingestion-events")
      .describe("Topic of what the Butler has taken, one of topics."),
    writerService: writerService.optional().describe("Service that writes outputs to the Butler. Default: none."),
    publication: publication.optional().describe("Service that publishes what the Butler took. Default: none."),
  })
  .superRefine(addClusterFaults)
  .superRefine((value, context) => {
    const { topics, users, outputTopic, ingestionEventTopic, writerService: writer, publication: publisher } = value;
    for (const [key, name] of Object.entries({ outputTopic, ingestionEventTopic }))
      if (!Object.hasOwn(topics, name))
        context.addIssue({ code: "custom", path: [key], message: `is "${name}", none of topics` });
    for (const [key, one] of Object.entries({ writerService: writer, publication: publisher }))
      if (one !== undefined && !Object.hasOwn(users, one.user))
        context.addIssue({ code: "custom", path: [key, "user"], message: `is "${one.user}", none of users` });
  })
  .describe("Kafka cluster `prompt-kafka`: outputs of pipelines for the central Butler.");

/** Alerts for brokers outside. */
export const alertStreamSchema = z
  .strictObject(clusterShape("sasquatch"))
  .superRefine(addClusterFaults)
  .describe("Kafka cluster `sasquatch` of the environment: alerts, and the brokers that read them.");

export type FileNotificationsConfig = z.output<typeof fileNotificationsSchema>;
export type OutputsKafkaConfig = z.output<typeof outputsKafkaSchema>;
export type AlertStreamConfig = z.output<typeof alertStreamSchema>;
export type PromptTopic = z.output<typeof topic>;
export type PromptKafkaUser = z.output<typeof user>;
