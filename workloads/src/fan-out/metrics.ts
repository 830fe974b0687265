import { Counter, Gauge, Histogram } from "prom-client";

const perInstrument = ["instrument"] as const;
const perStream = ["stream"] as const;

export const metrics = {
  visits: new Counter({
    name: "usdf_fan_out_visits_total",
    help: "next_visit events that are done with, by what became of them",
    labelNames: ["instrument", "outcome"] as const,
  }),
  messages: new Counter({
    name: "usdf_fan_out_next_visit_messages_total",
    help: "Messages to workers, one for each detector of a visit",
    labelNames: perInstrument,
  }),
  inProcess: new Gauge({
    name: "usdf_fan_out_in_process_requests",
    help: "Messages that are on their way to workers and not answered yet",
    labelNames: perInstrument,
  }),
  seconds: new Histogram({
    name: "usdf_fan_out_seconds",
    help: "From an event's time in Kafka until all of its messages can be read",
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600],
    labelNames: perInstrument,
  }),
  answers: new Counter({
    name: "usdf_fan_out_http_answers_total",
    help: "Answers of workers to POSTs, repeats included",
    labelNames: ["instrument", "status"] as const,
  }),
  deadLettered: new Counter({
    name: "usdf_fan_out_dead_lettered_total",
    help: "Events and messages that became dead letters, by the reason's code",
    labelNames: ["code"] as const,
  }),
  full: new Counter({
    name: "usdf_fan_out_stream_full_total",
    help: "How often a visit had to wait, since its stream was full",
    labelNames: perStream,
  }),
  inHand: new Gauge({ name: "usdf_fan_out_visits_in_hand", help: "Events that are read and not done with" }),
  entries: new Gauge({ name: "usdf_fan_out_stream_entries", help: "Entries of a stream", labelNames: perStream }),
  maxEntries: new Gauge({ name: "usdf_fan_out_stream_max_entries", help: "Entries at which a stream is full" }),
  lag: new Gauge({
    name: "usdf_fan_out_stream_lag_entries",
    help: "Entries of a stream that no worker has read",
    labelNames: perStream,
  }),
  pending: new Gauge({
    name: "usdf_fan_out_stream_pending_entries",
    help: "Entries of a stream that a worker has read and not ended",
    labelNames: perStream,
  }),
  consumers: new Gauge({
    name: "usdf_fan_out_stream_consumers",
    help: "Consumers of a stream's group",
    labelNames: perStream,
  }),
  trimmed: new Counter({
    name: "usdf_fan_out_stream_trimmed_total",
    help: "Entries removed, since every group had read and ended them",
    labelNames: perStream,
  }),
  putBack: new Counter({
    name: "usdf_fan_out_stream_put_back_total",
    help: "Entries taken from workers that gave no sign any more, by what became of them",
    labelNames: ["stream", "outcome"] as const,
  }),
  housekeepingFailures: new Counter({
    name: "usdf_fan_out_housekeeping_failures_total",
    help: "Turns of the housekeeping that failed; the next one tries again",
    labelNames: perStream,
  }),
  letters: new Gauge({ name: "usdf_prompt_dead_letters", help: "Dead letters of all stages that are kept" }),
  lettersAdded: new Gauge({
    name: "usdf_prompt_dead_letters_added",
    help: "Dead letters of all stages since the stream of them began; past those kept, the oldest are gone",
  }),
};
