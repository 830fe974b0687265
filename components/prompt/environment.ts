import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig, PromptConfig, PromptEnvironment } from "../config";
import { type Opening, type SecretKeyReference, type SecretForm, SecretReference, vaultReader } from "../platform";

/** What the parts of one environment share. */
export interface Environment {
  /** Name of the environment. */
  readonly name: string;
  /** Prefix of logical names, and name of the component. */
  readonly prefix: string;
  readonly settings: PromptEnvironment;
  readonly prompt: PromptConfig;
  readonly platform: PlatformConfig;
}

/** Name of an environment's component. */
export const prefixOf = (name: string): string => `prompt-${name}`;

export function environmentOf(name: string, prompt: PromptConfig, platform: PlatformConfig): Environment {
  const settings = prompt.environments[name];
  if (settings === undefined) throw new Error(`No environment "${name}" in usdf:prompt.environments.`);
  return { name, prefix: prefixOf(name), settings, prompt, platform };
}

/** Labels of objects of an environment that are no workload of ours. */
export function labelsOf({ name }: Pick<Environment, "name">, component?: string) {
  return {
    ...(component === undefined ? {} : { "app.kubernetes.io/name": component }),
    "app.kubernetes.io/instance": name,
    "app.kubernetes.io/part-of": "prompt",
    "app.kubernetes.io/managed-by": "pulumi",
  };
}

/** A namespace of an environment: each part of Prompt Processing has one of its own, as it is today. */
export interface Place {
  /** Name of the namespace. */
  readonly name: string;
  /** The same, known once the namespace is there. */
  readonly namespace: pulumi.Output<string>;
}

/** Secret objects of a namespace: Vault path below the environment's prefix, and field of each key. */
export interface PlaceSecret {
  readonly path: string;
  /** Field in Vault, by key of the Secret. */
  readonly fields: Readonly<Record<string, string>>;
  readonly form?: SecretForm;
}

/**
 * Declares a namespace that keeps to Pod Security "restricted", with its Secrets and the right to read exactly these.
 * @param secrets - By name of the Secret; one without fields is left out.
 */
export function declarePlace(
  environment: Environment,
  name: string,
  secrets: Readonly<Record<string, PlaceSecret>>,
  parent: pulumi.Resource,
): Place {
  const { platform, prefix } = environment;
  const child = { parent };
  const declared = new k8s.core.v1.Namespace(
    `${prefix}-${name}`,
    {
      metadata: {
        name,
        labels: {
          ...labelsOf(environment),
          "pod-security.kubernetes.io/enforce": "restricted",
          "pod-security.kubernetes.io/warn": "restricted",
        },
      },
    },
    { ...child, protect: platform.protectData, retainOnDelete: true }, // volumes in it outlive the declaration
  );
  const namespace = declared.metadata.name;
  const place = { name, namespace };
  declareSecrets(environment, place, secrets, parent);
  new k8s.networking.v1.NetworkPolicy(
    `${prefix}-${name}-closed`,
    {
      metadata: { name: "closed", namespace, labels: labelsOf(environment) },
      spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [] },
    },
    child,
  );
  return place;
}

/**
 * Declares Secrets of a namespace, and the right to read exactly these.
 * @param secrets - By name of the Secret; one without fields is left out.
 */
export function declareSecrets(
  environment: Environment,
  place: Place,
  secrets: Readonly<Record<string, PlaceSecret>>,
  parent: pulumi.Resource,
): void {
  const { name, prefix, settings, platform } = environment;
  const pathOf = ({ path }: PlaceSecret) => `${settings.secrets.prefix}/${path}`;
  const used = Object.entries(secrets).filter(([, { fields }]) => Object.keys(fields).length > 0);
  if (used.length === 0) return;
  const reader = vaultReader(
    `${prefix}-${place.name}-vault`,
    {
      namespace: place.namespace,
      kubeContext: settings.kubeContext,
      system: "prompt",
      environment: `${name}-${place.name}`,
      paths: used.map(([, secret]) => pathOf(secret)),
      platform,
    },
    { parent },
  );
  for (const [secretName, secret] of used) {
    const args = {
      namespace: place.namespace,
      name: secretName,
      path: pathOf(secret),
      fields: secret.fields,
      form: secret.form,
    };
    new SecretReference(
      `${prefix}-${place.name}-${secretName}`,
      { ...args, secrets: platform.secrets, reader },
      { parent },
    );
  }
}

/** Names and labels of a workload, as `Workload` takes them. */
export function identity(environment: Environment, place: Place, component: string, metadataName = component) {
  const selector = { "app.kubernetes.io/name": component, "app.kubernetes.io/part-of": "prompt" };
  return {
    namespace: place.namespace,
    metadataName,
    system: "prompt",
    environment: environment.name,
    component,
    labels: selector,
    selector,
    monitoring: environment.platform.monitoring,
  };
}

/** Name of the Redis of an environment: of its namespace, its StatefulSet and its Service. */
export const redisName = "prompt-redis";

/** The Secret with the password of Redis, of every namespace that speaks to it. */
export const redisSecret: Readonly<Record<string, PlaceSecret>> = {
  redis: { path: redisName, fields: { "redis-password": "redis-password" } },
};
export const redisPassword: SecretKeyReference = { secretName: "redis", key: "redis-password" };

/** Variables of every program of ours that speaks to Redis. */
export const redisConnection = { REDIS_HOST: `${redisName}.${redisName}`, REDIS_PASSWORD: redisPassword } as const;

/** The way to Redis through the network policy. */
export const toRedis: Opening = { peers: [{ namespace: redisName }], ports: [6379] };
