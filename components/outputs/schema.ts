import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

/**
 * Form of the outputs. It grows when an output is taken away, renamed or means something else; a new output is none of
 * these, so readers ignore what they do not know.
 */
export const outputsVersion = 1;

const images = z.object({
  enqueue: z.string().describe("Image of enqueue."),
  ingest: z.string().describe("Image of ingest; reconcile runs it too where it is ours."),
  idle: z.string().describe("Image of idle."),
  presence: z.string().optional().describe("Image of presence. Absent without presence."),
  redis: z.string().describe("Image of Redis."),
});

const environment = z.object({
  kubeContext: z.string().describe("Context of the kubeconfig whose cluster it is in."),
  namespace: z.string().describe("Its namespace."),
  bucket: z.string().describe("What it ingests, as Redis and the Butler name it: `[profile@]bucket`."),
  enqueueUrl: z.url().describe("What a topic pushes to: URL of the webhook, or `kafka://` and the brokers."),
  presenceUrl: z
    .url()
    .optional()
    .describe("What clients put before `/<instrument>/<group>/<snap>/<detector>`. Absent without presence."),
  redisEndpoint: z.string().describe("`host:port` of Redis; outside the cluster only where it has a load balancer."),
  images: images.describe("Images that its pods run, with tag or digest."),
});

const topic = z.object({
  arn: z.string().startsWith("arn:").describe("ARN of the topic, for notifications of other buckets."),
  environment: z.string().optional().describe("Environment of embargo that it feeds. Absent for any other receiver."),
});

const gateway = z.object({
  url: z.url().describe("URL of the gateway."),
  topics: z.record(z.string(), topic).describe("Topics of this stack by name."),
});

const efdEnvironment = z.object({
  kubeContext: z.string().describe("Context of the kubeconfig whose cluster it is in."),
  namespace: z.string().describe("Its namespace."),
  instrument: z.string().describe("Whose telemetry it summarises, as the Butler names it."),
  cronJob: z.string().describe("CronJob that summarises what was newly observed."),
  failureMonitor: z.string().describe("CronJob that tries again what failed."),
  backfills: z
    .record(z.string(), z.string())
    .describe("Spans of the past: suspended CronJobs from which `kubectl create job --from` starts a Job, by name."),
  queueTable: z.string().describe("Table of its tasks in the consolidated database."),
  schema: z.string().describe("Schema of its results in the consolidated database."),
  image: z.string().describe("Image that its pods run, with tag or digest."),
});

const sasquatchEnvironment = z.object({
  kubeContext: z.string().describe("Context of the kubeconfig whose cluster it is in."),
  namespace: z.string().describe("Its namespace."),
  kafka: z
    .object({
      version: z.string().optional().describe("Version of Kafka. Absent where something else runs it."),
      bootstrapServers: z.string().describe("For clients in the cluster with a certificate: `host:port,…`."),
      externalBootstrapServers: z
        .string()
        .optional()
        .describe(
          "For clients outside, with password over TLS. Absent where there is none, or its address is the pool's choice.",
        ),
    })
    .describe("How clients reach Kafka."),
  registries: z
    .record(z.string(), z.string())
    .describe("URLs of schema registries in the cluster: `local`, and by alias those of mirrored environments."),
  externalRegistries: z
    .record(z.string(), z.string())
    .describe("The same for readers on the allow list. Absent names are not shown outside."),
  influxdbUrl: z.string().describe("URL of InfluxDB in the cluster."),
  externalUrls: z
    .record(z.string(), z.string())
    .describe(
      "URLs for users on the allow list: `influxdb`, `influxdb-standby`, `chronograf`. Absent ones are not shown.",
    ),
  restUrl: z.string().optional().describe("URL of the REST proxy for users on the allow list. Absent without it."),
  bridgeUrl: z.string().optional().describe("URL of the Kafka bridge for users on the allow list. Absent without it."),
  mirrors: z.array(z.string()).describe("Environments whose topics are mirrored here."),
  connectors: z.array(z.string()).describe("Names of its connectors; consumer groups are `connector-<name>`."),
  image: z.string().describe("Image that its pods of ours run, with tag or digest."),
});

const promptService = z.object({
  namespace: z.string().describe("Its namespace."),
  driver: z.enum(["gateway", "upstream"]).describe("Who takes visits: our gateway, or the image's own program."),
  platform: z.enum(["keda", "knative"]).describe("Jobs that read a stream, or a service that gets requests."),
  stream: z.string().describe("Redis stream of its visits."),
  consumerGroup: z.string().describe("Consumer group of its workers in it."),
  url: z.url().optional().describe("Where visits are posted. Absent with a stream."),
  rawTopic: z.string().describe("Topic of the notifications of its raws."),
  imageBucket: z.string().describe("Bucket of its raws."),
  s3EndpointUrl: z.url().describe("Object store of that bucket."),
  centralRepo: z.string().describe("Butler repository that it writes."),
  image: z.string().describe("Image of the pipelines, with tag."),
});

const promptEnvironment = z.object({
  kubeContext: z.string().describe("Context of the kubeconfig whose cluster it is in."),
  host: z.string().describe("Host that users reach it by."),
  redisEndpoint: z.string().describe("`host:port` of Redis inside the cluster."),
  nextVisitTopic: z.string().describe("Topic of the next_visit events that it takes."),
  services: z.record(z.string(), promptService).describe("Prompt services by instrument."),
  image: z.string().describe("Image that its pods of ours run, with tag or digest."),
});

/** Outputs of a stack: what other programs may rely on. None is a secret. */
export const stackOutputsSchema = z.object({
  apiVersion: z.literal(outputsVersion).describe("Form of these outputs; other forms are not readable as this one."),
  versions: z
    .object({ usdf: z.string().describe("Version of this project that the stack was last brought up with.") })
    .describe("What the stack was made by."),
  embargo: z.record(z.string(), environment).describe("Environments of embargo ingest by name."),
  efd: z
    .record(z.string(), efdEnvironment)
    .default({})
    .describe("Environments of the transformed EFD by name. Absent from stacks of earlier versions."),
  sasquatch: z
    .record(z.string(), sasquatchEnvironment)
    .default({})
    .describe("Environments of Sasquatch by name. Absent from stacks of earlier versions."),
  prompt: z
    .record(z.string(), promptEnvironment)
    .default({})
    .describe("Environments of Prompt Processing by name. Absent from stacks of earlier versions."),
  ceph: z.record(z.string(), gateway).describe("Ceph object gateways by the name that the configuration gives them."),
});

export type EnvironmentOutputs = z.output<typeof environment>;
export type EfdEnvironmentOutputs = z.output<typeof efdEnvironment>;
export type SasquatchEnvironmentOutputs = z.output<typeof sasquatchEnvironment>;
export type PromptEnvironmentOutputs = z.output<typeof promptEnvironment>;
export type StackOutputs = z.output<typeof stackOutputsSchema>;

/** The same while the engine still works it out. */
export type Outputs<T = StackOutputs> = T extends object ? { [Name in keyof T]: Outputs<T[Name]> } : pulumi.Input<T>;
