import { Counter, Gauge } from "prom-client";

export const metrics = {
  records: new Counter({ name: "usdf_aggregator_records_total", help: "Records that went into a window" }),
  windows: new Counter({ name: "usdf_aggregator_windows_total", help: "Windows whose statistics are in Kafka" }),
  late: new Counter({ name: "usdf_aggregator_late_total", help: "Records that came after their window was closed" }),
  forced: new Counter({
    name: "usdf_aggregator_forced_total",
    help: "Windows closed before their time, since more than MAX_OPEN_WINDOWS were open",
  }),
  deadLettered: new Counter({
    name: "usdf_aggregator_dead_lettered_total",
    help: "Messages put into the dead-letter topic, by the reason's code",
    labelNames: ["code"] as const,
  }),
  openWindows: new Gauge({ name: "usdf_aggregator_open_windows", help: "Windows of all topics that are open" }),
  lag: new Gauge({
    name: "usdf_aggregator_lag_messages",
    help: "Messages of all topics that were not read yet, as of their last batch",
  }),
  refusedTopics: new Gauge({
    name: "usdf_aggregator_refused_topics",
    help: "Topics of several partitions, which are not aggregated",
  }),
};
