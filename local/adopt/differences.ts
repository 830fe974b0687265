import { isDeepStrictEqual } from "node:util";
import type { Manifest } from "../preview/model";

/** Something about an object that a person must know before it is taken over. */
export interface Difference {
  /** An error stops the take-over: the object would be made anew, or pods would stop. */
  readonly level: "error" | "warning";
  /** `Kind namespace/name`. */
  readonly object: string;
  readonly message: string;
}

/** What of a field would hurt. `undefined` values of the declaration leave the field to the cluster. */
interface Rule {
  readonly field: string;
  readonly level: Difference["level"];
  readonly value: (manifest: Manifest) => unknown;
  /** What happens, and what to write instead. */
  readonly says: string;
}

const anew = "cannot be changed in place: the object would be made anew";

const rules: Readonly<Record<string, readonly Rule[]>> = {
  Deployment: [
    { field: "spec.selector", level: "error", value: ({ spec }) => spec.selector, says: `${anew}. Set site or name` },
  ],
  StatefulSet: [
    { field: "spec.selector", level: "error", value: ({ spec }) => spec.selector, says: `${anew}. Set site or name` },
    { field: "spec.serviceName", level: "error", value: ({ spec }) => spec.serviceName, says: anew },
    {
      field: "spec.volumeClaimTemplates",
      level: "error",
      value: ({ spec }) => claims(spec.volumeClaimTemplates).map(({ name }) => name),
      says: "names the volumes: pods with other names of them would start empty",
    },
    {
      field: "spec.volumeClaimTemplates",
      level: "warning",
      value: ({ spec }) => claims(spec.volumeClaimTemplates),
      says: "stays as it is, since no StatefulSet can change it. Set redis.size and redis.storageClass to what is there",
    },
  ],
  Service: [
    {
      field: "spec.clusterIP",
      level: "error",
      value: ({ spec }) => (spec.clusterIP === "None" ? "None" : "an address"),
      says: anew,
    },
    { field: "spec.type", level: "warning", value: ({ spec }) => spec.type ?? "ClusterIP", says: "will change" },
    {
      field: "metadata.annotations of MetalLB",
      level: "warning",
      value: ({ metadata: { annotations = {} } }) =>
        Object.fromEntries(Object.entries(annotations).filter(([key]) => key.startsWith("metallb."))),
      says: "will change, and the address perhaps with it. Set service.pool and service.address",
    },
  ],
  PersistentVolumeClaim: [
    { field: "spec.accessModes", level: "error", value: ({ spec }) => spec.accessModes, says: anew },
    { field: "spec.storageClassName", level: "error", value: ({ spec }) => spec.storageClassName, says: anew },
    {
      field: "spec.resources.requests.storage",
      level: "error",
      value: ({ spec }) => spec.resources.requests.storage,
      says: "is the size asked for. Set size of the volume to what is there",
    },
  ],
};

/** Compares an object as it is with what is declared, in the fields that decide whether a take-over hurts. */
export function differencesOf(declared: Manifest, live: Manifest): Difference[] {
  const { kind, metadata } = declared;
  const object = `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
  const found = (rules[kind] ?? []).flatMap(({ field, level, value, says }): Difference[] => {
    const [wanted, there] = [value(declared), value(live)];
    if (isDeepStrictEqual(wanted, there)) return [];
    return [{ level, object, message: `${field} is ${show(there)}, declared ${show(wanted)}: ${says}.` }];
  });
  const { replicas: wanted } = declared.spec ?? {};
  const { replicas: there } = live.spec ?? {};
  if (typeof wanted === "number" && typeof there === "number" && wanted !== there) {
    const says = there > wanted ? "pods would stop. Set replicas to what is there" : "pods would be added";
    const level = there > wanted ? "error" : "warning";
    found.push({ level, object, message: `spec.replicas is ${there}, declared ${wanted}: ${says}.` });
  }
  return found;
}

/** Claims of a StatefulSet without what the API server adds. */
function claims(templates: readonly Manifest[] = []) {
  return templates.map(({ metadata, spec }) => ({
    name: metadata.name,
    accessModes: spec.accessModes as string[],
    storageClass: spec.storageClassName as string,
    size: spec.resources.requests.storage as string,
  }));
}

const show = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
