import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { InfluxdbInstance } from "../../config";
import type { Claim, Container, Opening, PodUser } from "../../platform";
import { clusterName, type Environment, identity, labelsOf } from "../environment";
import { ingressNamespace } from "../ingress";

/** One server, or one Enterprise cluster: the active one, or the standby. */
export interface Instance {
  /** What follows `sasquatch-` in the names of its objects. */
  readonly component: "influxdb" | "influxdb-standby";
  readonly settings: InfluxdbInstance;
}

export const ports = { http: 8086, rpc: 8088, meta: 8091, raft: 8089 } as const;

/** Instances that are declared. */
export function instancesOf({ settings: { influxdb } }: Pick<Environment, "settings">): Instance[] {
  if (influxdb.url !== undefined) return [];
  const active: Instance = { component: "influxdb", settings: influxdb };
  return influxdb.standby ? [active, { component: "influxdb-standby", settings: influxdb.standby }] : [active];
}

/** URL inside the cluster. */
export const instanceUrl = ({ component }: Pick<Instance, "component">) =>
  `http://${clusterName}-${component}:${ports.http}`;

/** Who the servers' processes are: as the images have it; volumes of today belong to them. */
export const influxUser = (edition: string): PodUser =>
  edition === "2"
    ? { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 }
    : { runAsUser: 1500, runAsGroup: 1500, fsGroup: 1500 };

/** The volume of each node. */
export const claimOf = ({ size, storageClass }: Pick<InfluxdbInstance, "size" | "storageClass">): Claim => ({
  name: "data",
  storageClass: storageClass as string, // undefined is the cluster's own class
  size,
});

/** Who may ask and write: pods of the environment, with a password, and the ingress. */
export const clients: Opening = {
  peers: [
    { pods: { "app.kubernetes.io/part-of": "sasquatch" } },
    { pods: { "strimzi.io/kind": "KafkaConnect" } },
    { namespace: ingressNamespace },
  ],
  ports: [ports.http],
};

/** Probes over HTTP; a start that opens many shards is waited for. */
export function httpProbes(path: string, startupMinutes: number): Container["probes"] {
  const get = { httpGet: { path, port: "http", scheme: "HTTP" as const } };
  return {
    startup: { ...get, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: startupMinutes * 6 },
    liveness: { ...get, periodSeconds: 30, timeoutSeconds: 20, failureThreshold: 6 },
    readiness: { ...get, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  };
}

/** A Service of pods of the environment; without address it names each pod. */
export function service(
  environment: Environment,
  args: { component: string; name?: string; ports: Readonly<Record<string, number>>; headless?: boolean },
  parent: pulumi.Resource,
): void {
  const name = args.name ?? args.component;
  const { selector } = identity(environment, args.component);
  new k8s.core.v1.Service(
    `${environment.prefix}-${name}`,
    {
      metadata: {
        name: `${clusterName}-${name}`,
        namespace: environment.namespace,
        labels: labelsOf(environment, args.component),
        annotations: { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        type: "ClusterIP",
        ...(args.headless ? { clusterIP: "None", publishNotReadyAddresses: true } : {}),
        selector: { ...selector },
        ports: Object.entries(args.ports).map(([port, number]) => ({
          name: port,
          port: number,
          targetPort: number,
          protocol: "TCP",
        })),
      },
    },
    { parent },
  );
}
