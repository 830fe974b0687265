import type { StackConfig } from "../../components/config";
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
export function neededFields({ platform, embargo, ceph }: StackConfig): NeededField[] {
  const ofEnvironments = Object.keys(embargo?.environments ?? {}).flatMap((name) => {
    const environment = environmentOf(name, embargo!, platform, name);
    const table = secretTable(environment);
    return secretsInUse(environment).flatMap((secret) => {
      const { path, fields } = table[secret];
      const becomes = (key: string) => `Secret ${secret}, key ${key}`;
      return Object.entries(fields).map(([key, field]) => ({ environment: name, path, field, becomes: becomes(key) }));
    });
  });
  const ofTopics = Object.entries(ceph.endpoints).flatMap(([endpoint, { topics }]) =>
    Object.entries(topics).flatMap(([topic, { opaqueDataFrom }]) =>
      opaqueDataFrom ? [{ environment: endpoint, ...opaqueDataFrom, becomes: `opaqueData of topic ${topic}` }] : [],
    ),
  );
  return [...ofEnvironments, ...ofTopics];
}

/** Paths that belong to one environment alone, with its name. */
export function ownPaths({ embargo }: StackConfig): Map<string, string> {
  const environments = Object.entries(embargo?.environments ?? {});
  return new Map(environments.map(([name, settings]) => [ownSecretPath({ name, settings }), name]));
}
