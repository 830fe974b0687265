import { Counter, Gauge, Histogram } from "prom-client";

/** Why a record is in the dead-letter topic. */
export const deadReasons = [
  "EMPTY",
  "MESSAGE",
  "SCHEMA_UNKNOWN",
  "SCHEMA_UNSUPPORTED",
  "TIMESTAMP_MISSING",
  "TIMESTAMP_UNIT",
  "TIMESTAMP_RANGE",
  "TYPE_CONFLICT",
  "RETENTION",
  "REFUSED",
] as const;
export type DeadReason = (typeof deadReasons)[number];

export const metrics = {
  messages: new Counter({ name: "usdf_connector_messages_total", help: "Records read, repeats included" }),
  points: new Counter({ name: "usdf_connector_points_total", help: "Points that InfluxDB has stored" }),
  bytes: new Counter({ name: "usdf_connector_written_bytes_total", help: "Bytes of line protocol that InfluxDB has stored" }), // prettier-ignore
  empty: new Counter({
    name: "usdf_connector_empty_total",
    help: "Records without any value: no point is made of them",
  }),
  deadLetters: new Counter({
    name: "usdf_connector_dead_letters_total",
    help: "Records put into the dead-letter topic, by reason",
    labelNames: ["reason"] as const,
  }),
  cutStrings: new Counter({ name: "usdf_connector_cut_strings_total", help: "Strings that were cut at 64 KiB" }),
  collisions: new Gauge({
    name: "usdf_connector_name_collisions",
    help: "Flattened field names that two fields of a schema would have; one of each two is stored under another name",
  }),
  topics: new Gauge({ name: "usdf_connector_topics", help: "Topics that are read" }),
  partitions: new Gauge({ name: "usdf_connector_partitions", help: "Partitions that this member reads" }),
  lag: new Gauge({ name: "usdf_connector_lag_messages", help: "Records of its partitions that are not stored yet, together" }), // prettier-ignore
  lagMost: new Gauge({ name: "usdf_connector_lag_most_messages", help: "The same of the partition with most" }),
  rebalances: new Counter({
    name: "usdf_connector_rebalances_total",
    help: "Times that the group shared out partitions",
  }),
  commits: new Counter({ name: "usdf_connector_commits_total", help: "Commits of offsets" }),
  writeFailures: new Counter({
    name: "usdf_connector_write_failures_total",
    help: "Writes that failed and are tried again, by status of HTTP (0: no answer)",
    labelNames: ["status"] as const,
  }),
  registryFailures: new Counter({ name: "usdf_connector_registry_failures_total", help: "Times that a batch waited since the registry did not answer" }), // prettier-ignore
  writeSeconds: new Histogram({
    name: "usdf_connector_write_seconds",
    help: "Time of one write to InfluxDB that succeeded",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30],
  }),
  writeLines: new Histogram({
    name: "usdf_connector_write_lines",
    help: "Points of one write",
    buckets: [1, 10, 100, 500, 1000, 2500, 5000, 10_000],
  }),
  bufferBytes: new Gauge({ name: "usdf_connector_buffer_bytes", help: "Line protocol in memory" }),
};
for (const reason of deadReasons) metrics.deadLetters.inc({ reason }, 0);
