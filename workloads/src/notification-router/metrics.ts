import { Counter, Gauge, Histogram } from "prom-client";

/** Why a notification is among the dead letters. */
export const deadCodes = [
  "NOTIFICATION",
  "UNKNOWN_BUCKET",
  "RAW_PATH",
  "UNKNOWN_CAMERA",
  "UNKNOWN_DETECTOR",
  "SIDECAR_MISSING",
  "SIDECAR_INVALID",
  "SIDECAR_UNREADABLE",
  "FOREIGN_GROUP",
] as const;
export type DeadCode = (typeof deadCodes)[number];

/** Why a record is left out on purpose. */
const ignoredReasons = ["event", "sidecar", "guider", "folder", "group", "expired"] as const;

export const metrics = {
  messages: new Counter({ name: "usdf_notification_router_messages_total", help: "Messages read, repeats included" }),
  published: new Counter({
    name: "usdf_notification_router_published_total",
    help: "Raw files that were published, by instrument",
    labelNames: ["instrument"] as const,
  }),
  repeats: new Counter({ name: "usdf_notification_router_repeats_total", help: "Raw files that were published before" }), // prettier-ignore
  ignored: new Counter({
    name: "usdf_notification_router_ignored_total",
    help:
      "Records left out on purpose: event (nothing was created), sidecar, guider, folder (not where a camera puts it), " +
      "group (the exposure belongs to none), expired (older than RAWS_LIFETIME)",
    labelNames: ["reason"] as const,
  }),
  deadLetters: new Counter({
    name: "usdf_notification_router_dead_letters_total",
    help: "Records, and foreign groups, put among the dead letters, by code",
    labelNames: ["code"] as const,
  }),
  pending: new Gauge({ name: "usdf_notification_router_pending", help: "Records that are read and not done" }),
  searches: new Gauge({ name: "usdf_notification_router_searches", help: "Exposures whose sidecar is looked for" }),
  lag: new Gauge({ name: "usdf_notification_router_lag_messages", help: "Messages of its partitions that are not done" }), // prettier-ignore
  storeFailures: new Counter({ name: "usdf_notification_router_store_failures_total", help: "Batches that Redis did not take and that are tried again" }), // prettier-ignore
  sidecarReads: new Counter({ name: "usdf_notification_router_sidecar_reads_total", help: "Sidecars that were read or looked for" }), // prettier-ignore
  sidecarSeconds: new Histogram({
    name: "usdf_notification_router_sidecar_seconds",
    help: "Time from the first notice of an exposure until its group was known",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
  }),
  arrivalSeconds: new Histogram({
    name: "usdf_notification_router_arrival_seconds",
    help: "Time from the notification's Kafka timestamp until its raw file was published",
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
  }),
};
for (const code of deadCodes) metrics.deadLetters.inc({ code }, 0);
for (const reason of ignoredReasons) metrics.ignored.inc({ reason }, 0);
