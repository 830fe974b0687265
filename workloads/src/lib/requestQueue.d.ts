/** What of the inside of kafkajs is mended; see kafkaRequests.ts. */
declare module "kafkajs/src/network/requestQueue" {
  export default class RequestQueue {
    constructor(options: object);
    /** Requests that wait for the end of a throttling, or for an answer to an earlier one. */
    readonly pending: readonly unknown[];
    /** Unix time, ms; -1: never throttled. */
    throttledUntil: number;
    throttleCheckTimeoutId: NodeJS.Timeout | null;
    push(request: object): void;
    fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void;
    /** Sends what waits, as far as it may be sent, and calls {@link scheduleCheckPendingRequests}. */
    checkPendingRequests(): void;
    scheduleCheckPendingRequests(): void;
    maybeThrottle(ms: number): void;
  }
}
