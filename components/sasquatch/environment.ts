import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig, SasquatchConfig, SasquatchEnvironment } from "../config";
import {
  accessOf,
  bootstrapIn,
  clusterCaSecretOf,
  clusterLabelOf,
  type KafkaAccess,
  type KafkaHome,
  kafkaPodsOf,
  type Listener,
  opensTo,
} from "../kafka";
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
export const clusterLabel = clusterLabelOf(clusterName);

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
export const kafkaPods = kafkaPodsOf(clusterName);

/** The cluster of an environment. */
export function homeOf(environment: Environment): KafkaHome {
  const { prefix, namespace, settings, platform } = environment;
  const labels = labelsOf(environment);
  const { kafka, allow } = settings;
  return { clusterName, prefix, namespace, labels, settings: kafka, allow, protect: platform.protectData };
}

/** `host:port` of a listener inside the cluster. */
export const bootstrapOf = (listener: Listener) => bootstrapIn(clusterName, listener);

/** Secret with the authority of the cluster's certificates; key `ca.crt`. Strimzi makes it. */
export const clusterCaSecret = clusterCaSecretOf(clusterName);

/** Opening of a pod's network to Kafka. */
export const reachesKafka = (environment: Environment, listener: Listener) => opensTo(homeOf(environment), listener);

/** Access to Kafka for a pod, as one of the plan's users. */
export function kafkaAccess(environment: Environment, name: string): KafkaAccess {
  const user = environment.plan.users.find((one) => one.name === name);
  return accessOf(homeOf(environment), { name, authentication: user?.authentication ?? "tls" });
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
