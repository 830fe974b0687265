import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig, SasquatchConfig, SasquatchEnvironment } from "../config";
import type { Opening, SecretKeyReference } from "../platform";
import type { Plan } from "./plan";
import { planOf } from "./plan";

/** What the parts of one environment share. */
export interface Environment {
  /** Name of the environment, as Phalanx has it. */
  readonly name: string;
  /** Prefix of logical names, `sasquatch-<environment>`. */
  readonly prefix: string;
  readonly settings: SasquatchEnvironment;
  readonly platform: PlatformConfig;
  readonly namespace: pulumi.Input<string>;
  /** What its configuration comes to. */
  readonly plan: Plan;
}

export function environmentOf(
  name: string,
  sasquatch: SasquatchConfig,
  platform: PlatformConfig,
  namespace: pulumi.Input<string>,
): Environment {
  const settings = sasquatch.environments[name]!;
  return { name, prefix: prefixOf(name), settings, platform, namespace, plan: planOf(name, sasquatch) };
}

/** Name of the component of an environment: other systems have environments of the same names. */
export const prefixOf = (environment: string) => `sasquatch-${environment}`;

/** Name of the Kafka cluster and, with a suffix, of what stands around it; clients and runbooks know them. */
export const clusterName = "sasquatch";

/** Label by which Strimzi's operators know what belongs to the cluster. */
export const clusterLabel = { "strimzi.io/cluster": clusterName } as const;

/** Labels of the objects of an environment that are no workload of ours. */
export function labelsOf({ name }: Pick<Environment, "name">, component?: string) {
  return {
    ...(component === undefined ? {} : { "app.kubernetes.io/name": component }),
    "app.kubernetes.io/instance": name,
    "app.kubernetes.io/part-of": "sasquatch",
    "app.kubernetes.io/managed-by": "pulumi",
  };
}

/** Names and labels of a workload, as {@link Workload} takes them. */
export function identity({ name, namespace, platform }: Environment, component: string) {
  const selector = { "app.kubernetes.io/name": component, "app.kubernetes.io/part-of": "sasquatch" };
  return {
    namespace,
    metadataName: `${clusterName}-${component}`,
    system: "sasquatch",
    environment: name,
    component,
    labels: selector,
    selector,
    monitoring: platform.monitoring,
  };
}

/** The Secret of an environment. Its keys are the names of the fields in Vault. */
export const secretName = "sasquatch";

export const secretKey = (field: string): SecretKeyReference => ({ secretName, key: field });

/** Field of the password of a user of InfluxDB. */
export const influxPasswordField = (user: string) => `${user}-password`;

/** Pods of the cluster's brokers and controllers. */
export const kafkaPods = { ...clusterLabel, "strimzi.io/kind": "Kafka" } as const;

/** Listeners of the cluster inside Kubernetes. */
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

/** `host:port` of a listener inside the cluster. */
export const bootstrapOf = (listener: keyof typeof listeners) =>
  `${clusterName}-kafka-bootstrap:${listeners[listener]}`;

/** Secret with the authority of the cluster's certificates; key `ca.crt`. Strimzi makes it. */
export const clusterCaSecret = `${clusterName}-cluster-ca-cert`;

/** Opening of a pod's network to Kafka. */
export function reachesKafka({ settings }: Environment, listener: keyof typeof listeners): Opening {
  const { kind, brokerList = [] } = settings.kafka;
  if (kind === "external") return { peers: "anyone", ports: brokerList.map((one) => Number(one.split(":")[1])) };
  return { peers: [{ pods: kafkaPods }], ports: [listeners[listener]] };
}

/** Alias of a mirrored environment in names of objects. */
export const registryName = (registry: "local" | { readonly alias: string }) =>
  registry === "local" ? "schema-registry" : `schema-registry-${registry.alias}`;

/** URL of a registry inside the cluster. */
export function registryUrl({ settings }: Environment, registry: "local" | { readonly alias: string }): string {
  return settings.registry.url ?? `http://${clusterName}-${registryName(registry)}:8081`;
}

/** Opening of a pod's network to a registry. */
export function reachesRegistry(environment: Environment, registry: "local" | { readonly alias: string }): Opening {
  const { url } = environment.settings.registry;
  if (url !== undefined) return { peers: "anyone", ports: [Number(new URL(url).port || 80)] };
  return { peers: [{ pods: identity(environment, registryName(registry)).selector }], ports: [8081] };
}
