import * as pulumi from "@pulumi/pulumi";
import { type Container, envVars, SecretReference, type VaultReader, Workload } from "../../platform";
import { clusterName, type Environment, identity, secretKey } from "../environment";
import { claimOf, clients, httpProbes, influxUser, type Instance, ports, service } from "./instance";
import { backupPods, influxFields } from "./names";
import { showInfluxdb } from "./server";
import { dataFolder, imageOf, serverEnv } from "./settings";

/** Meta nodes of a cluster: an odd number, so that most of them agree while one is away. */
const metaNodes = 3;
const licenseFolder = "/run/influxdb-license";

/**
 * An InfluxDB Enterprise cluster: three meta nodes, data nodes, each with a volume. Its nodes know each other by the names of
 * a headless Service; the set-up joins those that are not members yet.
 */
export class InfluxdbEnterprise extends pulumi.ComponentResource {
  /** URL for users on the allow list. Undefined where it is not shown. */
  readonly externalUrl: string | undefined;

  constructor(
    environment: Environment,
    instance: Instance,
    reader: VaultReader | undefined,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const { component, settings } = instance;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:InfluxdbEnterprise", name, {}, opts);
    const { influxdb } = environment.settings;
    const { platform, namespace } = environment;
    const meta = metaOf(component);
    const license = `${clusterName}-${component}-license`;
    new SecretReference(
      `${environment.prefix}-${component}-license`,
      {
        namespace,
        name: license,
        path: environment.settings.secrets.path,
        fields: { "license.json": influxFields.license },
        secrets: platform.secrets,
        reader,
      },
      { parent: this },
    );
    const node = (role: "data" | "meta"): Pick<Container, "image" | "volumeMounts"> => ({
      image: imageOf(influxdb, role),
      volumeMounts: [
        { name: "data", mountPath: dataFolder },
        { name: "license", mountPath: licenseFolder, readOnly: true },
      ],
    });
    const shared = {
      POD_NAME: { field: "metadata.name" },
      INFLUXDB_ENTERPRISE_LICENSE_PATH: `${licenseFolder}/license.json`,
    } as const;
    const members = [component, meta].map((one) => ({ pods: identity(environment, one).selector }));
    const setUp = { pods: identity(environment, `${component}-setup`).selector };
    const backup = backupPods(environment);
    const run = (one: string, replicas: number, claim: Parameters<typeof claimOf>[0]) => ({
      kind: "StatefulSet" as const,
      replicas,
      serviceName: `${clusterName}-${one}-nodes`,
      claims: [claimOf(claim)],
      protect: platform.protectData,
    });
    const pod = { volumes: [{ name: "license", secret: { secretName: license } }], user: influxUser("enterprise") };
    new Workload(
      `${environment.prefix}-${meta}`,
      {
        ...identity(environment, meta),
        ...pod,
        apart: true,
        run: run(meta, metaNodes, influxdb.meta),
        container: {
          ...node("meta"),
          name: "meta",
          command: ["influxd-meta"],
          env: envVars({
            ...shared,
            INFLUXDB_HOSTNAME: hostName(meta),
            INFLUXDB_META_DIR: `${dataFolder}/meta`,
            INFLUXDB_META_INTERNAL_SHARED_SECRET: secretKey(influxFields.sharedSecret),
            INFLUXDB_META_CLUSTER_TRACING: false,
            INFLUXDB_REPORTING_DISABLED: true,
          }),
          port: { name: "http", number: ports.meta },
          morePorts: { raft: ports.raft },
          probes: httpProbes("/ping", influxdb.startupMinutes),
          resources: influxdb.meta,
          metrics: false,
          restricted: true,
          longestStepSeconds: 60,
        },
        accepts: [{ peers: [...members, setUp, ...backup], ports: [ports.meta, ports.raft] }],
        reaches: [{ peers: members, ports: [ports.meta, ports.raft, ports.rpc, ports.http] }],
      },
      { parent: this },
    );
    new Workload(
      name,
      {
        ...identity(environment, component),
        ...pod,
        nodes: settings.hosts,
        apart: true,
        run: run(component, settings.nodes, settings),
        container: {
          ...node("data"),
          name: "influxdb",
          command: ["influxd"],
          env: envVars({
            ...shared,
            INFLUXDB_HOSTNAME: hostName(component),
            INFLUXDB_META_META_TLS_ENABLED: false,
            INFLUXDB_META_META_INTERNAL_SHARED_SECRET: secretKey(influxFields.sharedSecret),
            INFLUXDB_HTTP_SHARED_SECRET: secretKey(influxFields.sharedSecret),
            ...serverEnv(influxdb),
          }),
          port: { name: "http", number: ports.http },
          morePorts: { rpc: ports.rpc },
          probes: httpProbes("/ping", influxdb.startupMinutes),
          resources: settings,
          metrics: true,
          restricted: true,
          longestStepSeconds: 120,
          behindService: true,
        },
        accepts: [clients, { peers: [...members, setUp, ...backup], ports: [ports.http, ports.rpc] }],
        reaches: [{ peers: members, ports: [ports.meta, ports.rpc, ports.http] }],
      },
      { parent: this },
    );
    service(environment, { component, ports: { http: ports.http } }, this);
    for (const [one, all] of [
      [component, { http: ports.http, rpc: ports.rpc }],
      [meta, { http: ports.meta, raft: ports.raft }],
    ] as const)
      // prettier-ignore
      service(environment, { component: one, name: `${one}-nodes`, ports: all, headless: true }, this);
    this.externalUrl = showInfluxdb(environment, instance, this);
    this.registerOutputs({ externalUrl: this.externalUrl });
  }
}

const metaOf = (component: Instance["component"]) => `${component}-meta` as const;

/** Name of a pod in its cluster; Kubernetes puts the pod's name in. */
const hostName = (component: string) => `$(POD_NAME).${clusterName}-${component}-nodes`;

/** Host and port of the meta node that is asked first. */
export const metaAddress = (component: Instance["component"]) =>
  `${clusterName}-${metaOf(component)}-0.${clusterName}-${metaOf(component)}-nodes:${ports.meta}`;

const join = `set -eu
members=$(influxd-ctl -bind "$META" show)
for node in $META_NODES; do
  case "$members" in *"$node"*) ;; *) influxd-ctl -bind "$META" add-meta "$node" ;; esac
done
for node in $DATA_NODES; do
  case "$members" in *"$node"*) ;; *) influxd-ctl -bind "$META" add-data "$node" ;; esac
done`;

/** Joins the nodes that are not members yet; it runs before the set-up, and so every few minutes. */
export function joinContainer(environment: Environment, { component, settings }: Instance): Container {
  const { influxdb } = environment.settings;
  const names = (one: string, count: number, port: number) =>
    Array.from({ length: count }, (_, i) => `${clusterName}-${one}-${i}.${clusterName}-${one}-nodes:${port}`).join(" ");
  return {
    name: "join",
    image: imageOf(influxdb, "meta"),
    command: ["sh", "-c", join],
    env: envVars({
      META: metaAddress(component),
      META_NODES: names(metaOf(component), metaNodes, ports.meta),
      DATA_NODES: names(component, settings.nodes, ports.rpc),
    }),
    probes: {},
    resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "500m", memory: "256Mi" } },
    metrics: false,
    restricted: true,
    longestStepSeconds: 30,
  };
}
