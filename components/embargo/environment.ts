import type * as pulumi from "@pulumi/pulumi";
import type { EmbargoConfig, EmbargoEnvironment, PlatformConfig } from "../config";
import { imageOf, isAdopting } from "../config";
import type { Opening, PodSelector, SecretKeyReference, VaultField } from "../platform";

/** What the parts of one environment share. */
export interface Environment {
  /** Name of the environment, and prefix of logical names. */
  readonly name: string;
  readonly settings: EmbargoEnvironment;
  readonly platform: PlatformConfig;
  readonly namespace: pulumi.Input<string>;
  /** Bucket as Redis and the Butler name it, `[profile@]bucket`. */
  readonly bucket: string;
  /** Whose image a part runs. */
  readonly runs: (part: "enqueue" | "ingest" | "idle" | "presence") => "usdf" | "upstream";
}

export function environmentOf(
  name: string,
  embargo: EmbargoConfig,
  platform: PlatformConfig,
  namespace: pulumi.Input<string>,
): Environment {
  const settings = embargo.environments[name]!;
  const bucket = settings.profile === undefined ? settings.bucket : `${settings.profile}@${settings.bucket}`;
  return { name, settings, platform, namespace, bucket, runs: (part) => imageOf(part, settings, embargo) };
}

/**
 * Names and labels of a part, as workloads take them. Names, `app`, `site` and the selectors are those that the
 * environments have today, so that the same pods stay selected when one is taken over.
 */
export function identity(environment: Environment, component: string) {
  const { settings, name, namespace, platform } = environment;
  const app = component === "ingest" ? settings.ingest.name : component;
  const site = settings.site ?? name;
  const selector: PodSelector = ["ingest", "presence"].includes(component) ? { app, site } : { app };
  return {
    namespace,
    metadataName: `${settings.namePrefix}-${app}`,
    system: "embargo",
    environment: name,
    component,
    labels: { app, site },
    selector,
    adopting: isAdopting(component, settings),
    monitoring: platform.monitoring,
  };
}

/** Image of a part as upstream names it. */
export function upstreamImage(part: string, tag: string | undefined): string {
  return `ghcr.io/lsst-dm/embargo-butler-${part}:${tag}`;
}

/** Secret objects of an environment: Vault path and field of each key. */
export interface SecretDeclaration {
  readonly path: string;
  /** Field in Vault, by key of the Secret. */
  readonly fields: Readonly<Record<string, string>>;
}
export type SecretName = "redis" | "notification" | "s3" | "db-auth" | "db-env" | "rucio-auth";

/** Vault path of an environment's own secrets; others are shared with whoever else needs them. */
export function ownSecretPath({ settings, name }: Pick<Environment, "settings" | "name">): string {
  return settings.secrets.path ?? `secret/rubin/usdf-embargo-dmz/${name}`;
}

/** Where each secret of an environment is in Vault, whether its pods need it or not. */
export function secretTable(environment: Environment): Record<SecretName, SecretDeclaration> {
  const { settings } = environment;
  const { s3Path, dbAuthPath, postgresPath } = settings.secrets;
  const path = ownSecretPath(environment);
  const withProfile = settings.profile !== undefined;
  return {
    redis: { path, fields: { "redis-password": "redis" } },
    notification: { path, fields: { secret: "notification" } },
    s3: withProfile
      ? { path, fields: { profile: "profile" } }
      : {
          path: s3Path ?? "secret/rubin/embargo/read/rubin-summit-users",
          fields: { s3_access: "access_key", s3_key: "secret_key" },
        },
    "db-auth": {
      path: dbAuthPath ?? (withProfile ? path : "secret/rubin/usdf-butler/client-config"),
      fields: { "db-auth.yaml": "db-auth.yaml" },
    },
    "db-env": { path: postgresPath, fields: { pg_password: "password", pg_user: "username" } },
    "rucio-auth": { path, fields: { register_svc_rsa: "register_svc_rsa" } },
  };
}

/**
 * The secrets that an environment declares: those its pods use. While an environment of before profiles still runs
 * upstream's ingest it also keeps db-env, which no pod refers to but which is there today.
 */
export function secretsInUse(environment: Environment): SecretName[] {
  const { settings, runs } = environment;
  const { ingest, enqueue, profile } = settings;
  const used: [SecretName, boolean][] = [
    ["redis", true],
    ["s3", true],
    ["notification", enqueue.kafka === undefined && !enqueue.allowEmptySecret],
    ["db-auth", ingest.dbAuth],
    ["db-env", profile === undefined && ingest.dbAuth && runs("ingest") === "upstream"],
    ["rucio-auth", ingest.rucio !== undefined],
  ];
  return used.filter(([, use]) => use).map(([secret]) => secret);
}

/** Vault field that holds the webhook secret, which a topic must hand out too. */
export function notificationSecret(environment: Environment): VaultField {
  const { path, fields } = secretTable(environment).notification;
  return { path, field: fields.secret! };
}

/** Reference to a key of one of the environment's Secrets. */
export function secretKey(secretName: SecretName, key: string): SecretKeyReference {
  return { secretName, key };
}

/** Variables of every program that keeps its work in Redis. */
export const redisConnection = {
  REDIS_HOST: "redis",
  REDIS_PASSWORD: secretKey("redis", "redis-password"),
} as const;

/** The way to Redis through the network policy. */
export function toRedis(environment: Environment): Opening {
  return { peers: [{ pods: identity(environment, "redis").selector }], ports: [6379] };
}

/** Variables that say where objects and the Butler are. */
export function storeConnection({ settings, bucket }: Environment) {
  const withProfile = settings.profile !== undefined;
  return {
    env: {
      BUCKET: bucket,
      BUTLER_REPO: settings.butlerRepo,
      ...(settings.ingest.butlerCreate
        ? { BUTLER_CREATE: true, BUTLER_REGISTRY_URL: settings.ingest.butlerRegistryUrl }
        : {}),
      ...(settings.ingest.dbAuth ? { LSST_DB_AUTH: `${dbAuthFolder}/db-auth.yaml` } : {}),
      ...(withProfile
        ? {}
        : {
            S3_ENDPOINT_URL: settings.s3EndpointUrl,
            AWS_ACCESS_KEY_ID: secretKey("s3", "s3_access"),
            AWS_SECRET_ACCESS_KEY: secretKey("s3", "s3_key"),
          }),
    },
    families: withProfile ? { [`LSST_RESOURCES_S3_PROFILE_${settings.profile}`]: secretKey("s3", "profile") } : {},
  };
}

/** Where the Butler's clients look for db-auth.yaml. */
export const dbAuthFolder = "/home/lsst/.lsst";
