import { Counter, Gauge, Histogram } from "prom-client";

export const metrics = {
  records: new Counter({ name: "usdf_parquet_sink_records_total", help: "Records whose file is in S3 and committed" }),
  files: new Counter({
    name: "usdf_parquet_sink_files_total",
    help: "Files, by outcome: written, found (there already with the same records), beside (the name was taken)",
    labelNames: ["outcome"] as const,
  }),
  bytes: new Counter({ name: "usdf_parquet_sink_written_bytes_total", help: "Bytes of messages in written files" }),
  deadLettered: new Counter({
    name: "usdf_parquet_sink_dead_lettered_total",
    help: "Messages put into the dead-letter topic, by the reason's code",
    labelNames: ["code"] as const,
  }),
  flushSeconds: new Histogram({
    name: "usdf_parquet_sink_flush_seconds",
    help: "Time until all files of a span of offsets were in S3 and the span was committed",
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
  }),
  bufferedBytes: new Gauge({
    name: "usdf_parquet_sink_buffered_bytes",
    help: "Memory of records that wait for a file",
  }),
  lag: new Gauge({
    name: "usdf_parquet_sink_lag_messages",
    help: "Messages of all partitions that are in no committed file yet, as of their last batch",
  }),
  oldestSeconds: new Gauge({
    name: "usdf_parquet_sink_oldest_seconds",
    help: "How long the record that has waited longest has waited for its file",
  }),
};
for (const outcome of ["written", "found", "beside"]) metrics.files.inc({ outcome }, 0);
