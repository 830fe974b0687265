import { z } from "zod";
import { imageTag, resources } from "../field";
import { heapFaults, type KafkaClusterConfig } from "../kafka";

/** What stands around Kafka: registries, REST, bridge, Connect, Telegraf, and how a mirror connects. */

const image = z
  .string()
  .regex(/^[\w./-]+(:[\w][\w.-]*)?@sha256:[0-9a-f]{64}$|^[\w./-]+:(?!latest$|main$|master$)[\w][\w.-]*$/, {
    message: "must be an image with a fixed tag or a digest: latest and names of branches move",
  });

const replicas = (count: number) => z.int().min(1).max(32).default(count).describe("Pods.");

/** With a heap and a limit that fit each other. */
function heaped<Shape extends { heapMi: z.ZodType; limits: z.ZodType }>(shape: Shape) {
  return z.strictObject(shape).superRefine((value, context) => {
    for (const [path, message] of heapFaults([], value as never)) context.addIssue({ code: "custom", path, message });
  });
}

const compatibilities = ["BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE"];

export const registrySchema = heaped({
  tag: imageTag.default("8.3.1").describe("Tag of confluentinc/cp-schema-registry."),
  url: z
    .url()
    .optional()
    .describe("A registry that something else runs, instead of one that is declared; for kafka.kind external."),
  replicas: replicas(3),
  compatibility: z
    .enum(compatibilities, `must be one of ${compatibilities.join(", ")}; NONE would let a producer break every reader`)
    .default("FORWARD")
    .describe("What a new version of a schema must be: FORWARD = readers of the old one can read the new one."),
  anonymousReads: z
    .boolean()
    .default(false)
    .describe("Let users on the allow list read schemas without login. Writing always needs the scope."),
  heapMi: z.int().min(256).default(512).describe("Java heap, MiB."),
  ...resources({ requests: { cpu: "100m", memory: "1Gi" }, limits: { cpu: "1", memory: "2Gi" } }),
}).describe("Schema registry; each mirrored environment has a second one that only reads.");

export const restSchema = heaped({
  tag: imageTag.default("8.3.1").describe("Tag of confluentinc/cp-kafka-rest."),
  replicas: replicas(3),
  heapMi: z.int().min(256).default(2048).describe("Java heap, MiB; at most three quarters of the memory limit."),
  ...resources({ requests: { cpu: "500m", memory: "2Gi" }, limits: { cpu: "2", memory: "4Gi" } }),
}).describe(
  "Confluent's REST proxy: JSON and Avro over HTTP, with login. It writes for the clients that name `rest-proxy` among their writers.",
);

export const bridgeSchema = heaped({
  replicas: replicas(1),
  heapMi: z.int().min(128).default(512).describe("Java heap, MiB."),
  ...resources({ requests: { cpu: "200m", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } }),
}).describe(
  "Strimzi's bridge: another way to produce over HTTP, with login. It writes for the clients that name `bridge` among their writers.",
);

export const connectSchema = heaped({
  image: image
    .default("ghcr.io/lsst-sqre/strimzi-1.2.0-kafka-4.2.1:1.0.0")
    .describe("Strimzi's Kafka image of the same version with the plugins of the sinks."),
  replicas: replicas(3),
  requestTimeoutSeconds: z.int().min(10).default(60).describe("Longest request to a broker, seconds."),
  heapMi: z.int().min(512).default(4096).describe("Java heap, MiB."),
  ...resources({ requests: { cpu: "2", memory: "6Gi" }, limits: { cpu: "4", memory: "8Gi" } }),
}).describe("Kafka Connect, for clients with sink influxdb-sink or jdbc. Default: where a client needs it.");

export const telegrafSchema = z
  .strictObject({
    tag: imageTag.default("1.36.3").describe("Tag of the image telegraf."),
    ...resources({ requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "4", memory: "4Gi" } }),
  })
  .describe("Telegraf, for clients with sink telegraf.");

/** How a mirror reaches the other environment's Kafka. */
export const mirrorConnection = {
  user: z
    .string()
    .default("replicator")
    .describe("Kafka user of this environment over there: it only reads and describes."),
  passwordField: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .describe("Field of `secrets.path` with that user's password. Default: `<alias>-replicator-password`."),
  caField: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .describe(
      "Field of `secrets.path` with the authority that signed its brokers' certificates (PEM). Default: a public one.",
    ),
  tasks: z.int().min(1).max(1000).default(128).describe("Tasks that share the partitions."),
  requestTimeoutSeconds: z.int().min(10).default(120).describe("Longest request to a broker, seconds."),
};

export const mirrorMakerSchema = heaped({
  replicas: replicas(3),
  heapMi: z.int().min(512).default(2048).describe("Java heap, MiB."),
  ...resources({ requests: { cpu: "500m", memory: "2Gi" }, limits: { cpu: "2", memory: "4Gi" } }),
}).describe("MirrorMaker 2, which carries all mirrors of the environment.");

/** Where settings of Kafka and of what stands around it contradict each other. */
export function kafkaFaults(environment: {
  readonly kafka: KafkaClusterConfig;
  readonly registry: RegistryConfig;
  readonly connect: ConnectConfig;
  readonly mirrors: Readonly<Record<string, { readonly requestTimeoutSeconds: number }>>;
  readonly rest?: unknown;
  readonly bridge?: unknown;
}): [string[], string][] {
  const { kafka, registry, connect, mirrors } = environment;
  const faults: [string[], string][] = [];
  const isExternal = kafka.kind === "external";
  if (isExternal && registry.url === undefined)
    faults.push([["registry", "url"], "is missing: with kafka.kind external no registry is declared"]);
  if (!isExternal && registry.url !== undefined)
    faults.push([["registry", "url"], "is of no use: the registry of a declared Kafka is declared too"]);
  for (const part of ["rest", "bridge"] as const)
    if (isExternal && environment[part] !== undefined)
      faults.push([[part], "needs a declared Kafka, for its user. Leave it out with kafka.kind external"]);
  for (const alias of isExternal ? Object.keys(mirrors) : [])
    faults.push([["mirrors", alias], "needs a declared Kafka to mirror to. Leave it out with kafka.kind external"]);
  // A request that waits longer than a copy may be behind is answered by a broker that is leader no more.
  const limit = kafka.replicaLagTimeMaxSeconds;
  const waits: [string[], number][] = [
    [["connect", "requestTimeoutSeconds"], connect.requestTimeoutSeconds],
    ...Object.entries(mirrors).map(([alias, mirror]): [string[], number] => [
      ["mirrors", alias, "requestTimeoutSeconds"],
      mirror.requestTimeoutSeconds,
    ]),
  ];
  for (const [path, seconds] of waits)
    if (seconds > limit)
      faults.push([path, `is ${seconds}, above kafka.replicaLagTimeMaxSeconds (${limit}). Lower it, or raise that`]);
  return faults;
}

export type RegistryConfig = z.output<typeof registrySchema>;
export type RestConfig = z.output<typeof restSchema>;
export type BridgeConfig = z.output<typeof bridgeSchema>;
export type ConnectConfig = z.output<typeof connectSchema>;
