import type * as pulumi from "@pulumi/pulumi";
import type { EfdConfig, EfdEnvironment, PlatformConfig } from "../config";
import type { SecretKeyReference } from "../platform";

/** What the parts of one environment share. */
export interface Environment {
  /** Name of the environment and of its namespace, and prefix of logical names. */
  readonly name: string;
  readonly settings: EfdEnvironment;
  readonly efd: EfdConfig;
  readonly platform: PlatformConfig;
  readonly namespace: pulumi.Input<string>;
}

export function environmentOf(
  name: string,
  efd: EfdConfig,
  platform: PlatformConfig,
  namespace: pulumi.Input<string>,
): Environment {
  return { name, settings: efd.environments[name]!, efd, platform, namespace };
}

/** Labels that today's objects have; people and dashboards select by them. */
export function labelsOf({ settings }: Pick<Environment, "settings">) {
  return { app: "transformed-efd", instrument: settings.instrument.toLowerCase() } as const;
}

/** The Secret of an environment. Its keys are the names of the fields in Vault. */
export const secretName = "efd-transform-secrets";

const key = (field: string): SecretKeyReference => ({ secretName, key: field });

/** Variables of the databases: the consolidated one, and the EFD. */
export function databaseConnection({ efd: { influxdb, secrets } }: Environment) {
  return {
    CONSDB_URL: key(secrets.consdbField),
    EFD: influxdb.url,
    EFD_USERNAME: influxdb.user,
    EFD_PASSWORD: key("usdf-efd-password"),
  };
}

/** Variables of a Butler repository: where it is, its registry, and only the keys that reading it needs. */
export function butlerConnection({ efd }: Environment, butlerName: string) {
  const { repo, host, port, database, user, passwordField, s3EndpointUrl } = efd.butlers[butlerName]!;
  const [isS3, profile] = /^s3:\/\/(?:([\w-]+)@)?/.exec(repo) ?? [];
  return {
    env: {
      BUTLER_REPO: repo,
      DAF_BUTLER_REPOSITORY_INDEX: efd.repositoryIndex,
      PGHOST: host,
      PGPORT: port,
      PGDATABASE: database,
      PGUSER: user,
      PGPASSWORD: key(passwordField),
      ...(isS3 && profile === undefined
        ? {
            S3_ENDPOINT_URL: s3EndpointUrl,
            AWS_ACCESS_KEY_ID: key("aws-access-key-id"),
            AWS_SECRET_ACCESS_KEY: key("aws-secret-access-key"),
          }
        : {}),
    },
    families: profile === undefined ? {} : { [`LSST_RESOURCES_S3_PROFILE_${profile}`]: key(`s3-profile-${profile}`) },
  };
}

/** Fields of `secrets.path` that the pods of an environment refer to. */
export function secretFields(environment: Environment): string[] {
  const { butler, backfills } = environment.settings;
  const butlers = [butler, ...Object.values(backfills).map((one) => one.butler ?? butler)];
  const variables = [
    databaseConnection(environment),
    ...butlers.flatMap((name) => {
      const { env, families } = butlerConnection(environment, name);
      return [env, families];
    }),
  ].flatMap((group) => Object.values<string | number | boolean | SecretKeyReference>(group));
  const fields = variables.flatMap((value) => (typeof value === "object" ? [value.key] : []));
  return [...new Set(fields)].sort();
}
