import type { Alert } from "../platform";

/**
 * Alerts of a cluster's brokers.
 * @param system - What the names of the alerts begin with.
 * @param where - Label matchers of its metrics, e.g. `namespace="sasquatch"`.
 */
export function brokerAlerts(system: string, where: string): Alert[] {
  return [
    {
      alert: `${system}KafkaOffline`,
      severity: "critical",
      expr: `sum by (namespace) (kafka_controller_offlinepartitionscount{${where}}) > 0`,
      for: "2m",
      summary: "{{ $labels.namespace }}: {{ $value }} partitions have no leader; what is sent to them fails.",
      runbook:
        "Look which broker pods are away (`kubectl get pods -l strimzi.io/kind=Kafka`) and why; nothing is lost while producers retry.",
    },
    {
      alert: `${system}KafkaUnderMinIsr`,
      severity: "critical",
      expr: `sum by (namespace) (kafka_server_replicamanager_underminisrpartitioncount{${where}}) > 0`,
      for: "5m",
      summary: "{{ $labels.namespace }}: {{ $value }} partitions have too few copies to take records.",
      runbook: "Two brokers are away or behind. Bring one back before anything else; do not restart the others.",
    },
    {
      alert: `${system}KafkaUnderReplicated`,
      severity: "warning",
      expr: `sum by (namespace) (kafka_server_replicamanager_underreplicatedpartitions{${where}}) > 0`,
      for: "15m",
      summary: "{{ $labels.namespace }}: {{ $value }} partitions lack a copy; one more broker away would stop them.",
      runbook:
        "After a restart this ends by itself. If it does not, look at the disk and network of the broker that is behind.",
    },
    {
      alert: `${system}KafkaDiskFills`,
      severity: "critical",
      expr:
        `kubelet_volume_stats_available_bytes{${where},persistentvolumeclaim=~"data-.*"} / kubelet_volume_stats_capacity_bytes < 0.15 ` +
        `or predict_linear(kubelet_volume_stats_available_bytes{${where},persistentvolumeclaim=~"data-.*"}[6h], 86400) < 0`,
      for: "15m",
      summary:
        "{{ $labels.namespace }}: volume {{ $labels.persistentvolumeclaim }} is nearly full, or will be within a day.",
      runbook: "Lower retentionMinutes or raise the size of the pool. A full broker stops, and so do its partitions.",
    },
  ];
}
