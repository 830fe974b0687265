import RequestQueue from "kafkajs/src/network/requestQueue";
import "../../../workloads/src/lib/kafka";
import { until } from "../../support/network";

const logger = { debug: () => undefined, warn: () => undefined };
const queueOf = (maxInFlightRequests: number) =>
  new RequestQueue({ maxInFlightRequests, requestTimeout: 60_000, logger });

/** Pushes a request; the list gets its number when it is sent. */
function push(queue: RequestQueue, sent: number[], correlationId: number): void {
  const entry = { correlationId, apiName: "Fetch", apiKey: 1, apiVersion: 11, resolve: () => undefined };
  queue.push({ entry, expectResponse: true, sendRequest: () => void sent.push(correlationId) });
}

test("a connection of Kafka that has nothing to send has no timer", () => {
  const queue = queueOf(2);
  queue.checkPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
  const sent: number[] = [];
  push(queue, sent, 1);
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  expect([sent, queue.throttleCheckTimeoutId]).toEqual([[1], null]);
});

test("what the broker's throttling holds back is sent when that is over, and the timer ends", async () => {
  const queue = queueOf(2);
  const sent: number[] = [];
  const beganMs = Date.now();
  queue.maybeThrottle(300);
  push(queue, sent, 1);
  push(queue, sent, 2);
  expect(sent).toEqual([]);
  await until("both to be sent", () => sent.length === 2, { pollMs: 5 });
  expect(Date.now() - beganMs).toBeGreaterThanOrEqual(300);
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

test("what waits for a place is sent when an answer makes one, also while a check is due", () => {
  const queue = queueOf(1);
  const sent: number[] = [];
  for (const id of [1, 2, 3]) push(queue, sent, id);
  expect(sent).toEqual([1]);
  for (const id of [1, 2, 3]) queue.fulfillRequest({ correlationId: id, payload: Buffer.alloc(0), size: 0 });
  expect(sent).toEqual([1, 2, 3]);
});
