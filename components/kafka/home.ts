import type * as pulumi from "@pulumi/pulumi";
import type { KafkaClusterConfig } from "../config";
import type { Opening } from "../platform";

/** A Kafka cluster as what stands by it is told of it. */
export interface KafkaHome {
  /** Name of the cluster and, with a suffix, of what stands around it; clients and runbooks know them. */
  readonly clusterName: string;
  /** Prefix of logical names. */
  readonly prefix: string;
  readonly namespace: pulumi.Input<string>;
  /** Labels of its objects. */
  readonly labels: Readonly<Record<string, string>>;
  readonly settings: KafkaClusterConfig;
  /** Networks that may reach its external listener. */
  readonly allow: readonly string[];
  /** Whether the engine refuses to delete or replace what holds data. */
  readonly protect: boolean;
}

/** Listeners of a cluster. */
export const listeners = {
  /** In plain text, with password; only where the configuration asks for it. */
  plain: 9092,
  /** Mutual TLS. */
  tls: 9093,
  /** For clients outside, with password. */
  external: 9094,
  /** TLS with password, for programs that cannot use a key in files. */
  password: 9095,
} as const;

export type Listener = keyof typeof listeners;

/** Label by which Strimzi's operators know what belongs to a cluster. */
export const clusterLabelOf = (clusterName: string) => ({ "strimzi.io/cluster": clusterName });

/** Pods of a cluster's brokers and controllers. */
export const kafkaPodsOf = (clusterName: string) => ({ ...clusterLabelOf(clusterName), "strimzi.io/kind": "Kafka" });

/** `host:port` of a listener, for pods of the cluster's namespace. */
export const bootstrapIn = (clusterName: string, listener: Listener) =>
  `${clusterName}-kafka-bootstrap:${listeners[listener]}`;

/** Secret with the authority of the cluster's certificates; key `ca.crt`. Strimzi makes it. */
export const clusterCaSecretOf = (clusterName: string) => `${clusterName}-cluster-ca-cert`;

/** Opening of a pod's network to Kafka, for pods of the cluster's namespace. */
export function opensTo({ clusterName, settings }: KafkaHome, listener: Listener): Opening {
  const { kind, brokerList = [] } = settings;
  if (kind === "external") return { peers: "anyone", ports: brokerList.map((one) => Number(one.split(":")[1])) };
  return { peers: [{ pods: kafkaPodsOf(clusterName) }], ports: [listeners[listener]] };
}
