import type { KafkaPoolConfig } from "../config";
import { metricsConfigName } from "./metrics";

/** What the pods that Strimzi makes have in common. */

/** Pod Security "restricted", said for each part: the operator's own default may be less. */
export const podSecurity = {
  // The images run as user 1001 of group 0, which owns the volumes.
  securityContext: { runAsNonRoot: true, fsGroup: 0, seccompProfile: { type: "RuntimeDefault" } },
};

export const containerSecurity = {
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};

/** Metrics of a Java program of Kafka, by rules of {@link metricsConfigName}. */
export const jmxMetrics = (clusterName: string, key: "kafka.yaml" | "connect.yaml") => ({
  type: "jmxPrometheusExporter",
  valueFrom: { configMapKeyRef: { name: metricsConfigName(clusterName), key } },
});

export function jvmOptions(heapMi: number | undefined) {
  return heapMi === undefined ? undefined : { "-Xms": `${heapMi}m`, "-Xmx": `${heapMi}m` };
}

/** Where pods of a pool run: nodes that are theirs, and no two of them on one node. */
export function placementOf({ nodeSelector, taint, nodes }: KafkaPoolConfig, apart: Readonly<Record<string, string>>) {
  const wanted = [
    ...Object.entries(nodeSelector ?? {}).map(([key, value]) => ({ key, operator: "In", values: [value] })),
    ...(nodes === undefined ? [] : [{ key: "kubernetes.io/hostname", operator: "In", values: [...nodes] }]),
  ];
  return {
    affinity: {
      nodeAffinity:
        wanted.length === 0
          ? undefined
          : {
              requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: wanted }] },
            },
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { ...apart } }, topologyKey: "kubernetes.io/hostname" },
        ],
      },
    },
    tolerations: taint === undefined ? undefined : [{ key: taint, operator: "Exists" }],
  };
}
