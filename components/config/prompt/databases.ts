import { z } from "zod";
import { databaseGrants, databaseName } from "../../../workloads/src/database-grants/contract";
import { allowList } from "../cidr";
import { address, objectName, resources, schedule } from "../field";
import { storageSize } from "../kafka";

/** PostgreSQL of an environment: a cluster that CloudNativePG runs, with registry and APDB. */

const vaultName = z.string().regex(/^[\w-]+(\/[\w.-]+)*$/, "must be a Vault path without / at the ends");

/** PgBouncer pods serve as many clients as they have; each keeps its own pool of connections to the server. */
const pooler = z.strictObject({
  mode: z
    .enum(["session", "transaction"])
    .describe("How long a client keeps a connection: until it leaves, or for one transaction."),
  instances: z.int().min(1).default(3).describe("Pods; no two on one node."),
  poolSize: z.int().min(1).describe("Connections of one pod to one database at most, of all users together."),
  maxClients: z.int().min(1).describe("Clients of one pod at most."),
  serverIdleSeconds: z.int().min(0).default(0).describe("When an unused connection is closed; 0 = never."),
  parameters: z.record(z.string(), z.string()).default({}).describe("Other settings of PgBouncer. Default: none."),
  address: address
    .optional()
    .describe("Address of its load balancer. Default: the next free one. Without `allow` there is none."),
  ...resources({ requests: { cpu: "100m", memory: "100Mi" }, limits: { cpu: "500m", memory: "500Mi" } }),
});

const role = z.strictObject({
  secret: vaultName
    .optional()
    .describe(
      "Vault path, below the prefix, of its username, which is its name, and password. Default: `postgres-<role>`.",
    ),
  connectionLimit: z.int().min(1).optional().describe("Connections at most. Default: no limit of its own."),
});

const database = z.strictObject({
  owner: databaseName.describe("Role that owns it and may do everything in it."),
  extensions: z.array(z.string()).default([]).describe("Extensions that are made in it, e.g. pg_sphere."),
  ...databaseGrants.shape,
});

const backup = z.strictObject({
  destination: z
    .string()
    .regex(/^s3:\/\/[\w.-]+(\/[\w./-]+)?$/, "must be s3://bucket or s3://bucket/folder")
    .describe("Where base backups and write-ahead logs go."),
  endpointUrl: z.url().describe("S3 endpoint of it."),
  secret: vaultName
    .default("s3-buckets")
    .describe("Vault path, below the prefix, of ACCESS_KEY_ID and ACCESS_SECRET_KEY."),
  retentionDays: z.int().min(1).default(15).describe("How far back the server can be brought, days."),
  schedule: z
    .string()
    .regex(/^(\S+ ){5}\S+$/, 'must have six fields with seconds first, e.g. "0 0 0 * * *"')
    .default("0 0 0 * * *")
    .describe("When a base backup is made (UTC)."),
  walParallel: z.int().min(1).default(8).describe("Write-ahead logs that are sent at the same time."),
  dataJobs: z.int().min(1).default(4).describe("Parts of a base backup that are sent at the same time."),
});

/** Settings that have a place of their own here. */
const ownParameters: Readonly<Record<string, string>> = { max_connections: "maxConnections" };

/** What PostgreSQL keeps for its superuser, whom a full server must let in, and the operator for its replicas. */
const keptConnections = 20;

export const databasesSchema = z
  .strictObject({
    namespace: objectName.default("database").describe("Namespace of the cluster."),
    name: objectName.default("prompt-processing").describe("Name of the Cluster; its Services begin so."),
    image: z
      .string()
      .default("ghcr.io/lsst-sqre/cnpg-postgres-images:17.5")
      .describe("Image of PostgreSQL; its tag tells the operator the version."),
    imagePullPolicy: z
      .enum(["Always", "IfNotPresent", "Never"])
      .default("IfNotPresent")
      .describe("When it is fetched."),
    instances: z.int().min(1).default(2).describe("Servers: the first writes, the others follow and take over."),
    storage: z
      .strictObject({
        size: storageSize.default("1500Gi").describe("Size of each server's volume."),
        storageClass: z.string().optional().describe("Storage class of it. Default: that of the cluster."),
      })
      .prefault({})
      .describe("Volumes."),
    maxConnections: z.int().min(20).default(3000).describe("Connections of one server at most."),
    parameters: z.record(z.string(), z.string()).default({}).describe("Other settings of PostgreSQL. Default: none."),
    ...resources({ requests: { cpu: "8", memory: "16Gi" }, limits: { cpu: "16", memory: "32Gi" } }),
    bootstrap: databaseName.default("lsst-devl").describe("Database that a new cluster begins with, one of databases."),
    roles: z.record(databaseName, role).describe("Roles that log in. An owner may do everything in its database."),
    databases: z.record(databaseName, database).describe("Databases by name, and what each role may do in them."),
    grants: z
      .strictObject({
        schedule: schedule.default("*/10 * * * *").describe("When rights are made what they should be, cron (UTC)."),
        suspend: z.boolean().default(false).describe("Leave rights as they are."),
        dryRun: z.boolean().default(false).describe("Only tell what would change: before a server is taken over."),
      })
      .prefault({})
      .describe("The job that grants rights."),
    poolers: z.record(objectName, pooler).default({}).describe("PgBouncers in front of it, by name."),
    service: z
      .strictObject({ address: address.optional().describe("Address of it. Default: the next free one.") })
      .optional()
      .describe("Load balancer of the server that writes. Default: reachable inside the cluster only."),
    pool: z.string().default("sdf-rubin-ingest").describe("Address pool of MetalLB for all its load balancers."),
    allow: allowList
      .default([])
      .describe("Networks that may reach its load balancers, e.g. 172.24.0.0/16. Default: none, and there are none."),
    clientNamespaces: z.array(objectName).default([]).describe("Namespaces whose pods may connect. Default: none."),
    backup: backup.optional().describe("Base backups and write-ahead logs. Default: none."),
    backupWaiver: z.string().min(20).optional().describe("Why there is no backup. Needed where there is none."),
  })
  .superRefine((value, context) => {
    const fault = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    const { databases, roles, poolers, maxConnections, bootstrap, parameters } = value;
    if (!Object.hasOwn(databases, bootstrap)) fault(["bootstrap"], `is "${bootstrap}", none of databases`);
    for (const [name, { owner, grants, schemas }] of Object.entries(databases)) {
      if (!Object.hasOwn(roles, owner)) fault(["databases", name, "owner"], `is "${owner}", none of roles`);
      const used = [
        ...grants.flatMap(({ to }) => to),
        ...schemas.flatMap((one) => [...one.grants, ...one.tables, ...one.sequences].flatMap(({ to }) => to)),
      ];
      for (const one of new Set(used)) {
        if (!Object.hasOwn(roles, one)) fault(["databases", name], `gives rights to "${one}", none of roles`);
        if (one === owner) fault(["databases", name], `gives rights to "${one}", its owner, which has them all`);
      }
    }
    for (const key of Object.keys(parameters).filter((one) => Object.hasOwn(ownParameters, one)))
      fault(["parameters", key], `is set elsewhere. Set ${ownParameters[key]} instead`);
    // Pools of all pods and databases together must leave room for who comes without a pooler.
    const count = Object.keys(databases).length;
    const pooled = Object.values(poolers).reduce((sum, one) => sum + one.instances * one.poolSize * count, 0);
    if (pooled > maxConnections - keptConnections) {
      const parts = Object.entries(poolers).map(
        ([name, one]) => `${name} ${one.instances} × ${one.poolSize} × ${count} databases`,
      );
      fault(
        ["poolers"],
        `open up to ${pooled} connections (${parts.join(", ")}), more than maxConnections ${maxConnections} less ` +
          `${keptConnections} that stay free. Make poolSize smaller, or maxConnections larger`,
      );
    }
    if ((value.service !== undefined || Object.values(poolers).some((one) => one.address)) && value.allow.length === 0)
      fault(["allow"], "is empty: name the networks that reach its load balancers");
    if ((value.backup === undefined) === (value.backupWaiver === undefined))
      fault(["backup"], "is missing: say where backups go, or why there are none (backupWaiver); not both");
  })
  .describe("PostgreSQL of the environment: registry of the central Butler and APDB, run by CloudNativePG.");

export type DatabasesConfig = z.output<typeof databasesSchema>;
export type PoolerConfig = z.output<typeof pooler>;
