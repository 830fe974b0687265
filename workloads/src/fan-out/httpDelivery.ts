import type { Redis } from "ioredis";
import pLimit from "p-limit";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { persistently, StoppedError } from "../lib/persistently";
import { backoffMs, sleep } from "../lib/process";
import { beginPosts, endPost, isExpired, type NextVisit, parkLetters, slugOf, visitAgeSeconds, visitJson } from "../lib/visits"; // prettier-ignore
import type { Route } from "./config";
import type { Delivery } from "./delivery";
import { onRedis } from "./errors";
import { metrics } from "./metrics";
import { type Answer, Poster, PostTimeoutError } from "./poster";

export interface HttpDeliveryOptions {
  readonly redis: Redis;
  /** POSTs under way at the same time. */
  readonly maxPosts: number;
  readonly timeoutMs: number;
  /** How often a POST is repeated that was answered 503. */
  readonly retries: number;
  readonly maxRetryDelayMs: number;
  /** A visit that reached no worker for so long is given up. */
  readonly expirationSeconds: number;
  /** Told to stop: nothing is repeated any more. */
  readonly stop: AbortSignal;
  /** Ends the POSTs that are not answered by then. */
  readonly leaving: AbortSignal;
  readonly log: Logger;
}

const baseMs = 250;

/** Messages are CloudEvents that are POSTed to the instrument's service, one for each detector. */
export class HttpDelivery implements Delivery {
  private readonly poster: Poster;
  private readonly limit: ReturnType<typeof pLimit>;

  constructor(private readonly options: HttpDeliveryOptions) {
    this.poster = new Poster(options.timeoutMs, options.leaving);
    this.limit = pLimit(options.maxPosts);
  }

  async deliver(visit: NextVisit, route: Route, detectors: readonly number[], source: string): Promise<string> {
    const { redis } = this.options;
    const begin = () => onRedis(`Noting ${visit.groupId}`, () => beginPosts(redis, visit, detectors));
    const begun = await persistently("visit", begin, this.options);
    const posts = await Promise.allSettled(begun.detectors.map((detector) => this.limit(() => this.post(visit, route, detector, source)))); // prettier-ignore
    for (const post of posts) if (post.status === "rejected") throw post.reason;
    return begun.outcome === "added" ? "fanned_out" : begun.outcome;
  }

  /** One message, until it is answered for good. */
  private async post(visit: NextVisit, { url }: Route, detector: number, source: string): Promise<void> {
    const labels = { instrument: slugOf(visit.instrument) };
    const body = cloudEvent(visit, detector, source);
    metrics.messages.inc(labels);
    metrics.inProcess.inc(labels);
    try {
      const result = await this.untilAnswered(visit, url!, body, labels);
      if (result.letter) await this.park(visit, detector, source, body, result.letter);
      const end = () => onRedis(`Noting ${visit.groupId}`, () => endPost(this.options.redis, visit, detector, result.status)); // prettier-ignore
      await persistently("answer", end, this.options);
    } finally {
      metrics.inProcess.dec(labels);
    }
  }

  private async untilAnswered(
    visit: NextVisit,
    url: string,
    body: string,
    labels: { instrument: string },
  ): Promise<{ status: string; letter?: { code: string; reason: string; attempts: number } }> {
    const { stop, leaving, retries, maxRetryDelayMs, timeoutMs, expirationSeconds, log } = this.options;
    for (let [attempt, busy] = [1, 0]; ; attempt++) {
      if (stop.aborted) throw new StoppedError("told to stop");
      let answer: Answer;
      try {
        answer = await this.poster.post(url, body);
      } catch (error) {
        if (leaving.aborted) throw new StoppedError("told to stop");
        const status = error instanceof PostTimeoutError ? "timeout" : "unreachable";
        metrics.answers.inc({ ...labels, status });
        const reason = `POST to ${url} failed: ${messageOf(error)}.`;
        if (status === "timeout" || isExpired(visitAgeSeconds(visit, Date.now()), expirationSeconds))
          return { status, letter: { code: `HTTP_${status.toUpperCase()}`, reason, attempts: attempt } };
        const delayMs = backoffMs(attempt, baseMs, maxRetryDelayMs);
        log.warn({ url, group: visit.groupId, reason, attempt, delayMs }, "Worker cannot be reached; trying again");
        await sleep(delayMs, stop);
        continue;
      }
      const status = String(answer.status);
      metrics.answers.inc({ ...labels, status });
      // 403: too old; 422: not to be processed. Both are the worker's decision, and no fault.
      if ((answer.status >= 200 && answer.status < 300) || answer.status === 403 || answer.status === 422) return { status }; // prettier-ignore
      if (answer.status === 503 && busy++ < retries) {
        await sleep(Math.min(answer.retryAfterMs ?? timeoutMs, maxRetryDelayMs), stop);
        continue;
      }
      const reason = `${url} answered ${status}${answer.text && `: ${answer.text}`}.`;
      return { status, letter: { code: "HTTP_STATUS", reason, attempts: attempt } };
    }
  }

  private async park(
    visit: NextVisit,
    detector: number,
    source: string,
    body: string,
    why: { code: string; reason: string; attempts: number },
  ): Promise<void> {
    // prettier-ignore
    const { redis, log } = this.options;
    const { instrument, groupId: group } = visit;
    const from = `${source}/${detector}`;
    const letter = { stage: "fan-out", ...why, instrument, group, detector, source: from, payload: Buffer.from(body) } as const; // prettier-ignore
    await persistently("dead letter", () => onRedis("A dead letter", () => parkLetters(redis, [letter])), this.options);
    metrics.deadLettered.inc({ code: why.code });
    log.error({ source: from, instrument, group, detector, ...why }, "Message is a dead letter");
  }
}

/**
 * A structured CloudEvent whose data is the visit as JSON text in a JSON string. Its id is the same each time, so that a
 * repeat is seen to be one.
 */
function cloudEvent(visit: NextVisit, detector: number, source: string): string {
  return JSON.stringify({
    specversion: "1.0",
    id: `${source}/${detector}`,
    source: source.slice(0, source.indexOf("/")),
    type: "com.example.kafka",
    time: new Date().toISOString(),
    data: visitJson(visit, detector),
  });
}
