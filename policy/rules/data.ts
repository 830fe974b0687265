import { kindOf, type PolicyObject } from "./object";
import type { Rule } from "./rule";

/** Kubernetes kinds whose deletion takes data along; of a Namespace all that is in it. */
const dataKinds = new Set([
  "Namespace",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "Cluster", // CloudNativePG
  "Database",
  "Kafka",
  "KafkaNodePool",
  "KafkaTopic",
]);
/** Resources elsewhere: topics hold what is not delivered yet. */
const dataTypes = /(:NotificationTopic|^aws:s3\/bucket(V2)?:\w+|:Bucket)$/;

/** Stacks of production: `prod` and `ldf`, or a name that starts so. */
export const isProduction = (stack: string): boolean => /^(prod|ldf)(-|$)/.test(stack);

function holdsData(object: PolicyObject): boolean {
  const kind = kindOf(object);
  if (kind === undefined) return dataTypes.test(object.type);
  return dataKinds.has(kind) || (kind === "StatefulSet" && (object.inputs.spec?.volumeClaimTemplates ?? []).length > 0);
}

export const dataProtected: Rule = {
  name: "data-protected",
  level: "mandatory",
  about:
    "In production the engine refuses to delete or replace what holds data (`protect`), and volumes outlive their StatefulSet.",
  why: "A renamed environment would take the queue or the volumes of the old one along, in the same minute.",
  check: (object) => {
    if (!isProduction(object.stack) || !holdsData(object)) return [];
    const faults: string[] = [];
    if (!object.protect)
      faults.push("holds data and is not protected. Set usdf:platform.protectData, or the resource option protect.");
    const retention = object.inputs.spec?.persistentVolumeClaimRetentionPolicy ?? {};
    if (Object.values(retention).includes("Delete"))
      faults.push("deletes its volumes with its pods (persistentVolumeClaimRetentionPolicy). Retain them.");
    return faults;
  },
};
