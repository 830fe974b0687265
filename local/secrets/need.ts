import type { StackConfig } from "../../components/config";
import { environmentOf as efdEnvironmentOf, secretFields, secretName } from "../../components/efd";
import { environmentOf, ownSecretPath, secretsInUse, secretTable } from "../../components/embargo";
import {
  environmentOf as sasquatchEnvironmentOf,
  prefixOf,
  secretFields as sasquatchFields,
  secretName as sasquatchSecret,
} from "../../components/sasquatch";

/** A field in Vault that a stack needs. */
export interface NeededField {
  readonly environment: string;
  /** Path with its mount. */
  readonly path: string;
  readonly field: string;
  /** What it becomes: `Secret redis, key redis-password`. */
  readonly becomes: string;
}

/** Fields that the configuration of a stack needs: those of each environment's Secrets, and those that a topic hands out. */
export function neededFields({ platform, embargo, efd, sasquatch, ceph }: StackConfig): NeededField[] {
  const becomes = (secret: string, key: string) => `Secret ${secret}, key ${key}`;
  const ofEmbargo = Object.keys(embargo?.environments ?? {}).flatMap((name) => {
    const environment = environmentOf(name, embargo!, platform, name);
    const table = secretTable(environment);
    return secretsInUse(environment).flatMap((secret) => {
      const { path, fields } = table[secret];
      return Object.entries(fields).map(([key, field]) => {
        return { environment: name, path, field, becomes: becomes(secret, key) };
      });
    });
  });
  const ofEfd = Object.keys(efd?.environments ?? {}).flatMap((name) =>
    secretFields(efdEnvironmentOf(name, efd!, platform, name)).map((field) => {
      return { environment: name, path: efd!.secrets.path, field, becomes: becomes(secretName, field) };
    }),
  );
  const ofSasquatch = Object.entries(sasquatch?.environments ?? {}).flatMap(([name, { secrets, namespace }]) =>
    sasquatchFields(sasquatchEnvironmentOf(name, sasquatch!, platform, namespace)).map((field) => {
      return { environment: prefixOf(name), path: secrets.path, field, becomes: becomes(sasquatchSecret, field) };
    }),
  );
  const ofTopics = Object.entries(ceph.endpoints).flatMap(([endpoint, { topics }]) =>
    Object.entries(topics).flatMap(([topic, { opaqueDataFrom }]) =>
      opaqueDataFrom ? [{ environment: endpoint, ...opaqueDataFrom, becomes: `opaqueData of topic ${topic}` }] : [],
    ),
  );
  return [...ofEmbargo, ...ofEfd, ...ofSasquatch, ...ofTopics];
}

/** Names of all environments of a stack. */
export function environmentNames({ embargo, efd, sasquatch }: StackConfig): string[] {
  const own = [embargo, efd].flatMap((system) => Object.keys(system?.environments ?? {}));
  return [...own, ...Object.keys(sasquatch?.environments ?? {}).map(prefixOf)];
}

/** Paths that belong to one environment alone, with its name. That of efd is shared by its environments and by others. */
export function ownPaths({ embargo, sasquatch }: StackConfig): Map<string, string> {
  const environments = Object.entries(embargo?.environments ?? {});
  const ofSasquatch = Object.entries(sasquatch?.environments ?? {});
  return new Map([
    ...environments.map(([name, settings]) => [ownSecretPath({ name, settings }), name] as const),
    ...ofSasquatch.map(([name, { secrets }]) => [secrets.path, prefixOf(name)] as const),
  ]);
}
