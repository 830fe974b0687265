/**
 * Mends kafkajs 2.2.4, whose every connection looks a thousand times a second whether a request waits, also when none does
 * (tulios/kafkajs#1556, #1704): 3 % of a core for each connection of a program that has nothing to do.
 */
import RequestQueue from "kafkajs/src/network/requestQueue";

/** Time after which it is looked again whether what waits may be sent, ms; an answer looks, too. */
const checkMs = 10;

RequestQueue.prototype.scheduleCheckPendingRequests = function () {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const check = () => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  };
  this.throttleCheckTimeoutId = setTimeout(check, Math.max(checkMs, this.throttledUntil - Date.now()));
};
