import { z } from "zod";
import { imageTag, objectName, resources, schedule } from "../field";
import { storageSize } from "../kafka";

/** InfluxDB of an environment and what stands around it: Chronograf, Kapacitor, backups, storage classes. */

const path = z
  .string()
  .regex(/^(\/[a-z0-9][a-z0-9-]*)+$/, 'must be a path such as "/influxdb", without / at its end')
  .describe("Path at the host of the environment.");

const amount = (about: string) => z.int().min(0).optional().describe(about);

/** Settings of the server; each edition has its own words for them, and its own defaults. */
const serverSettings = z.strictObject({
  walFsyncDelayMs: amount("How long writes are gathered before the log is synced, ms. Default: 100."),
  cacheMaxMemoryBytes: amount("Size of a shard's cache from which writes are refused; 0 = none. Default: 0."),
  maxSeriesPerDatabase: amount(
    "1 and enterprise: series from which writes that bring new ones are refused; 0 = none. Default: 0; enterprise 10,000,000.",
  ),
  writeTimeoutSeconds: amount("Longest write, seconds. Default: 60."),
  maxConcurrentQueries: amount("Queries at a time; 0 = no limit. Default: 500; enterprise 50; 2: 64."),
  queryTimeoutSeconds: amount("1 and enterprise: longest query, seconds; 0 = no limit. Default: 15; enterprise 180."),
  logQueriesAfterSeconds: amount("1 and enterprise: a query that takes longer is logged; 0 = none. Default: 15."),
  maxSelectPoints: amount("Points that a SELECT may read; 0 = no limit. Default: 0; enterprise 50,000,000."),
  maxSelectSeries: amount("Series that a SELECT may read; 0 = no limit. Default: 0; enterprise 200,000."),
  maxSelectBuckets: amount("GROUP BY time() windows of a SELECT; 0 = no limit. Default: 0; enterprise 20,000."),
  hintedHandoffMaxBytes: amount("enterprise: queue of writes for a node that is away. Default: 100 GiB."),
  antiEntropy: z.boolean().optional().describe("enterprise: repair shards that differ. Default: false."),
});

export type InfluxdbSettings = z.output<typeof serverSettings>;

/** Settings that only some editions have. */
const editionsOf: Partial<Record<keyof InfluxdbSettings, readonly string[]>> = {
  maxSeriesPerDatabase: ["1", "enterprise"],
  queryTimeoutSeconds: ["1", "enterprise"],
  logQueriesAfterSeconds: ["1", "enterprise"],
  hintedHandoffMaxBytes: ["enterprise"],
  antiEntropy: ["enterprise"],
};

/** One server, or the data nodes of one Enterprise cluster. */
const instance = (defaults: { size: string; path: string }) => ({
  path: path.default(defaults.path),
  nodes: z.int().min(1).max(32).default(1).describe("enterprise: data nodes. Other editions have one."),
  size: storageSize.default(defaults.size).describe("Size of each node's volume."),
  storageClass: z.string().optional().describe("Storage class of the volumes. Default: that of the cluster."),
  hosts: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Names of the Kubernetes nodes that they may run on. Default: any."),
  ...resources({ requests: { cpu: "1", memory: "4Gi" }, limits: { cpu: "2", memory: "8Gi" } }),
});

const backup = z.strictObject({
  schedule: schedule.default("0 3 * * *").describe("When (UTC)."),
  suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
  keepDays: z.int().min(1).default(7).describe("How long a backup is kept, days; the newest one is always kept."),
  size: storageSize.default("1Ti").describe("Size of the volume of the backups."),
  storageClass: z.string().describe("Storage class of that volume: not on the disks that are backed up."),
  limitHours: z.int().min(1).max(168).default(12).describe("Longest run, hours."),
});

export const influxdbSchema = z
  .strictObject({
    edition: z.enum(["1", "2", "enterprise"]).default("2").describe("Which InfluxDB."),
    tag: imageTag
      .regex(/^(?!(latest|main|master|alpine|data|meta)$)/, "must be a version: others move")
      .optional()
      .describe("Image tag: a version. Default: 1.12.4; 2: 2.7.12; enterprise: 1.12.4."),
    url: z
      .url()
      .optional()
      .describe("An InfluxDB that something else runs, instead of one that is declared; it is set up all the same."),
    org: z.string().min(1).default("efd").describe("2: organisation of all buckets."),
    adminUser: z.string().min(1).default("admin").describe("Who may do everything; only the set-up is it."),
    ...instance({ size: "1Ti", path: "/influxdb" }),
    settings: serverSettings.prefault({}).describe("Settings of the server."),
    startupMinutes: z
      .int()
      .min(1)
      .default(60)
      .describe("How long the server may take to open its shards, minutes; until then nobody ends it."),
    meta: z
      .strictObject({
        size: storageSize.default("16Gi").describe("Size of each one's volume."),
        storageClass: z.string().optional().describe("Storage class of the volumes. Default: that of the cluster."),
        ...resources({ requests: { cpu: "500m", memory: "1Gi" }, limits: { cpu: "1", memory: "2Gi" } }),
      })
      .prefault({})
      .describe("enterprise: the three meta nodes."),
    standby: z
      .strictObject(instance({ size: "1Ti", path: "/influxdb-standby" }))
      .optional()
      .describe("A second server of the same edition, settings, buckets and users. Default: none."),
    setUp: z
      .strictObject({
        schedule: schedule.default("*/5 * * * *").describe("When it is made sure that all is as declared (UTC)."),
        suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
      })
      .prefault({})
      .describe("Makes buckets, users and tasks what is declared."),
    mayShortenRetention: z
      .array(z.string())
      .default([])
      .describe("Buckets whose retention may become shorter than the server has it: points are deleted then."),
    backup: backup.optional().describe("Backups of InfluxDB, Chronograf and Kapacitor. Default: none."),
  })
  .superRefine((influxdb, context) => {
    const fault = (at: string[], message: string) => context.addIssue({ code: "custom", path: at, message });
    const { edition, settings, standby } = influxdb;
    for (const [name, editions] of Object.entries(editionsOf))
      if (settings[name as keyof InfluxdbSettings] !== undefined && !editions.includes(edition))
        fault(["settings", name], `is a setting of edition ${editions.join(" and ")}, not of ${edition}`);
    for (const [at, one] of [
      [["nodes"], influxdb],
      [["standby", "nodes"], standby],
    ] as const)
      // prettier-ignore
      if (one !== undefined && one.nodes > 1 && edition !== "enterprise")
        fault([...at], `is ${one.nodes}: only edition enterprise has several`);
    if (standby !== undefined && standby.path === influxdb.path)
      fault(["standby", "path"], `is ${standby.path}, the path of the active one too`);
    if (influxdb.url !== undefined)
      for (const name of ["standby", "backup"] as const)
        if (influxdb[name] !== undefined) fault([name], "is of no use with url: something else runs the server");
  })
  .describe("InfluxDB.");

export const chronografSchema = z
  .strictObject({
    tag: imageTag.default("1.10.9").describe("Image tag of chronograf."),
    path: path.default("/chronograf"),
    size: storageSize.default("100Gi").describe("Size of its volume."),
    storageClass: z.string().optional().describe("Storage class of the volume. Default: that of the cluster."),
    login: z
      .enum(["oidc", "github"])
      .default("oidc")
      .describe("Who tells users apart: oidc = Gafaelfawr of the host; github = an organisation of GitHub."),
    githubOrganizations: z.array(z.string().min(1)).min(1).optional().describe("github: whose members may log in."),
    ...resources({ requests: { cpu: "1", memory: "2Gi" }, limits: { cpu: "2", memory: "4Gi" } }),
  })
  .superRefine(({ login, githubOrganizations }, context) => {
    if ((login === "github") === (githubOrganizations !== undefined)) return;
    const message = login === "github" ? "is missing: anyone with an account could log in" : "goes with login github";
    context.addIssue({ code: "custom", path: ["githubOrganizations"], message });
  })
  .describe("Chronograf: dashboards.");

export const kapacitorSchema = z
  .strictObject({
    tag: imageTag.default("1.8.6").describe("Image tag of kapacitor."),
    size: storageSize.default("100Gi").describe("Size of its volume."),
    storageClass: z.string().optional().describe("Storage class of the volume. Default: that of the cluster."),
    slack: z.boolean().default(false).describe("Send alerts to Slack; the webhook is field slack-webhook in Vault."),
    ...resources({ requests: { cpu: "500m", memory: "1Gi" }, limits: { cpu: "1", memory: "2Gi" } }),
  })
  .describe("Kapacitor: alerts of an InfluxDB 1.x that a user makes in Chronograf. InfluxDB 2 has tasks.");

/** Storage classes that the environment brings with it, by name. */
export const storageClassesSchema = z
  .record(
    objectName,
    z.strictObject({
      provisioner: z.string().default("rancher.io/local-path").describe("Who makes the volumes."),
      parameters: z.record(z.string(), z.string()).default({}).describe("What that one is told."),
      reclaimPolicy: z.enum(["Retain", "Delete"]).default("Retain").describe("What becomes of a volume without claim."),
    }),
  )
  .default({})
  .describe("Storage classes that are declared with the environment, by name. Default: those that the cluster has.");

/** Where what an environment shows contradicts its InfluxDB. */
export function influxFaults(environment: {
  readonly influxdb: InfluxdbConfig;
  readonly chronograf?: ChronografConfig;
  readonly kapacitor?: KapacitorConfig;
  readonly allow: readonly string[];
}): [string[], string][] {
  const { influxdb, chronograf, kapacitor, allow } = environment;
  const faults: [string[], string][] = [];
  const paths = [influxdb.path, ...(influxdb.standby ? [influxdb.standby.path] : [])];
  if (chronograf !== undefined) {
    if (allow.length === 0)
      faults.push([["chronograf"], "is for people outside the cluster, and allow names no network"]);
    if (paths.includes(chronograf.path))
      faults.push([["chronograf", "path"], `is ${chronograf.path}, a path of influxdb too`]);
  }
  if (kapacitor !== undefined && influxdb.edition === "2")
    faults.push([["kapacitor"], "cannot work with InfluxDB 2, which has tasks instead: leave it out"]);
  return faults;
}

export type InfluxdbConfig = z.output<typeof influxdbSchema>;
export type ChronografConfig = z.output<typeof chronografSchema>;
export type KapacitorConfig = z.output<typeof kapacitorSchema>;
export type InfluxdbInstance = Pick<
  InfluxdbConfig,
  "path" | "nodes" | "size" | "storageClass" | "hosts" | "requests" | "limits"
>;
