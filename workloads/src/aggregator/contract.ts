import { z } from "zod";
import { commonEnv, type Contract, type EnvOf, integer, list, seconds } from "../lib/contract";
import { recordEnv, recordSecrets } from "../lib/recordContract";

/** Statistics of windows of telemetry, in topics of their own. */
export const aggregatorContract = {
  name: "aggregator",
  about:
    "Makes statistics of windows of telemetry, in topics `<topic>-aggregated`; never of commands, acks and events.",
  env: z.object({
    ...commonEnv,
    ...recordEnv,
    WINDOW_SECONDS: seconds({ about: "Length of a window", min: 0.001, max: 86_400 }).default(1),
    GRACE_SECONDS: seconds({
      about: "How long a window waits for late records, by the time of later ones; what comes after is counted as late",
      max: 86_400,
    }).default(1),
    IDLE_SECONDS: seconds({
      about: "A topic that is silent for so long, by the clock, gets its last windows",
      min: 0.1,
    }).default(10),
    OPERATIONS: list({ about: "Statistics: of min, q1, mean, median, stdev, q3, max" }).default([
      "min",
      "q1",
      "mean",
      "median",
      "stdev",
      "q3",
      "max",
    ]),
    MIN_SAMPLES: integer({ about: "With fewer samples in a window q1, stdev and q3 are null", min: 2 }).default(2),
    KEY_FIELDS: list({
      about: "Fields that a window never mixes, and that its record carries: devices of one topic differ in salIndex",
    }).default(["salIndex"]),
    FILTERS: z
      .string()
      .meta({
        about:
          'Fields of single topics, JSON: `[{"topic": …, "fields": [names], "map": {name: its new name}}]`. Of other ' +
          "topics all numeric fields are taken, except private ones",
      })
      .default("[]"),
    MAX_OPEN_WINDOWS: integer({
      about: "Windows of one topic that are open at the same time; past it the oldest is closed",
      min: 1,
    }).default(1_000),
    REMOVE_PREFIX: z
      .string()
      .meta({
        about:
          "Taken off a topic's name to make that of its aggregated records: those of mirrored topics are of this cluster, " +
          "and their schemas of its registry",
      })
      .default(""),
    OUTPUT_PARTITIONS: integer({ about: "Partitions of a topic that is made", min: 1 }).default(1),
    OUTPUT_REGISTRY_URL: z
      .string()
      .meta({ about: "Registry that gets the schemas of the aggregated records; empty: REGISTRY_URL" })
      .default(""),
  }),
  secrets: z.object(recordSecrets),
  httpPort: 8000,
  longestStepSeconds: 20,
  runs: "until-stopped",
} as const satisfies Contract;

export type AggregatorEnv = EnvOf<typeof aggregatorContract>;

/** What the name of a topic of aggregated records ends with. */
export const aggregatedSuffix = "-aggregated";
