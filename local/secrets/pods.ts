import { containersOf, podTemplateOf } from "../preview/pods";
import { byNamespace } from "../preview/checks/finding";
import { providedSecret } from "../preview/checks/references";
import type { Declaration, DeclaredObject, Manifest } from "../preview/model";

/** A Secret of one namespace: which keys are declared, and which of them pods refer to. */
export interface DeclaredSecret {
  readonly environment: string;
  /** Context of the kubeconfig. */
  readonly place: string;
  readonly namespace: string;
  readonly name: string;
  /** Keys that a declared object gives it; none where no object makes it. */
  readonly provided: ReadonlySet<string>;
  /** Keys that pods, or objects that an operator makes pods of, refer to. */
  readonly wanted: ReadonlySet<string>;
}

/** Secrets that the objects of a stack make or refer to, by namespace. */
export function declaredSecrets({ objects }: Declaration): DeclaredSecret[] {
  return byNamespace(objects).flatMap((group) => {
    const { environment, place } = group[0]!;
    const namespace = (group[0]!.content as Manifest).metadata.namespace!;
    const provided = new Map(group.flatMap(({ content }) => providedSecret(content as Manifest)));
    // Certificates and passwords that an operator makes come from nowhere else: one that nobody uses is no finding.
    const made = new Set(
      group
        .filter(({ kind }) => !["Secret", "ExternalSecret", "VaultSecret"].includes(kind))
        .flatMap(({ content }) => providedSecret(content as Manifest).map(([name]) => name)),
    );
    const wanted = new Map<string, Set<string>>();
    for (const [name, key] of group.flatMap(references)) {
      const keys = wanted.get(name) ?? new Set();
      for (const one of key === undefined ? (provided.get(name) ?? []) : [key]) keys.add(one);
      wanted.set(name, keys);
    }
    const names = [...new Set([...provided.keys(), ...wanted.keys()])].sort();
    const none = new Set<string>();
    return names.map((name) => {
      const keys = wanted.get(name) ?? none;
      // A Secret that may get any key has all that are wanted.
      const all = provided.has(name) ? (provided.get(name) ?? keys) : none;
      const given = made.has(name) ? new Set([...all].filter((key) => keys.has(key))) : all;
      return { environment, place, namespace, name, provided: given, wanted: keys };
    });
  });
}

/** Secrets that the pods of an object refer to, or what an operator makes of it, with the key, or without where it is every key. */
function references(object: DeclaredObject): [name: string, key: string | undefined][] {
  const found: [string, string | undefined][] = [];
  for (const { env = [], envFrom = [] } of containersOf(object)) {
    for (const { valueFrom } of env)
      if (valueFrom?.secretKeyRef) found.push([valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key]);
    for (const { secretRef } of envFrom) if (secretRef) found.push([secretRef.name, undefined]);
  }
  for (const { secret } of podTemplateOf(object)?.spec.volumes ?? [])
    if (secret) for (const key of secret.items ?? [undefined]) found.push([secret.secretName, key?.key]);
  const { apiVersion, spec } = object.content as Manifest;
  return apiVersion?.startsWith("kafka.strimzi.io/") ? [...found, ...strimziReferences(spec)] : found;
}

/** Secrets that an object of Strimzi refers to: by key, by certificate or password, or in the text of a setting. */
function strimziReferences(value: unknown): [name: string, key: string | undefined][] {
  if (typeof value === "string") {
    const matches = value.matchAll(/\$\{secrets:[^/}]+\/([^:}]+):([^}]+)\}/g);
    return [...matches].map(([, name, key]) => [name!, key]);
  }
  if (typeof value !== "object" || value === null) return [];
  const { secretName, secretKeyRef, password, certificate, key } = value as Record<string, unknown>;
  const named = typeof secretName === "string" ? [password, certificate, key] : [];
  const reference = secretKeyRef as { name: string; key: string } | undefined;
  return [
    ...named.flatMap((one): [string, string][] => (typeof one === "string" ? [[secretName as string, one]] : [])),
    ...(reference === undefined ? [] : [[reference.name, reference.key] as [string, string]]),
    ...Object.values(value).flatMap(strimziReferences),
  ];
}
