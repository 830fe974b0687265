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
  /** Keys that pods refer to. */
  readonly wanted: ReadonlySet<string>;
}

/** Secrets that the objects of a stack make or refer to, by namespace. */
export function declaredSecrets({ objects }: Declaration): DeclaredSecret[] {
  return byNamespace(objects).flatMap((group) => {
    const { environment, place } = group[0]!;
    const namespace = (group[0]!.content as Manifest).metadata.namespace!;
    const provided = new Map(group.flatMap(({ content }) => providedSecret(content as Manifest)));
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
      const given = provided.has(name) ? (provided.get(name) ?? keys) : none;
      return { environment, place, namespace, name, provided: given, wanted: keys };
    });
  });
}

/** Secrets that the pods of an object refer to, with the key, or without where it is every key. */
function references(object: DeclaredObject): [name: string, key: string | undefined][] {
  const found: [string, string | undefined][] = [];
  for (const { env = [], envFrom = [] } of containersOf(object)) {
    for (const { valueFrom } of env)
      if (valueFrom?.secretKeyRef) found.push([valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key]);
    for (const { secretRef } of envFrom) if (secretRef) found.push([secretRef.name, undefined]);
  }
  for (const { secret } of podTemplateOf(object)?.spec.volumes ?? [])
    if (secret) for (const key of secret.items ?? [undefined]) found.push([secret.secretName, key?.key]);
  return found;
}
