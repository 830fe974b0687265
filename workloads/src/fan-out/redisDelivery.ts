import type { Redis } from "ioredis";
import type { Logger } from "../lib/log";
import { persistently } from "../lib/persistently";
import { addVisit, isExpired, type NextVisit, slugOf, trimStream, visitAgeSeconds } from "../lib/visits";
import type { Route } from "./config";
import type { Delivery } from "./delivery";
import { onRedis, StreamFullError } from "./errors";
import { metrics } from "./metrics";

export interface RedisDeliveryOptions {
  readonly redis: Redis;
  readonly maxEntries: number;
  /** Age at which a visit that finds no room is given up, as its workers would: one stuck instrument holds up no other. */
  readonly expirationSeconds: number;
  readonly stop: AbortSignal;
  readonly log: Logger;
}

/** Messages are entries of the instrument's stream: one round trip a visit. */
export class RedisDelivery implements Delivery {
  constructor(private readonly options: RedisDeliveryOptions) {}

  async deliver(visit: NextVisit, route: Route, detectors: readonly number[]): Promise<string> {
    const { log } = this.options;
    const labels = { instrument: slugOf(visit.instrument) };
    metrics.inProcess.inc(labels, detectors.length);
    try {
      const { outcome, firstId } = await persistently("stream", () => this.add(visit, route, detectors), this.options);
      const about = { instrument: visit.instrument, group: visit.groupId, survey: visit.survey, firstId };
      if (outcome === "repeat") log.info(about, "Visit is fanned out already");
      else if (outcome === "expired")
        log.error(about, "Visit is not fanned out: its stream had no room until it was too old");
      else if (outcome === "older") log.warn(about, "Visit is not fanned out: its group was announced anew since");
      else {
        metrics.messages.inc(labels, detectors.length);
        const text = outcome === "replaced" ? "Visit fanned out anew: its group was announced with other values" : "Visit fanned out"; // prettier-ignore
        log[outcome === "replaced" ? "warn" : "info"]({ ...about, detectors: detectors.length }, text);
      }
      return outcome === "added" ? "fanned_out" : outcome;
    } finally {
      metrics.inProcess.dec(labels, detectors.length);
    }
  }

  private async add(visit: NextVisit, route: Route, detectors: readonly number[]) {
    const { redis, maxEntries, expirationSeconds } = this.options;
    return onRedis(`Fanning out ${visit.groupId} of ${visit.instrument}`, async () => {
      let added = await addVisit(redis, route, visit, detectors, maxEntries);
      if (added.outcome === "full") {
        await trimStream(redis, route.stream);
        added = await addVisit(redis, route, visit, detectors, maxEntries);
      }
      if (added.outcome === "full") {
        metrics.full.inc({ stream: route.stream });
        if (isExpired(visitAgeSeconds(visit, Date.now()), expirationSeconds))
          return { ...added, outcome: "expired" as const };
        throw new StreamFullError(route.stream, added.entries);
      }
      return added;
    });
  }
}
