import { z } from "zod";
import { address, objectName, resources } from "./field";

/** A Kafka cluster: one that Strimzi runs, or one that something else runs. */

/** Kafka versions that an operator runs; it refuses others. */
export const kafkaVersions: Readonly<Record<string, readonly string[]>> = {
  "0.51": ["4.1.0", "4.1.1", "4.1.2", "4.2.0"],
  "1.1": ["4.2.0", "4.2.1", "4.3.0"],
  "1.2": ["4.2.0", "4.2.1", "4.3.0", "4.3.1"],
};

export const storageSize = z.string().regex(/^\d+(\.\d+)?(Gi|Ti)$/, 'must be a size such as "500Gi" or "1.5Ti"');
const hostName = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, "must be a host name");
const nodeId = z.int().min(0).max(10_000);

/** Where pods may run. */
const placement = {
  nodeSelector: z.record(z.string(), z.string()).optional().describe("Labels that its nodes have. Default: any node."),
  taint: z.string().optional().describe("Key of the taint that keeps other pods off those nodes. Default: none."),
  nodes: z.array(z.string()).min(1).optional().describe("Names of the nodes, where only these will do. Default: any."),
};

type Size = Parameters<typeof resources>[0];
const pool = (ids: readonly number[], size: string, amounts: Size) =>
  z.strictObject({
    ids: z
      .array(nodeId)
      .min(1)
      .default([...ids])
      .describe("Ids of its nodes, one a pod; no two nodes of the cluster have the same."),
    size: storageSize.default(size).describe("Size of each node's volume."),
    storageClass: z.string().optional().describe("Storage class of the volumes. Default: that of the cluster."),
    heapMi: z
      .int()
      .min(256)
      .optional()
      .describe("Java heap of each node, MiB; at most three quarters of the memory limit. Default: the operator's."),
    volumeLabels: z
      .record(z.string(), z.string())
      .optional()
      .describe("Labels of the volumes, e.g. for a backup. Default: none."),
    ...placement,
    ...resources(amounts),
  });

const brokerPool = pool([0, 1, 2], "1.5Ti", {
  requests: { cpu: "1", memory: "4Gi" },
  limits: { cpu: "2", memory: "8Gi" },
});

const balancer = {
  address: address.optional().describe("Address that the load balancer gives it. Default: any of the pool."),
  host: hostName.optional().describe("Host name that clients reach it by, for its certificate. Default: its address."),
};

const places = {
  pool: z.string().optional().describe("Address pool of MetalLB. Default: the cluster's."),
  bootstrap: z.strictObject(balancer).prefault({}).describe("Where clients ask first."),
  brokers: z
    .record(z.string().regex(/^\d+$/, "must be the id of a broker"), z.strictObject(balancer))
    .default({})
    .describe("Addresses of single brokers, by node id; all brokers or none. Default: any of the pool."),
  issuer: z
    .string()
    .optional()
    .describe(
      "ClusterIssuer of cert-manager for the certificate; needs every host. Default: the cluster's own authority.",
    ),
};

const external = z.strictObject({
  tls: z
    .literal(true, "must be true: passwords and data leave the cluster here")
    .default(true)
    .describe("Always; a listener in plain text is refused."),
  ...places,
});

/** The external listener of a cluster that may be, for a written reason, less safe than it should. */
export const excusableExternal = z.strictObject({
  ...places,
  exception: z
    .strictObject({
      reason: z.string().min(20).describe("Who cannot do better, and until when."),
      anonymous: z
        .boolean()
        .default(false)
        .describe("Nor does it ask for a password; then the whole cluster has no rights, as nobody is known."),
    })
    .optional()
    .describe("The listener has no TLS. Default: TLS and password."),
});

/** Settings that have a place of their own here, or that the operator keeps to itself; twice would be a contradiction. */
const ownSettings: Readonly<Record<string, string>> = {
  "log.retention.ms": "retentionMinutes",
  "log.retention.minutes": "retentionMinutes",
  "log.retention.hours": "retentionMinutes",
  "log.retention.bytes": "retentionMinutes (bytes would be of each partition, and no limit of a disk)",
  "offsets.retention.minutes": "retentionMinutes",
  "message.max.bytes": "maxMessageBytes",
  "replica.fetch.max.bytes": "maxMessageBytes",
  "default.replication.factor": "replication",
  "offsets.topic.replication.factor": "replication",
  "transaction.state.log.replication.factor": "replication",
  "transaction.state.log.min.isr": "replication",
  "min.insync.replicas": "replication",
  "log.message.timestamp.type": "logAppendTime",
  "auto.create.topics.enable": "autoCreateTopics",
  "replica.lag.time.max.ms": "replicaLagTimeMaxSeconds",
};

/** What a cluster can be told, but for its external listener. */
export const kafkaCluster = z.strictObject({
  kind: z
    .enum(["strimzi", "external"])
    .default("strimzi")
    .describe("strimzi = a cluster that is declared here; external = brokers that something else runs."),
  brokerList: z
    .array(z.string().regex(/^[\w.-]+:\d{1,5}$/, "must be host:port"))
    .min(1)
    .optional()
    .describe("external: bootstrap servers, in plain text and without users: for one machine."),
  operator: z
    .enum(["0.51", "1.1", "1.2"])
    .default("1.2")
    .describe("Version of the Strimzi operator; it tells which versions of Kafka there are."),
  version: z.string().default("4.2.1").describe("Version of Kafka: one that the operator runs."),
  metadataVersion: z
    .string()
    .regex(/^\d+\.\d+(-IV\d+)?$/, 'must be a metadata version such as "4.2"')
    .optional()
    .describe("While Kafka is upgraded: that of the version before. Default: that of `version`."),
  controllers: pool([3, 4, 5], "20Gi", {
    requests: { cpu: "500m", memory: "2Gi" },
    limits: { cpu: "1", memory: "4Gi" },
  })
    .prefault({})
    .describe("Nodes that keep the cluster's metadata."),
  brokers: z
    .record(objectName, brokerPool)
    .prefault({ kafka: {} })
    .describe("Pools of nodes that keep the data, by name. A second one takes over when brokers move."),
  leaving: z
    .array(nodeId)
    .default([])
    .describe(
      "Brokers that all data is moved away from, by a KafkaRebalance that needs no approval; they are taken out afterwards.",
    ),
  replication: z.int().min(1).default(3).describe("Copies of each partition, of which all but one must be in step."),
  retentionMinutes: z
    .int()
    .min(60)
    .default(4320)
    .describe("How long records and offsets are kept where a topic says nothing else, minutes."),
  offsetsRetentionMinutes: z
    .int()
    .min(60)
    .optional()
    .describe(
      "How long the offsets of a group without members are kept; not below retentionMinutes. Default: the same.",
    ),
  maxMessageBytes: z
    .int()
    .min(1_048_576)
    .default(10_485_760)
    .describe("Largest record batch; brokers copy and mirrors carry as much."),
  replicaLagTimeMaxSeconds: z
    .int()
    .min(10)
    .default(120)
    .describe(
      "How long a copy may be behind and count as in step, seconds; not below the request timeout of mirrors and Connect.",
    ),
  logAppendTime: z.boolean().default(false).describe("Records have the broker's time instead of the producer's."),
  autoCreateTopics: z
    .boolean()
    .default(false)
    .describe("Whether a topic is made by whoever first asks for it. SAL producers make theirs by themselves."),
  config: z
    .record(z.string(), z.union([z.string(), z.int(), z.boolean()]))
    .default({})
    .describe("Other settings of the brokers. Default: none."),
  plain: z
    .boolean()
    .default(false)
    .describe("Offer port 9092 without TLS inside the cluster, for clients that cannot do better."),
  clientNamespaces: z.array(objectName).default([]).describe("Other namespaces whose pods may connect. Default: none."),
  exporter: z.boolean().default(true).describe("Publish the lag of consumer groups, which alerts are made of."),
  cruiseControl: z.boolean().default(false).describe("Run Cruise Control, which moves partitions between brokers."),
  maintenanceWindows: z
    .array(z.string().regex(/^(\S+ ){5}\S+$/, "must have the six fields of a Quartz cron expression"))
    .default(["0 0 12-13 ? * *"])
    .describe("When certificates are renewed, which restarts brokers (UTC)."),
  paused: z.boolean().default(false).describe("Let the operator change nothing, for a shut-down by hand."),
});

export const kafkaSchema = z
  .strictObject({
    ...kafkaCluster.shape,
    external: external
      .optional()
      .describe("Load balancers for clients outside the cluster, port 9094, with password. Default: none."),
  })
  .superRefine(addKafkaFaults)
  .describe("Kafka cluster `sasquatch`.");

/** Settings of any cluster; what its kind of listener does not have is left out. */
export type KafkaClusterConfig = z.output<typeof kafkaCluster> & { external?: z.output<typeof excusableExternal> };
export type KafkaPoolConfig = KafkaClusterConfig["controllers"];

/** Tells what contradicts itself in the settings of a cluster. */
export function addKafkaFaults(kafka: KafkaClusterConfig, context: z.RefinementCtx): void {
  for (const [path, message] of kafka.kind === "external" ? externalFaults(kafka) : clusterFaults(kafka))
    context.addIssue({ code: "custom", path, message });
}

type Fault = [(string | number)[], string];

/** Ids of all brokers. */
export const brokerIds = ({ brokers }: Pick<KafkaClusterConfig, "brokers">): number[] =>
  Object.values(brokers).flatMap(({ ids }) => ids);

function externalFaults(kafka: KafkaClusterConfig): Fault[] {
  return kafka.brokerList === undefined
    ? [[["brokerList"], "is missing: kind external needs the bootstrap servers"]]
    : [];
}

function clusterFaults(kafka: KafkaClusterConfig): Fault[] {
  const faults: Fault[] = [];
  const { operator, version, metadataVersion, replication, leaving, retentionMinutes } = kafka;
  if (kafka.brokerList)
    faults.push([["brokerList"], "is of no use with kind strimzi: its brokers are those of the pools"]);
  const known = kafkaVersions[operator]!;
  if (!known.includes(version))
    faults.push([["version"], `is ${version}, which operator ${operator} does not run (${known.join(", ")})`]);
  if (metadataVersion !== undefined && !isStepBelow(metadataVersion, version))
    faults.push([
      ["metadataVersion"],
      `is ${metadataVersion}; with Kafka ${version} it must be that version's or the one before. Leave it out once the upgrade is done`,
    ]);
  const ids = brokerIds(kafka);
  const seen = new Map<number, string>();
  const pools: [string[], KafkaPoolConfig][] = [
    [["controllers"], kafka.controllers],
    ...Object.entries(kafka.brokers).map(([name, one]): [string[], KafkaPoolConfig] => [["brokers", name], one]),
  ];
  for (const [path, one] of pools) {
    for (const id of one.ids) {
      const owner = seen.get(id);
      if (owner !== undefined) faults.push([[...path, "ids"], `has ${id}, which ${owner} has too`]);
      seen.set(id, path.join("."));
    }
    faults.push(...heapFaults(path, one));
  }
  if (Object.hasOwn(kafka.brokers, "controller"))
    faults.push([["brokers", "controller"], "is the name of the controllers' pool. Choose another"]);
  const staying = ids.filter((id) => !leaving.includes(id));
  if (replication > staying.length)
    faults.push([["replication"], `is ${replication}, more copies than brokers that stay (${staying.length})`]);
  for (const id of leaving.filter((one) => !ids.includes(one)))
    faults.push([["leaving"], `has ${id}, no broker (${ids.join(", ")})`]);
  if (leaving.length > 0 && !kafka.cruiseControl)
    faults.push([["leaving"], "needs cruiseControl: it is what moves the data"]);
  for (const key of Object.keys(kafka.config).filter((one) => Object.hasOwn(ownSettings, one)))
    faults.push([["config", key], `is set elsewhere. Set ${ownSettings[key]} instead`]);
  if ((kafka.offsetsRetentionMinutes ?? retentionMinutes) < retentionMinutes)
    faults.push([
      ["offsetsRetentionMinutes"],
      `is ${kafka.offsetsRetentionMinutes}, below retentionMinutes (${retentionMinutes}): a consumer that was away would start over, or skip what is still there`,
    ]);
  return [...faults, ...listenerFaults(kafka, ids)];
}

/** Whether a metadata version is that of a Kafka version, or of the minor version before. */
function isStepBelow(metadataVersion: string, version: string): boolean {
  const [major, minor] = metadataVersion.split(/[.-]/).map(Number) as [number, number];
  const [kafkaMajor, kafkaMinor] = version.split(".").map(Number) as [number, number];
  return major === kafkaMajor && (minor === kafkaMinor || minor === kafkaMinor - 1);
}

function listenerFaults({ external }: KafkaClusterConfig, ids: readonly number[]): Fault[] {
  if (external === undefined) return [];
  const faults: Fault[] = [];
  const { bootstrap, brokers, issuer } = external;
  const named = Object.keys(brokers).map(Number);
  for (const id of named.filter((one) => !ids.includes(one)))
    faults.push([["external", "brokers", String(id)], `is no broker (${ids.join(", ")}): the ids follow the pools`]);
  const without = ids.filter((id) => !named.includes(id));
  if (named.length > 0 && without.length > 0)
    faults.push([["external", "brokers"], `leaves out ${without.join(", ")}: name every broker, or none`]);
  const places: [string[], { address?: string; host?: string }][] = [
    [["external", "bootstrap"], bootstrap],
    ...Object.entries(brokers).map(([id, one]): [string[], { address?: string; host?: string }] => [
      ["external", "brokers", id],
      one,
    ]),
  ];
  for (const key of ["address", "host"] as const) {
    const owners = new Map<string, string>();
    for (const [path, place] of places) {
      const value = place[key];
      if (value === undefined) continue;
      const owner = owners.get(value);
      if (owner !== undefined) faults.push([[...path, key], `is ${value}, which ${owner} has too`]);
      owners.set(value, path.join("."));
    }
  }
  const hostless = [
    ...places.filter(([, { host }]) => host === undefined).map(([path]) => path),
    ...(named.length === 0 ? [["external", "brokers"]] : []),
  ];
  if (issuer !== undefined && hostless.length > 0)
    faults.push([
      ["external", "issuer"],
      `needs a host of ${hostless.map((path) => path.slice(1).join(".")).join(", ")}: a public certificate is for names`,
    ]);
  return faults;
}

/** A heap that fills its container leaves no room for the page cache, threads and buffers: the kernel kills it. */
export function heapFaults(
  path: readonly string[],
  { heapMi, limits }: { heapMi?: number; limits: { memory: string } },
): Fault[] {
  const limitMi = mebibytes(limits.memory);
  if (heapMi === undefined || heapMi <= limitMi * 0.75) return [];
  return [
    [
      [...path, "heapMi"],
      `is ${heapMi}, more than three quarters of the memory limit ${limits.memory}. Raise the limit or lower the heap`,
    ],
  ];
}

/** An amount of memory in MiB. */
export function mebibytes(memory: string): number {
  const [, amount = "0", unit = ""] = /^([\d.]+)(Ki|Mi|Gi|Ti)?$/.exec(memory) ?? [];
  return Number(amount) * { "": 2 ** -20, Ki: 2 ** -10, Mi: 1, Gi: 2 ** 10, Ti: 2 ** 20 }[unit]!;
}
