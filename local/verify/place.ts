import type { RedisOptions } from "../../workloads/src/lib/redis";
import type { Bucket } from "../camera";

/** Where a canary is sent, and where its traces are looked for: one environment of embargo ingest that runs. */
export interface Place {
  readonly environment: string;
  /** The raw bucket as its owner reaches it. */
  readonly bucket: Bucket;
  /** The bucket as Redis names it, `[profile@]bucket`. */
  readonly path: string;
  readonly redis: RedisOptions;
  /** `http://…/notify`; none where enqueue reads Kafka. */
  readonly enqueueUrl?: string;
  /** `http://…/presence`; without, the canary's way ends in the Butler. */
  readonly presenceUrl?: string;
  /** Command that shows the log of a workload. */
  readonly logCommand: (component: "enqueue" | "ingest" | "presence") => string;
  /** Ends what was started to reach it. */
  close(): Promise<void>;
}

/** A stop on a canary's way. `connect`: Redis answers, so that the others can be watched. */
export const hops = ["connect", "put", "notify", "claim", "ingest", "present"] as const;
export type Hop = (typeof hops)[number];

/** The canary did not get past a hop. */
export class HopFailed extends Error {
  constructor(
    readonly hop: Hop,
    /** What was seen, and what to do. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
