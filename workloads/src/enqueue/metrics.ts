import { Counter, Gauge, Histogram } from "prom-client";

const perInstrument = ["bucket", "instrument"] as const;

export const metrics = {
  received: new Counter({
    name: "usdf_enqueue_received_total",
    help: "Objects of notifications that DATASET_REGEXP takes, repeats included",
    labelNames: perInstrument,
  }),
  queued: new Counter({
    name: "usdf_enqueue_queued_total",
    help: "Objects put in the queue",
    labelNames: perInstrument,
  }),
  duplicates: new Counter({
    name: "usdf_enqueue_duplicates_total",
    help: "Objects whose notification was queued before",
    labelNames: perInstrument,
  }),
  deadLettered: new Counter({
    name: "usdf_enqueue_dead_lettered_total",
    help: "Objects that cannot be queued, by the reason's code",
    labelNames: ["bucket", "code"] as const,
  }),
  ignored: new Counter({
    name: "usdf_enqueue_ignored_total",
    help: "Records left out on purpose: event (nothing was created), regexp (DATASET_REGEXP does not take it)",
    labelNames: ["reason"] as const,
  }),
  rejected: new Counter({
    name: "usdf_enqueue_rejected_total",
    help: "Notifications, or records of them, that cannot be read; kept in the list REJECTED",
  }),
  unauthorized: new Counter({
    name: "usdf_enqueue_unauthorized_total",
    help: "Webhook records with a wrong secret",
  }),
  storeFailures: new Counter({
    name: "usdf_enqueue_store_failures_total",
    help: "Batches that Redis did not take; nothing of them was acknowledged",
  }),
  storeSeconds: new Histogram({
    name: "usdf_enqueue_store_seconds",
    help: "Time until a batch was durable in Redis",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  }),
  kafkaLag: new Gauge({
    name: "usdf_enqueue_kafka_lag_messages",
    help: "Messages of a partition that are not durable in Redis yet, as of its last batch",
    labelNames: ["partition"] as const,
  }),
};
for (const reason of ["event", "regexp"]) metrics.ignored.inc({ reason }, 0);

/** Label values come from outside: past this many of a kind the rest is counted as `other`. */
const labelLimit = 200;
const known = { bucket: new Set<string>(), instrument: new Set<string>() };

/** A label value of bounded variety. */
export function label(kind: keyof typeof known, value: string): string {
  const values = known[kind];
  if (values.has(value)) return value;
  if (values.size >= labelLimit) return "other";
  values.add(value);
  return value;
}
