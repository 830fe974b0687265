import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type LocalImage, pathOf } from "./images";
import type { Container, EnvVar, PodSpec, Volume } from "./manifest";
import { type Hosts, resolveNames } from "./names";

/** What a pod is on this machine. */
export interface PodPlace {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  /** Folder of the pod: its emptyDir volumes, and files made from Secrets and ConfigMaps. Gone when the pod is. */
  readonly dir: string;
  /** Folder of the claims of all pods: kept. */
  readonly claimsDir: string;
  /** Names of claims that the pod has for itself. */
  readonly ownClaims: readonly string[];
  /** Names of claims that pods of all namespaces share. */
  readonly sharedClaims: readonly string[];
  readonly hosts: Hosts;
  readonly secret: (name: string) => Readonly<Record<string, string>> | undefined;
  readonly configMap: (name: string) => Readonly<Record<string, string>> | undefined;
}

/** A container as a process: what to execute, with every reference resolved. */
export interface ContainerProcess {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** A reference of a container leads nowhere. */
export class DanglingReference extends Error {}

/** Folder of each volume of a pod, by name of the volume. */
export function volumeFolders(spec: PodSpec, place: PodPlace): Record<string, string> {
  const claim = (name: string) => join(place.claimsDir, place.sharedClaims.includes(name) ? "" : place.namespace, name);
  const folderOf = (volume: Volume) =>
    volume.persistentVolumeClaim ? claim(volume.persistentVolumeClaim.claimName) : join(place.dir, volume.name);
  return Object.fromEntries([
    ...(spec.volumes ?? []).map((volume) => [volume.name, folderOf(volume)]),
    ...place.ownClaims.map((name) => [name, claim(`${name}-${place.name}`)]),
  ]);
}

/**
 * Makes the volumes of a new pod: fresh emptyDirs, and files of Secrets and ConfigMaps that only this user can read, with
 * addresses for names in their URLs.
 */
export function makeVolumes(spec: PodSpec, place: PodPlace): void {
  rmSync(place.dir, { recursive: true, force: true });
  mkdirSync(place.dir, { recursive: true, mode: 0o700 });
  const folders = volumeFolders(spec, place);
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const volume of spec.volumes ?? []) {
    const source = volume.secret ?? volume.configMap;
    if (!source) continue;
    const values = volume.secret
      ? required(place.secret(volume.secret.secretName), `Secret ${volume.secret.secretName}`, place)
      : required(place.configMap(volume.configMap!.name), `ConfigMap ${volume.configMap!.name}`, place);
    const items = source.items ?? Object.keys(values).map((key) => ({ key, path: key }));
    for (const { key, path } of items) {
      const file = join(folders[volume.name]!, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const value = required(values[key], `key ${key} of volume ${volume.name}`, place);
      writeFileSync(file, resolveNames(value, place.hosts), { mode: 0o600 });
    }
  }
}

/**
 * Resolves a container: variables from literals, ConfigMaps, Secrets and fields; `$(VAR)`; names to addresses; mount
 * paths to folders.
 * @throws {@link DanglingReference}
 */
export function containerProcess(
  container: Container,
  spec: PodSpec,
  place: PodPlace,
  image: LocalImage,
): ContainerProcess {
  const folders = volumeFolders(spec, place);
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, subPath }) => ({
    mountPath: mountPath.replace(/\/$/, ""),
    folder: join(required(folders[name], `volume ${name}`, place), subPath ?? ""),
  }));
  const local = (text: string) => rewritePaths(text, mounts);
  const variables = containerEnv(container, place);
  const expand = (text: string) => text.replace(/\$\((\w+)\)/g, (whole, name: string) => variables[name] ?? whole);
  const given = Object.entries(variables).map(([name, value]) => [
    name,
    local(resolveNames(expand(value), place.hosts)),
  ]);
  const words = [...(container.command ?? image.entrypoint ?? []), ...(container.args ?? [])];
  const [command, ...args] = words.map((word) => local(expand(word)));
  if (command === undefined)
    throw new DanglingReference(`container ${container.name} of ${place.name} has no command, nor has its image here`);
  const env = {
    PATH: pathOf(image),
    HOME: process.env.HOME ?? "/",
    LANG: "C.UTF-8",
    ...Object.fromEntries(given),
  };
  return { command, args, env, cwd: image.cwd ?? place.dir };
}

/** Digest of all that decides whether a running pod is the wanted one; of secrets, too, so it is kept to this user. */
export function podHash(spec: PodSpec, processes: readonly ContainerProcess[], images: readonly LocalImage[]): string {
  const hash = createHash("sha256").update(JSON.stringify([spec, processes]));
  processes.forEach(({ command, args }, index) => {
    for (const file of images[index]!.files([command, ...args])) if (existsSync(file)) hash.update(readFileSync(file));
  });
  return hash.digest("hex").slice(0, 32);
}

/** Puts folders for mount paths, where such a path begins a word or follows `=`, `:` or a quote. */
export function rewritePaths(text: string, mounts: readonly { mountPath: string; folder: string }[]): string {
  if (mounts.length === 0) return text;
  const byPath = new Map(mounts.map(({ mountPath, folder }) => [mountPath, folder]));
  const paths = [...byPath.keys()]
    .sort((a, b) => b.length - a.length)
    .map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const place = new RegExp(`(^|[\\s"'=:,;(<>])(${paths.join("|")})(?=$|[/\\s"':,;)<>])`, "g");
  return text.replace(place, (_, before: string, path: string) => before + byPath.get(path)!);
}

function containerEnv(container: Container, place: PodPlace): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { prefix = "", secretRef, configMapRef } of container.envFrom ?? []) {
    const values = secretRef
      ? (place.secret(secretRef.name) ?? optional(secretRef, `Secret ${secretRef.name}`, place))
      : (place.configMap(configMapRef!.name) ?? optional(configMapRef!, `ConfigMap ${configMapRef!.name}`, place));
    for (const [key, value] of Object.entries(values ?? {})) variables[prefix + key] = value;
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, place);
    if (value !== undefined) variables[variable.name] = value;
  }
  return variables;
}

function valueOf({ name, value, valueFrom }: EnvVar, place: PodPlace): string | undefined {
  if (!valueFrom) return value ?? "";
  const { secretKeyRef, configMapKeyRef, fieldRef } = valueFrom;
  if (secretKeyRef) {
    const what = `key ${secretKeyRef.key} of Secret ${secretKeyRef.name} (variable ${name})`;
    return place.secret(secretKeyRef.name)?.[secretKeyRef.key] ?? optional(secretKeyRef, what, place);
  }
  if (configMapKeyRef) {
    const what = `key ${configMapKeyRef.key} of ConfigMap ${configMapKeyRef.name} (variable ${name})`;
    return place.configMap(configMapKeyRef.name)?.[configMapKeyRef.key] ?? optional(configMapKeyRef, what, place);
  }
  return fieldOf(fieldRef!.fieldPath, place);
}

function fieldOf(path: string, place: PodPlace): string {
  const fields: Record<string, string> = {
    "metadata.name": place.name,
    "metadata.namespace": place.namespace,
    "status.podIP": place.address,
    "status.hostIP": place.address,
    "spec.nodeName": "local",
    "spec.serviceAccountName": "default",
  };
  const label = /^metadata\.labels\['(.+)'\]$/.exec(path)?.[1];
  return required(label === undefined ? fields[path] : place.labels[label], `field ${path}`, place);
}

function optional(ref: { readonly optional?: boolean }, what: string, place: PodPlace): undefined {
  if (!ref.optional) required(undefined, what, place);
  return undefined;
}

function required<T>(value: T | undefined, what: string, { name, namespace }: PodPlace): T {
  if (value === undefined)
    throw new DanglingReference(`pod ${name} refers to ${what}, which is not in namespace ${namespace}`);
  return value;
}
