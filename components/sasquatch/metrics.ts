import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { customResource } from "../platform";
import { clusterLabel, clusterName, type Environment, labelsOf } from "./environment";

/** ConfigMap with the rules that make metrics of Kafka's beans; the names below are what alerts read. */
export const metricsConfigName = `${clusterName}-metrics`;

/** A rule of Prometheus' JMX exporter. */
const gauge = (pattern: string, name: string, labels?: Readonly<Record<string, string>>) => ({
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

const connectRules = [
  // MirrorMaker 2: what a topic is behind, and how old its records are when they arrive.
  gauge(
    "kafka.connect.mirror<type=MirrorSourceConnector, source=(.+), target=(.+), topic=(.+), partition=(\\d+)><>(replication-latency-ms-max|record-age-ms-max|record-rate)",
    "kafka_mirror_$5",
    { source: "$1", target: "$2", topic: "$3", partition: "$4" },
  ),
  {
    // A text is no number: its value becomes a label.
    ...gauge(
      "kafka.connect<type=connector-task-metrics, connector=(.+), task=(\\d+)><>status: (\\w+)",
      "kafka_connect_task_status",
      { connector: "$1", task: "$2", status: "$3" },
    ),
    value: 1,
  },
  {
    ...gauge(
      "kafka.connect<type=task-error-metrics, connector=(.+), task=(\\d+)><>(deadletterqueue-produce-requests|total-record-failures|total-records-skipped)",
      "kafka_connect_task_error_$3_total",
      { connector: "$1", task: "$2" },
    ),
    type: "COUNTER",
  },
];

const document = (rules: readonly object[]) => `${JSON.stringify({ lowercaseOutputName: true, rules }, null, 1)}\n`;

/** Metrics of the pods that Strimzi runs: which there are, and who reads them. */
export function metricsOf(environment: Environment, parent: pulumi.Resource): void {
  const { prefix, namespace, platform } = environment;
  new k8s.core.v1.ConfigMap(
    `${prefix}-metrics`,
    {
      metadata: { name: metricsConfigName, namespace, labels: labelsOf(environment) },
      data: { "kafka.yaml": document(kafkaRules), "connect.yaml": document(connectRules) },
    },
    { parent },
  );
  if (!platform.monitoring.enabled) return;
  customResource(
    `${prefix}-metrics`,
    {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PodMonitor",
      metadata: { name: metricsConfigName, namespace, labels: labelsOf(environment) },
      spec: {
        selector: { matchLabels: clusterLabel },
        podMetricsEndpoints: [{ port: "tcp-prometheus", path: "/metrics", interval: "30s" }],
      },
    },
    { parent },
  );
}
