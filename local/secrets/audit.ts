import type { StackConfig } from "../../components/config";
import { KubectlError } from "../kubectl";
import { declarationOf } from "../preview/declaration";
import { readStackYaml, recordStack, type StackYaml } from "../record";
import { stackConfig } from "../stackConfig";
import { liveSecrets } from "./live";
import { type NeededField, neededFields, ownPaths } from "./need";
import { type DeclaredSecret, declaredSecrets } from "./pods";
import { VaultNames, VaultRefused, VaultUnreachable } from "./vault";

/** What is not as declared; never a value, nor anything that tells about one. */
export interface AuditFinding {
  /**
   * missing: needed, not there. unreadable: could not be looked at. unexpected: there beside what is declared.
   * unused: there or declared, but nothing refers to it.
   */
  readonly level: "missing" | "unreadable" | "unexpected" | "unused";
  readonly stack: string;
  /** Environment, or name of the Ceph endpoint whose topic it is; none for what belongs to no one. */
  readonly environment: string | undefined;
  /** `secret/…/summit#redis` in Vault and stack, `summit/redis redis-password` in the cluster. */
  readonly name: string;
  readonly message: string;
}

/** Result of {@link auditStack}. */
export interface Audit {
  readonly stack: string;
  /** What the need was compared with. */
  readonly against: readonly string[];
  /** Why it was not compared with Vault, though that is where the secrets are. */
  readonly notVault: string | undefined;
  readonly findings: readonly AuditFinding[];
}

/** Options of {@link auditStack}. */
export interface AuditOptions {
  /** One environment only. */
  readonly environment?: string;
  /** Compare with the live Secret objects too. */
  readonly cluster?: boolean;
  /** Stacks whose needs count as use; by default this one alone. */
  readonly others?: readonly StackConfig[];
  /** Vault; by default what the shell tells. */
  readonly vault?: VaultNames;
  /** Configuration in place of `Pulumi.<stack>.yaml`. */
  readonly yaml?: StackYaml;
}

/** Most folders of Vault that are listed for one stack. */
const maxFolders = 200;

/** Compares what a stack needs with what there is: in Vault or in the stack, in its declaration, and in the clusters if asked. */
export async function auditStack(stack: string, options: AuditOptions = {}): Promise<Audit> {
  const { environment, yaml = readStackYaml(stack), others = [] } = options;
  const config = stackConfig(stack, yaml);
  const isAsked = (one: { environment: string }) => environment === undefined || one.environment === environment;
  const needed = neededFields(config).filter(isAsked);
  const secrets = declaredSecrets(declarationOf(await recordStack(stack, { config: yaml }))).filter(isAsked);
  const against = ["what pods refer to"];
  let notVault: string | undefined;
  const findings: Omit<AuditFinding, "stack">[] = [...secrets.flatMap(againstPods)];

  if (config.platform.secrets.kind === "value") {
    against.unshift(`usdf:secrets of Pulumi.${stack}.yaml`);
    findings.unshift(...againstStack(needed, yaml, environment === undefined));
  } else {
    const vault = options.vault ?? VaultNames.fromShell(config.platform.vault?.address);
    if (vault === undefined) {
      notVault = "set VAULT_ADDR, and VAULT_TOKEN or log in with `vault login`";
    } else {
      try {
        const used = [config, ...others].flatMap(neededFields);
        const own = [...ownPaths(config)].filter(([, name]) => environment === undefined || name === environment);
        findings.unshift(...(await againstVault(vault, needed, used, own, environment === undefined)));
        against.unshift(`Vault at ${vault.address}`);
      } catch (error) {
        if (!(error instanceof VaultUnreachable)) throw error;
        notVault = error.message;
      }
    }
  }
  if (options.cluster) {
    against.push("live Secret objects");
    findings.push(...(await againstCluster(secrets)));
  }
  return { stack, against, notVault, findings: findings.map((finding) => ({ stack, ...finding })) };
}

type Found = Omit<AuditFinding, "stack">;

/** Keys that pods refer to and nothing provides, and the other way round. */
function againstPods({ environment, namespace, name, provided, wanted }: DeclaredSecret): Found[] {
  const entry = (level: Found["level"], key: string, message: string) => {
    return { level, environment, name: `${namespace}/${name} ${key}`, message };
  };
  return [
    ...[...wanted]
      .filter((key) => !provided.has(key))
      .map((key) => entry("missing", key, "pods refer to it, nothing declares it")),
    ...[...provided]
      .filter((key) => !wanted.has(key))
      .map((key) => entry("unused", key, "declared, but no pod refers to it")),
  ];
}

/** Keys of `usdf:secrets`; they are plain, their values encrypted. */
function againstStack(needed: readonly NeededField[], yaml: StackYaml, isWhole: boolean): Found[] {
  const there = new Set(Object.keys((yaml.config["usdf:secrets"] ?? {}) as object));
  const missing = needed
    .filter(({ path, field }) => !there.has(`${path}#${field}`))
    .map((one) => lacks(one, "is not in usdf:secrets of the stack"));
  const names = new Set(needed.map(({ path, field }) => `${path}#${field}`));
  const unused = [...there].filter((name) => isWhole && !names.has(name));
  return [
    ...missing,
    ...unused.map((name): Found => {
      return { level: "unused", environment: undefined, name, message: "in usdf:secrets, but nothing needs it" };
    }),
  ];
}

async function againstVault(
  vault: VaultNames,
  needed: readonly NeededField[],
  used: readonly NeededField[],
  own: readonly (readonly [path: string, environment: string])[],
  isWhole: boolean,
): Promise<Found[]> {
  const findings: Found[] = [];
  const owner = new Map(own);
  for (const path of [...new Set(needed.map((one) => one.path))].sort()) {
    const fields = needed.filter((one) => one.path === path);
    const there = await orRefused(() => vault.fields(path));
    if (there instanceof VaultRefused) {
      for (const one of fields)
        findings.push({ ...lacks(one, `cannot be seen: ${there.message}`), level: "unreadable" });
      continue;
    }
    const reason = there === undefined ? "the path is not in Vault" : "the path has no such field";
    findings.push(...fields.filter(({ field }) => !there?.includes(field)).map((one) => lacks(one, reason)));
    // What else a shared path holds is the business of others.
    if (!owner.has(path)) continue;
    const known = new Set(used.filter((one) => one.path === path).map(({ field }) => field));
    for (const field of (there ?? []).filter((name) => !known.has(name)))
      findings.push({
        level: "unexpected",
        environment: owner.get(path),
        name: `${path}#${field}`,
        message: "the field is in Vault, but nothing declared needs it",
      });
  }
  const folders = new Set([...owner.keys()].map((path) => (isWhole ? path.slice(0, path.lastIndexOf("/")) : path)));
  findings.push(...(await unusedPaths(vault, [...folders], new Set(used.map(({ path }) => path)))));
  return findings;
}

/** Secrets below folders of the stack's environments that nothing declared needs. */
async function unusedPaths(vault: VaultNames, folders: string[], used: ReadonlySet<string>): Promise<Found[]> {
  const findings: Found[] = [];
  const add = (level: Found["level"], name: string, message: string) =>
    findings.push({ level, environment: undefined, name, message });
  const todo = [...folders];
  for (let count = 0; todo.length > 0; count++) {
    const folder = todo.shift()!;
    if (count === maxFolders) {
      add("unreadable", `${folder}/`, `not listed: ${maxFolders} folders were already; look at this one by hand`);
      break;
    }
    const names = await orRefused(() => vault.list(folder));
    if (names instanceof VaultRefused) {
      add("unused", `${folder}/`, `it is not known what is unused here: ${names.message}`);
      continue;
    }
    for (const name of names) {
      const path = `${folder}/${name}`;
      if (name.endsWith("/")) todo.push(path.slice(0, -1));
      else if (!used.has(path)) add("unused", path, "the path is in Vault, but nothing declared reads it");
    }
  }
  return findings;
}

/** Live Secrets by their keys: what is declared is there, and nothing else. */
async function againstCluster(secrets: readonly DeclaredSecret[]): Promise<Found[]> {
  const findings: Found[] = [];
  const places = new Map(secrets.map((one) => [`${one.place} ${one.namespace}`, one]));
  for (const { place, namespace, environment } of places.values()) {
    const add = (level: Found["level"], name: string, message: string) =>
      findings.push({ level, environment, name: `${namespace}/${name}`, message });
    const live = await liveSecrets(place, namespace).catch((error: KubectlError) => error);
    if (live instanceof KubectlError) {
      add("unreadable", "", `Secrets of context ${place} cannot be seen: ${live.reason}`);
      continue;
    }
    const declared = secrets.filter((one) => one.place === place && one.namespace === namespace);
    for (const { name, provided } of declared) {
      const keys = live.find((one) => one.name === name)?.keys;
      for (const key of provided)
        if (!keys?.includes(key))
          add("missing", `${name} ${key}`, keys ? "the live Secret has no such key" : "there is no such live Secret");
      for (const key of keys ?? [])
        if (!provided.has(key)) add("unexpected", `${name} ${key}`, "in the live Secret, but not declared");
    }
    for (const { name, type } of live)
      if (type === "Opaque" && !declared.some((one) => one.name === name))
        add("unexpected", name, "a live Secret that nothing declares");
  }
  return findings;
}

function lacks({ environment, path, field, becomes }: NeededField, reason: string): Found {
  return { level: "missing", environment, name: `${path}#${field}`, message: `${reason} (it becomes ${becomes})` };
}

async function orRefused<T>(ask: () => Promise<T>): Promise<T | VaultRefused> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof VaultRefused) return error;
    throw error;
  }
}
