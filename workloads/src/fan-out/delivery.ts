import type { NextVisit } from "../lib/visits";
import type { Route } from "./config";

/** How workers get their messages. */
export interface Delivery {
  /**
   * Resolves when the messages of a visit need no repeat, whatever happens.
   * @param source - `topic/partition/offset` of the event.
   * @returns what became of the visit, for the metric.
   * @throws StoppedError when told to stop before.
   */
  deliver(visit: NextVisit, route: Route, detectors: readonly number[], source: string): Promise<string>;
}
