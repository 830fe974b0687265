import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig } from "../config";
import { customResource } from "../platform";
import { clusterLabelOf, type KafkaHome } from "./home";

/** ConfigMap with the rules that make metrics of Kafka's beans; the names below are what alerts read. */
export const metricsConfigName = (clusterName: string) => `${clusterName}-metrics`;

/** A rule of Prometheus' JMX exporter. */
export const gauge = (pattern: string, name: string, labels?: Readonly<Record<string, string>>) => ({
  pattern,
  name,
  type: "GAUGE",
  ...(labels === undefined ? {} : { labels }),
});

const kafkaRules = [
  gauge(
    "kafka.server<type=ReplicaManager, name=(UnderReplicatedPartitions|UnderMinIsrPartitionCount)><>Value",
    "kafka_server_replicamanager_$1",
  ),
  gauge("kafka.controller<type=KafkaController, name=(\\w+)><>Value", "kafka_controller_$1"),
  gauge("kafka.log<type=LogManager, name=(OfflineLogDirectoryCount)><>Value", "kafka_log_$1"),
  {
    ...gauge("kafka.server<type=BrokerTopicMetrics, name=(\\w+)><>Count", "kafka_server_brokertopicmetrics_$1_total"),
    type: "COUNTER",
  },
];

const document = (rules: readonly object[]) => `${JSON.stringify({ lowercaseOutputName: true, rules }, null, 1)}\n`;

/**
 * Metrics of the pods that Strimzi runs: which there are, and who reads them.
 * @param more - Rules of other programs than brokers, by key of the ConfigMap.
 */
export function kafkaMetrics(
  home: KafkaHome,
  monitoring: PlatformConfig["monitoring"],
  parent: pulumi.Resource,
  more: Readonly<Record<string, readonly object[]>> = {},
): void {
  const { clusterName, prefix, namespace } = home;
  const metadata = { name: metricsConfigName(clusterName), namespace, labels: { ...home.labels } };
  const documents = Object.entries({ "kafka.yaml": kafkaRules, ...more });
  new k8s.core.v1.ConfigMap(
    `${prefix}-metrics`,
    { metadata, data: Object.fromEntries(documents.map(([key, rules]) => [key, document(rules)])) },
    { parent },
  );
  if (!monitoring.enabled) return;
  customResource(
    `${prefix}-metrics`,
    {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PodMonitor",
      metadata,
      spec: {
        selector: { matchLabels: clusterLabelOf(clusterName) },
        podMetricsEndpoints: [{ port: "tcp-prometheus", path: "/metrics", interval: "30s" }],
      },
    },
    { parent },
  );
}
