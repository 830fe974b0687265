import { z } from "zod";
import { address, imageTag, objectName, resources, schedule, vaultPath, volume } from "./field";

/**
 * Embargo ingest: what its environments share is a default here, once; what differs is in `Pulumi.<stack>.yaml`.
 */

const image = z
  .enum(["usdf", "upstream"])
  .describe(
    "Whose image runs: usdf = ours, at the version of this checkout; upstream = lsst-dm/embargo-butler-* at upstreamTag. " +
      "The nearest wins: workload, environment, system. Take an environment over with `upstream` first (today's program under " +
      "this declaration, nothing else changes), switch it to `usdf` after; the tags stay, so going back is the same edit.",
  );

const adopting = z
  .boolean()
  .describe(
    "While an environment that kustomize made is taken over: its pods and their network stay as the cluster has them; all else " +
      "is declared. Taking it away rolls the pods to what is declared. The nearest wins: workload, environment. See docs/takeover.md.",
  );

/** What each of our workloads can be told. */
const workload = {
  image: image.optional(),
  adopting: adopting.optional(),
  upstreamTag: imageTag.optional().describe("Tag of today's upstream image, kept for take-over and for going back."),
  imagePullPolicy: z
    .enum(["Always", "IfNotPresent"])
    .default("IfNotPresent")
    .describe("Always where upstreamTag moves, as tags of a branch do."),
};

const service = z.strictObject({
  pool: z.string().default("sdf-services").describe("MetalLB pool that the address comes from."),
  address: address.optional().describe("Fixed address of that pool. Default: the next free one."),
  sources: z
    .array(z.cidrv4("must be a network such as 172.24.0.0/16"))
    .optional()
    .describe("Networks that may connect. Default: every network that reaches the address."),
});

const webhookService = service.describe("The load balancer in front of it, port 8080.");

const kafka = z.strictObject({
  cluster: z
    .string()
    .regex(/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/, "must be host:port,…")
    .describe("Bootstrap servers, `host:port,…`."),
  topic: z.string().describe("Topic of the bucket notifications; also the name of the Ceph topic that feeds it."),
  group: z.string().default("embargo-butler-enqueue").describe("Consumer group."),
  offsetReset: z
    .enum(["earliest", "latest"])
    .default("earliest")
    .describe("Where a group without offsets starts. `earliest` repeats what was queued already, which is harmless."),
});

const rucio = z.strictObject({
  rse: z.string().describe("Storage element that files are registered at."),
  dtn: z.string().describe("URL prefix of that storage element, with a slash at the end."),
  scope: z.string().describe("Scope of the file names."),
  account: z.string().describe("Account that registers."),
  host: z.url().describe("Server of Rucio and of its authentication."),
});

const enqueue = z.strictObject({
  ...workload,
  replicas: z.int().min(1).default(1).describe("Pods."),
  ...resources({ requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } }),
  kafka: kafka.optional().describe("Read notifications from Kafka. Without it, enqueue is a webhook behind `service`."),
  service: webhookService.prefault({}),
  datasetRegexp: z
    .string()
    .optional()
    .describe("Object paths to queue, searched for in `[profile@]bucket/key`. Default: the program's, `fits$`."),
  allowEmptySecret: z
    .boolean()
    .default(false)
    .describe("Webhook: take notifications without a secret, from anyone who reaches the port."),
});

const ingest = z.strictObject({
  ...workload,
  name: objectName.default("ingest").describe("Name after the prefix, and label `app`."),
  replicas: z.int().min(1).default(1).describe("Pods."),
  ...resources({ requests: { cpu: "250m", memory: "512Mi" }, limits: { cpu: "1", memory: "2Gi" } }),
  maxIngests: z.int().min(1).default(10).describe("Files that one pod works on at a time."),
  webhookUri: z.url().optional().describe("Called after ingest with the exposure and its file names."),
  runAsGroup: z.int().min(1).optional().describe("Group of the process, for shared file systems."),
  volumes: z.record(objectName, volume).default({}).describe("Claims, by name, that are made and mounted."),
  dbAuth: z.boolean().default(true).describe("Give the pods db-auth.yaml, the passwords of Butler registries."),
  butlerCreate: z
    .boolean()
    .default(false)
    .describe("Make a Butler repository at butlerRepo where there is none. One pod only where that is SQLite."),
  butlerRegistryUrl: z
    .string()
    .regex(
      /^postgresql(\+\w+)?:\/\/[^:@/]+(:\d+)?\/\w+$/,
      "must be postgresql+psycopg://host[:port]/database, without a user",
    )
    .optional()
    .describe(
      "Registry of a repository that butlerCreate makes; db-auth.yaml has its password. Default: SQLite in the repository.",
    ),
  rucio: rucio
    .optional()
    .describe("Register files with Rucio. Only upstream images below 1.4 can; needs `image: upstream`."),
  egressPorts: z
    .array(z.int().min(1).max(65535))
    .default([443, 5432])
    .describe("TCP ports outside the cluster that ingest and reconcile may connect to: object store, Butler registry."),
});

const idle = z.strictObject({
  ...workload,
  replicas: z.int().min(1).default(1).describe("Pods."),
  ...resources({ requests: { cpu: "50m", memory: "96Mi" }, limits: { cpu: "100m", memory: "256Mi" } }),
});

const presence = z.strictObject({
  ...workload,
  replicas: z.int().min(1).default(1).describe("Pods."),
  ...resources({ requests: { cpu: "100m", memory: "96Mi" }, limits: { cpu: "250m", memory: "256Mi" } }),
  service: webhookService.prefault({}),
});

const reconcile = z.strictObject({
  schedule: schedule.default("17 * * * *").describe("When the bucket is compared with what was ingested (UTC)."),
  suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
  lookbackDays: z.int().min(0).default(3).describe("Days of observation looked at, the current one included; 0: all."),
  ...resources({ requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "1Gi" } }),
});

const redis = z.strictObject({
  adopting: adopting.optional(),
  tag: imageTag.default("7.4.4").describe("Tag of the Redis image."),
  maxMemoryMi: z
    .int()
    .min(64)
    .default(2048)
    .describe(
      "Data that Redis may hold, in MiB; past it writes are refused, nothing is evicted. The pod's limit is 1.5 times that.",
    ),
  ...{
    requests: resources({ requests: { cpu: "100m", memory: "1Gi" }, limits: { cpu: "1", memory: "3Gi" } }).requests,
  },
  storageClass: z.string().default("wekafs--sdf-k8s01").describe("Storage class of the data volume, when it is made."),
  size: z.string().default("10Gi").describe("Size of the data volume, when it is made."),
  service: service.optional().describe("Show Redis on a load balancer, port 6379. Default: only inside the cluster."),
});

const secrets = z.strictObject({
  path: vaultPath
    .optional()
    .describe("Vault path of the environment's own secrets. Default: secret/rubin/usdf-embargo-dmz/<environment>."),
  s3Path: vaultPath
    .optional()
    .describe(
      "Vault path of access_key and secret_key, for an environment without profile. " +
        "Default: secret/rubin/embargo/read/rubin-summit-users.",
    ),
  dbAuthPath: vaultPath
    .optional()
    .describe("Vault path of db-auth.yaml. Default: secret/rubin/usdf-butler/client-config, or `path` with a profile."),
  postgresPath: vaultPath
    .default("secret/rubin/usdf-butler/postgres")
    .describe(
      "Vault path of username and password of the registry; only pods of upstream images before profiles get it.",
    ),
});

export const embargoEnvironmentSchema = z.strictObject({
  kubeContext: z.string().optional().describe("Context of the kubeconfig. Default: the system's."),
  image: image.optional(),
  adopting: adopting.default(false),
  namespace: objectName.optional().describe("Namespace. Default: the name of the environment."),
  namePrefix: objectName.default("embargo-butler").describe("What names of Deployments and Services start with."),
  site: z.string().optional().describe("Label `site` of the pods. Default: the name of the environment."),
  bucket: z.string().describe("Bucket to ingest, without profile; a tenant stands before it (`rubin:bucket`)."),
  profile: z
    .string()
    .regex(/^[\w-]+$/, "must be letters, digits, _ and -")
    .optional()
    .describe(
      "S3 profile: names become `profile@bucket`, and endpoint and keys come from the secret's field `profile` as a URL.",
    ),
  s3EndpointUrl: z
    .url()
    .default("https://s3dfrgw.slac.stanford.edu")
    .describe("Object store of an environment without profile."),
  butlerRepo: z.string().describe("Butler repository that is ingested into."),
  secrets: secrets.prefault({}).describe("Where the environment's secrets are in Vault."),
  redis: redis.prefault({}).describe("The Redis that holds the queues."),
  enqueue: enqueue.prefault({}).describe("Receives bucket notifications."),
  ingest: ingest.prefault({}).describe("Ingests into the Butler."),
  idle: idle.prefault({}).describe("Gives back work of lost pods; publishes the state of Redis."),
  presence: presence.optional().describe("Tells clients which images have arrived. Default: none."),
  reconcile: reconcile.prefault({}).describe("Finds what notifications missed. Runs where ingest is our image."),
});

export const embargoSchema = z
  .strictObject({
    kubeContext: z
      .string()
      .optional()
      .describe("Context of the kubeconfig that every environment is in, unless it names its own."),
    image: image.default("usdf"),
    environments: z.record(objectName, embargoEnvironmentSchema).describe("Environments by name."),
  })
  .superRefine((embargo, context) => {
    for (const [name, environment] of Object.entries(embargo.environments)) {
      for (const { path, message } of environmentFaults(environment, embargo)) {
        context.addIssue({ code: "custom", path: ["environments", name, ...path], message });
      }
      const neighbour = Object.entries(embargo.environments).find(
        ([other, { namespace = other, kubeContext = embargo.kubeContext }]) =>
          other < name &&
          namespace === (environment.namespace ?? name) &&
          kubeContext === (environment.kubeContext ?? embargo.kubeContext),
      );
      if (neighbour !== undefined) {
        const message = `is also the namespace of ${neighbour[0]}: pods and the Redis of both would mix. Give each its own`;
        context.addIssue({ code: "custom", path: ["environments", name, "namespace"], message });
      }
    }
  })
  .describe("Embargo ingest: from an object in Ceph to a dataset in the Butler.");

/** Context of the kubeconfig that an environment's cluster is reached by. */
export function kubeContextOf(environment: EmbargoEnvironment, embargo: { kubeContext?: string }): string {
  return (environment.kubeContext ?? embargo.kubeContext)!; // the schema refuses an environment without
}

/** Whether the pods of a part stay as the cluster has them: the nearest setting wins. A part that is new never does. */
export function isAdopting(part: string, environment: EmbargoEnvironment): boolean {
  if (!isAdoptable(part)) return false;
  return environment[part]?.adopting ?? environment.adopting;
}

const adoptable = ["enqueue", "ingest", "idle", "presence", "redis"] as const;
const isAdoptable = (part: string): part is (typeof adoptable)[number] => adoptable.some((one) => one === part);

/** Whose image a workload of an environment runs: the nearest setting wins. */
export function imageOf(
  workload: "enqueue" | "ingest" | "idle" | "presence",
  environment: EmbargoEnvironment,
  embargo: { image: "usdf" | "upstream" },
): "usdf" | "upstream" {
  return environment[workload]?.image ?? environment.image ?? embargo.image;
}

/** What no single field shows: combinations that cannot work. */
function environmentFaults(
  environment: EmbargoEnvironment,
  embargo: { image: "usdf" | "upstream"; kubeContext?: string },
): { path: string[]; message: string }[] {
  const faults: { path: string[]; message: string }[] = [];
  const fault = (path: string, message: string) => faults.push({ path: path.split("."), message });
  const { ingest } = environment;
  if (environment.kubeContext === undefined && embargo.kubeContext === undefined)
    fault("kubeContext", "is missing: name it here, or for every environment in kubeContext of the system");
  for (const name of ["enqueue", "ingest", "idle", "presence"] as const) {
    const settings = environment[name];
    if (settings !== undefined && isAdopting(name, environment) && imageOf(name, environment, embargo) === "usdf")
      fault(
        `${name}.adopting`,
        "needs image upstream: the pods that stay are upstream's. Set image, or take adopting away",
      );
    if (settings === undefined || settings.upstreamTag !== undefined) continue;
    if (imageOf(name, environment, embargo) === "upstream")
      fault(`${name}.upstreamTag`, "is missing: the upstream image is asked for, but no tag says which");
  }
  if (ingest.rucio !== undefined && imageOf("ingest", environment, embargo) === "usdf")
    fault("ingest.rucio", "needs ingest.image upstream: ours does not speak to Rucio");
  if (imageOf("idle", environment, embargo) === "upstream" && imageOf("ingest", environment, embargo) === "usdf")
    fault("idle.image", "is upstream while ingest is ours: that idle takes work from live pods. Switch idle first");
  if (ingest.butlerCreate && ingest.butlerRegistryUrl === undefined && ingest.replicas > 1)
    fault("ingest.replicas", "must be 1 with butlerCreate: an SQLite repository has one writer");
  if (ingest.butlerRegistryUrl !== undefined && !(ingest.butlerCreate && ingest.dbAuth))
    fault("ingest.butlerRegistryUrl", "is only for butlerCreate, and needs dbAuth: its password is in db-auth.yaml");
  return faults;
}

export type EmbargoConfig = z.output<typeof embargoSchema>;
export type EmbargoEnvironment = z.output<typeof embargoEnvironmentSchema>;
export type LoadBalancer = z.output<typeof service>;
