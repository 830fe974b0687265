/** Names of every Redis key, in one place. `bucket` is `[profile@]bucket`, `path` is `bucket/key` without `s3://`. */
export const redisKey = {
  /** List of paths to ingest: LPUSH on receipt, oldest on the right. */
  queue: (bucket: string) => `QUEUE:${bucket}`,
  /** List of paths that one pod works on. */
  worker: (bucket: string, pod: string) => `WORKER:${bucket}:${pod}`,
  /** Lease of that list: token of the process, with a time to live. */
  lease: (bucket: string, pod: string) => `LEASE:${bucket}:${pod}`,
  /** Set of the worker lists that have or had a lease: tells them from the lists of an image without leases. */
  workers: "WORKERS",
  /** Sorted set of paths that wait for their next attempt; score = due time, ms. */
  retry: (bucket: string) => `RETRY:${bucket}`,
  /** Set of guider paths in {@link redisKey.retry} that wait for an exposure. */
  parked: (bucket: string, expId: string) => `PARKED:${bucket}:${expId}`,
  /** Hash path -> JSON of what a person must look at. */
  dead: (bucket: string) => `DEAD:${bucket}`,
  /** Sorted set of work after ingest (JSON); score = due time, ms. */
  followUp: (bucket: string) => `FOLLOWUP:${bucket}`,
  /** Hash follow-up -> failed attempts. */
  followUpAttempts: (bucket: string) => `FOLLOWUPTRIES:${bucket}`,
  /** Capped list of notifications that could not be read. */
  rejected: "REJECTED",
  /** Identity of the newest notification that was queued for a path. */
  enqueued: (path: string) => `ENQ:${path}`,
  /** Hash of what happened to a path: `recv_time`, `ingest_time`, `ing_fail_exc`, `ing_fail_count`, `md_fail_exc`. */
  file: (path: string) => `FILE:${path}`,
  /** Hash dayObs -> objects received. */
  received: (bucket: string) => `REC:${bucket}`,
  receivedByInstrument: (bucket: string, instrument: string) => `RECINSTR:${bucket}:${instrument}`,
  /** Largest seqNum of a dayObs. */
  maxSeqNum: (bucket: string, instrument: string, dayObs: string) => `MAXSEQ:${bucket}:${instrument}:${dayObs}`,
  /** Hash dayObs -> objects ingested, and failed attempts. */
  ingested: (bucket: string, instrument: string) => `INGEST:${bucket}:${instrument}`,
  failed: (bucket: string, instrument: string) => `FAIL:${bucket}:${instrument}`,
  /** Hash `<dayObs>:count|sum|min|max` -> latency from receipt to ingest, seconds. */
  latency: (bucket: string, instrument: string) => `LATENCY:${bucket}:${instrument}`,
  /** `s3://` URI of the image of a detector in a group. */
  group: (instrument: string, group: string, snap: number, detector: string) =>
    `GROUP:${instrument}:${group}:${snap}:${detector}`,
} as const;
