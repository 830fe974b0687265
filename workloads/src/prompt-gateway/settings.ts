/** What a worker keeps to; times in ms. */
export interface GatewaySettings {
  readonly instrument: string;
  /** A worker that is silent for so long loses its visit. */
  readonly leaseMs: number;
  readonly workerTimeoutMs: number;
  /** Time that a stop leaves to a pipeline that has begun. */
  readonly graceMs: number;
  readonly imageTimeoutMs: number;
  /** Without a visit for so long, it ends. */
  readonly idleTimeoutMs: number;
  readonly expirationSeconds: number;
  readonly maxAttempts: number;
  /** Visits after which it ends; 0: no limit. */
  readonly maxVisits: number;
}
