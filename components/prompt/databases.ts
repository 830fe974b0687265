import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { DatabasesConfig } from "../config";
import { customResource } from "../platform";
import { declarePlace, type Environment, labelsOf, type Place, type PlaceSecret } from "./environment";
import { backupPlugin, databaseBackup, objectStoreSecret } from "./databaseBackup";
import { DatabaseGrants } from "./databaseGrants";
import { databasePooler } from "./databasePooler";

/** Port of servers and poolers. */
export const postgresPort = 5432;
const statusPort = 8000;
const metricsPort = 9187;
const poolerMetricsPort = 9127;

/** Namespace of the operator, which asks its servers how they are. */
const operatorNamespace = "cnpg-system";

/** Name of the Secret of a role, in the form that the operator reads. */
export const roleSecret = (role: string): string => `postgres-${role.replaceAll("_", "-")}`;

/** PostgreSQL of an environment: servers, databases, roles and what they may do, poolers, backups. */
export class PromptDatabases extends pulumi.ComponentResource {
  /** `host:port` of the server that writes, inside the cluster. */
  readonly host: pulumi.Output<string>;
  /** `host:port` of each pooler, by name. */
  readonly poolers: Readonly<Record<string, pulumi.Output<string>>>;

  constructor(environment: Environment, config: DatabasesConfig, opts?: pulumi.ComponentResourceOptions) {
    const prefix = `${environment.prefix}-databases`;
    super("usdf:prompt:PromptDatabases", prefix, {}, opts);
    const child = { parent: this };
    const place = declarePlace(environment, config.namespace, secretsOf(config), this);
    const metadata = (name: string) => ({ name, namespace: place.namespace, labels: labelsOf(environment) });
    const data = { ...child, protect: environment.platform.protectData, retainOnDelete: true };
    openServers(environment, config, place, this);
    const backup = config.backup && databaseBackup(prefix, config, metadata, this);
    const cluster = customResource(
      prefix,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: metadata(config.name),
        spec: clusterSpec(config, environment.platform.monitoring.enabled),
      },
      { ...data, dependsOn: backup },
    );
    for (const [name, { owner, extensions }] of Object.entries(config.databases)) {
      customResource(
        `${prefix}-${name}`,
        {
          apiVersion: "postgresql.cnpg.io/v1",
          kind: "Database",
          metadata: metadata(objectNameOf(name)),
          spec: {
            name,
            owner,
            cluster: { name: config.name },
            databaseReclaimPolicy: "retain",
            encoding: "UTF8",
            localeCollate: "C",
            localeCType: "C",
            template: "template0", // the only one that lets a database have a locale of its own
            extensions:
              extensions.length === 0 ? undefined : extensions.map((one) => ({ name: one, ensure: "present" })),
          },
        },
        { ...data, dependsOn: cluster },
      );
    }
    this.poolers = Object.fromEntries(
      Object.entries(config.poolers).map(([name, pooler]) => {
        databasePooler(
          `${prefix}-${name}`,
          { environment, config, place, name, pooler },
          { ...child, dependsOn: cluster },
        );
        return [name, pulumi.interpolate`${name}.${place.namespace}.svc.cluster.local:${postgresPort}`];
      }),
    );
    new DatabaseGrants(environment, config, place, { ...child, dependsOn: cluster });
    this.host = pulumi.interpolate`${config.name}-rw.${place.namespace}.svc.cluster.local:${postgresPort}`;
    this.registerOutputs({ host: this.host, poolers: this.poolers });
  }
}

/** Name of the object of a database or role: Kubernetes knows no underscore. */
export const objectNameOf = (name: string): string => name.replaceAll("_", "-");

/** A login as the operator reads it, which follows a new password. */
const login = { type: "kubernetes.io/basic-auth", labels: { "cnpg.io/reload": "true" } };

function secretsOf({ roles, backup }: DatabasesConfig): Record<string, PlaceSecret> {
  return {
    ...Object.fromEntries(
      Object.entries(roles).map(([name, { secret = `postgres-${objectNameOf(name)}` }]) => [
        roleSecret(name),
        { path: secret, fields: { username: "username", password: "password" }, form: login },
      ]),
    ),
    ...(backup && {
      [objectStoreSecret]: {
        path: backup.secret,
        fields: { ACCESS_KEY_ID: "ACCESS_KEY_ID", ACCESS_SECRET_KEY: "ACCESS_SECRET_KEY" },
      },
    }),
  };
}

function clusterSpec(config: DatabasesConfig, isMonitored: boolean) {
  const { roles, databases, bootstrap, service, backup, storage } = config;
  const named = (name: string) => ({ name });
  return {
    imageName: config.image,
    imagePullPolicy: config.imagePullPolicy,
    instances: config.instances,
    primaryUpdateStrategy: "unsupervised",
    enablePDB: true,
    enableSuperuserAccess: false,
    bootstrap: {
      initdb: {
        database: bootstrap,
        owner: databases[bootstrap]!.owner,
        secret: named(roleSecret(databases[bootstrap]!.owner)),
        encoding: "UTF8",
        localeCollate: "C",
        localeCType: "C",
        dataChecksums: true,
      },
    },
    managed: {
      roles: Object.entries(roles).map(([name, { connectionLimit }]) => ({
        name,
        ensure: "present",
        login: true,
        inherit: true,
        connectionLimit: connectionLimit ?? -1,
        passwordSecret: named(roleSecret(name)),
      })),
      services: service && {
        additional: [
          {
            selectorType: "rw",
            updateStrategy: "patch",
            serviceTemplate: {
              metadata: { name: "db-svc", annotations: balancerAnnotations(config, service.address) },
              spec: balancerSpec(config),
            },
          },
        ],
      },
    },
    postgresql: { parameters: { ...config.parameters, max_connections: String(config.maxConnections) } },
    resources: { requests: config.requests, limits: config.limits },
    storage: { size: storage.size, storageClass: storage.storageClass, resizeInUseVolumes: false },
    affinity: { enablePodAntiAffinity: true, podAntiAffinityType: "preferred", topologyKey: "kubernetes.io/hostname" },
    monitoring: { enablePodMonitor: isMonitored },
    plugins: backup && [backupPlugin],
  };
}

/** What MetalLB reads. */
export function balancerAnnotations({ pool }: Pick<DatabasesConfig, "pool">, address: string | undefined) {
  return {
    "metallb.io/address-pool": pool,
    ...(address === undefined ? {} : { "metallb.io/loadBalancerIPs": address }),
  };
}

/** A load balancer that lets in the allow list only. */
export function balancerSpec({ allow }: Pick<DatabasesConfig, "allow">) {
  return {
    type: "LoadBalancer",
    allocateLoadBalancerNodePorts: false,
    loadBalancerSourceRanges: [...allow],
  };
}

/**
 * The namespace is closed, and the operator makes no policies: the network of its servers and poolers is opened here. No
 * other pod there listens.
 */
function openServers(environment: Environment, config: DatabasesConfig, place: Place, parent: pulumi.Resource): void {
  const { monitoring } = environment.platform;
  const { allow, clientNamespaces } = config;
  const clients = [...clientNamespaces.map(namespacePeer), ...allow.map((cidr) => ({ ipBlock: { cidr } }))];
  new k8s.networking.v1.NetworkPolicy(
    `${environment.prefix}-databases-servers`,
    {
      metadata: { name: config.name, namespace: place.namespace, labels: labelsOf(environment) },
      spec: {
        podSelector: {},
        policyTypes: ["Ingress"], // outward they speak to the API server, their peers and the backups' store
        ingress: [
          { from: [{ podSelector: {} }, namespacePeer(operatorNamespace)], ports: tcp(postgresPort, statusPort) },
          ...(monitoring.enabled
            ? [{ from: [namespacePeer(monitoring.namespace)], ports: tcp(metricsPort, poolerMetricsPort) }]
            : []),
          ...(clients.length > 0 ? [{ from: clients, ports: tcp(postgresPort) }] : []),
        ],
      },
    },
    { parent },
  );
}

const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: "TCP", port }));
const namespacePeer = (name: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
});
