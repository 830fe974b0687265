import { nearest } from "../../../workloads/src/lib/contract";
import type { DeclaredObject, Manifest } from "../model";
import { containersOf, podTemplateOf } from "../pods";
import { byNamespace, error, type StackFinding } from "./finding";

/** Keys of a Secret or ConfigMap by its name; `undefined` where any key may come. */
type Keys = Map<string, Set<string> | undefined>;

/** Secrets, ConfigMaps and claims that pods refer to, and that nothing in their namespace provides. */
export function checkReferences(objects: readonly DeclaredObject[]): StackFinding[] {
  return byNamespace(objects).flatMap((group) => {
    const manifests = group.map(({ content }) => content as Manifest);
    const secrets: Keys = new Map(manifests.flatMap(providedSecret));
    const configMaps: Keys = new Map(
      manifests
        .filter(({ kind }) => kind === "ConfigMap")
        .map(({ metadata, data, binaryData }) => [metadata.name, keysOf(data, binaryData)]),
    );
    const claims = manifests
      .filter(({ kind }) => kind === "PersistentVolumeClaim")
      .map(({ metadata }) => metadata.name);
    return group.flatMap((object) => {
      const spec = podTemplateOf(object)?.spec;
      if (!spec) return [];
      const faults = new Set<string>();
      const need = (kind: "Secret" | "ConfigMap", name: string, key: string | undefined, who: string) => {
        const fault = missing(kind, kind === "Secret" ? secrets : configMaps, name, key);
        if (fault) faults.add(`${who} ${fault}`);
      };
      for (const container of containersOf(object)) {
        for (const { name, valueFrom } of container.env ?? []) {
          const who = `variable ${name} of container ${container.name}`;
          const { secretKeyRef, configMapKeyRef } = valueFrom ?? {};
          if (secretKeyRef && !secretKeyRef.optional) need("Secret", secretKeyRef.name, secretKeyRef.key, who);
          if (configMapKeyRef && !configMapKeyRef.optional)
            need("ConfigMap", configMapKeyRef.name, configMapKeyRef.key, who);
        }
        for (const { secretRef, configMapRef } of container.envFrom ?? []) {
          const who = `container ${container.name}`;
          if (secretRef && !secretRef.optional) need("Secret", secretRef.name, undefined, who);
          if (configMapRef && !configMapRef.optional) need("ConfigMap", configMapRef.name, undefined, who);
        }
      }
      const templates = ((object.content as Manifest).spec?.volumeClaimTemplates ?? []) as Manifest[];
      const volumes = new Set(
        [...(spec.volumes ?? []), ...templates.map(({ metadata }) => metadata)].map((one) => one.name),
      );
      for (const { name, secret, configMap, persistentVolumeClaim } of spec.volumes ?? []) {
        const who = `volume ${name}`;
        for (const key of secret?.items?.map((item) => item.key) ?? [undefined])
          if (secret && !secret.optional) need("Secret", secret.secretName, key, who);
        for (const key of configMap?.items?.map((item) => item.key) ?? [undefined])
          if (configMap && !configMap.optional) need("ConfigMap", configMap.name, key, who);
        const claim = persistentVolumeClaim?.claimName;
        if (claim !== undefined && !claims.includes(claim))
          faults.add(`${who} wants PersistentVolumeClaim ${claim}, which is not declared.${hint(claim, claims)}`);
      }
      for (const container of containersOf(object))
        for (const { name } of container.volumeMounts ?? [])
          if (!volumes.has(name))
            faults.add(
              `container ${container.name} mounts volume ${name}, which the pod does not have.${hint(name, [...volumes])}`,
            );
      return [...faults].map((fault) => error(object, fault));
    });
  });
}

/** The Secret that an object makes, by whatever operator, with its keys. */
export function providedSecret({
  apiVersion,
  kind,
  metadata,
  spec,
  data,
  stringData,
}: Manifest): [string, Set<string> | undefined][] {
  if (kind === "Secret") return [[metadata.name, keysOf(data, stringData)]];
  if (kind === "ExternalSecret") {
    const keys = (spec.data ?? []).map((one: { secretKey: string }) => one.secretKey) as string[];
    const templated = spec.target?.template?.data;
    const open = spec.dataFrom !== undefined || spec.target?.template?.templateFrom !== undefined;
    return [[spec.target?.name ?? metadata.name, open ? undefined : templated ? keysOf(templated) : new Set(keys)]];
  }
  if (kind === "VaultSecret") {
    const keys = spec.templates ? Object.keys(spec.templates) : spec.keys;
    return [[metadata.name, keys ? new Set(keys as string[]) : undefined]];
  }
  // CloudNativePG's authority. Its key is there too, which is no business of any pod.
  if (kind === "Cluster" && apiVersion?.startsWith("postgresql.cnpg.io/"))
    return [[`${metadata.name}-ca`, new Set(["ca.crt"])]];
  if (kind === "KafkaUser") {
    const isPassword = spec.authentication?.type === "scram-sha-512";
    const keys = isPassword ? ["password", "sasl.jaas.config"] : ["ca.crt", "user.crt", "user.key"];
    return [[spec.template?.secret?.metadata?.name ?? metadata.name, new Set(keys)]];
  }
  if (kind === "Kafka") {
    const certificates = new Set(["ca.crt"]);
    return ["cluster", "clients"].map((ca) => [`${metadata.name}-${ca}-ca-cert`, certificates]);
  }
  if (kind === "Certificate") return [[spec.secretName, new Set(["ca.crt", "tls.crt", "tls.key"])]];
  return [];
}

function keysOf(...maps: (Record<string, unknown> | undefined)[]): Set<string> {
  return new Set(maps.flatMap((map) => Object.keys(map ?? {})));
}

function missing(kind: string, provided: Keys, name: string, key: string | undefined): string | undefined {
  if (!provided.has(name)) return `wants ${kind} ${name}, which no object provides.${hint(name, [...provided.keys()])}`;
  const keys = provided.get(name);
  if (key === undefined || keys === undefined || keys.has(key)) return undefined;
  const known = [...keys].join(", ") || "none";
  return `wants key "${key}" of ${kind} ${name}, which has ${known}.${hint(key, [...keys])}`;
}

function hint(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant ? ` Did you mean ${meant}?` : " Declare it, or correct the name.";
}
