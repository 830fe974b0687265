import { Counter, Gauge, Histogram } from "prom-client";

const perInstrument = ["bucket", "instrument"] as const;
/** From an object that is ingested at once to one that waited for a night. */
const latencyBuckets = [0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400];

/** Metrics of ingest. */
export const metrics = {
  ingested: new Counter({
    name: "usdf_ingest_ingested_total",
    help: "Objects that are in the Butler now; repeats of an object are counted apart",
    labelNames: perInstrument,
  }),
  already: new Counter({
    name: "usdf_ingest_already_total",
    help: "Objects that the Butler had already",
    labelNames: perInstrument,
  }),
  failed: new Counter({
    name: "usdf_ingest_failed_total",
    help: "Failed attempts by code",
    labelNames: [...perInstrument, "code"] as const,
  }),
  retried: new Counter({
    name: "usdf_ingest_retried_total",
    help: "Objects that wait for another attempt, by code; parked guiders have UNDEFINED_EXPOSURE",
    labelNames: [...perInstrument, "code"] as const,
  }),
  deadLettered: new Counter({
    name: "usdf_ingest_dead_lettered_total",
    help: "Objects that ingest gave up on, by code",
    labelNames: [...perInstrument, "code"] as const,
  }),
  latency: new Histogram({
    name: "usdf_ingest_latency_seconds",
    help: "Time until an object was in the Butler, since its last-modified (resolution 1 s) or since its notification",
    labelNames: [...perInstrument, "since"] as const,
    buckets: latencyBuckets,
  }),
  batchSeconds: new Histogram({
    name: "usdf_ingest_batch_seconds",
    help: "Time of one batch by stage: metadata, butler, all",
    labelNames: ["stage"] as const,
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120],
  }),
  batchFiles: new Histogram({
    name: "usdf_ingest_batch_files",
    help: "Files of one batch",
    buckets: [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000],
  }),
  leaseLost: new Counter({ name: "usdf_ingest_lease_lost_total", help: "Leases that this pod lost" }),
  faults: new Counter({
    name: "usdf_ingest_faults_total",
    help: "Turns that a lost dependency ended, by code",
    labelNames: ["code"] as const,
  }),
  followUps: new Counter({
    name: "usdf_ingest_follow_ups_total",
    help: "Work after ingest by kind (visit, webhook) and result (done, retried, dead)",
    labelNames: ["kind", "result"] as const,
  }),
  butlerRestarts: new Gauge({ name: "usdf_ingest_butler_restarts", help: "Times that the Butler child was lost" }),
};
