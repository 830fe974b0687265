import type { StackConfig } from "../../components/config";
import { environmentOf as efdEnvironmentOf, secretFields, secretName } from "../../components/efd";
import { environmentOf, ownSecretPath, secretsInUse, secretTable } from "../../components/embargo";

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
export function neededFields({ platform, embargo, efd, ceph }: StackConfig): NeededField[] {
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
  const ofTopics = Object.entries(ceph.endpoints).flatMap(([endpoint, { topics }]) =>
    Object.entries(topics).flatMap(([topic, { opaqueDataFrom }]) =>
      opaqueDataFrom ? [{ environment: endpoint, ...opaqueDataFrom, becomes: `opaqueData of topic ${topic}` }] : [],
    ),
  );
  return [...ofEmbargo, ...ofEfd, ...ofTopics];
}

/** Names of all environments of a stack. */
export function environmentNames({ embargo, efd }: StackConfig): string[] {
  return [embargo, efd].flatMap((system) => Object.keys(system?.environments ?? {}));
}

/** Paths that belong to one environment alone, with its name. That of efd is shared by its environments and by others. */
export function ownPaths({ embargo }: StackConfig): Map<string, string> {
  const environments = Object.entries(embargo?.environments ?? {});
  return new Map(environments.map(([name, settings]) => [ownSecretPath({ name, settings }), name]));
}
