import { gauge } from "../kafka";

/** Rules that make metrics of the beans of Kafka Connect, and so of MirrorMaker 2. */
export const connectRules = [
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
