import { Counter, Gauge, Histogram } from "prom-client";

const perInstrument = ["instrument"] as const;

/**
 * Metrics of a worker. None of Node's own: what measures the event loop wakes an idle process a hundred times a second, and
 * there are hundreds of them.
 */
export const metrics = {
  processing: new Gauge({
    name: "usdf_prompt_worker_processing",
    help: "Whether it has a visit in hand",
    labelNames: perInstrument,
  }),
  visits: new Counter({
    name: "usdf_prompt_worker_visits_total",
    help: "Visits by end: committed, ignored, already (committed before), expired, retried, dead, handed-back, lost",
    labelNames: [...perInstrument, "end"] as const,
  }),
  failures: new Counter({
    name: "usdf_prompt_worker_failures_total",
    help: "Failed attempts by code",
    labelNames: [...perInstrument, "code"] as const,
  }),
  incomplete: new Counter({
    name: "usdf_prompt_worker_incomplete_total",
    help: "Visits for which fewer raws came than announced",
    labelNames: perInstrument,
  }),
  refused: new Counter({
    name: "usdf_prompt_worker_commits_refused_total",
    help: "Commits that were not granted, by verdict: lost, done, busy, unknown",
    labelNames: [...perInstrument, "verdict"] as const,
  }),
  taken: new Counter({
    name: "usdf_prompt_worker_taken_back_total",
    help: "Visits of workers that were silent for too long, given back by this one",
    labelNames: perInstrument,
  }),
  starts: new Gauge({
    name: "usdf_prompt_worker_pipeline_starts",
    help: "Times that the pipeline program was started",
    labelNames: perInstrument,
  }),
  delay: new Histogram({
    name: "usdf_prompt_worker_delay_seconds",
    help: "Time that a visit was in the stream before a worker had it",
    labelNames: perInstrument,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 900, 3_600],
  }),
  seconds: new Histogram({
    name: "usdf_prompt_worker_seconds",
    help: "Time of a visit by stage: raws (until the last had come), all",
    labelNames: [...perInstrument, "stage"] as const,
    buckets: [0.1, 1, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900],
  }),
};
