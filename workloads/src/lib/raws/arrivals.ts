import type { Redis } from "ioredis";
import { messageOf } from "../errors";
import type { Logger } from "../log";
import { backoffMs } from "../process";
import { promptKey } from "../visits/keys";
import { parseRaw, type Raw, rawField } from "./raw";

/** First and largest delay after Redis failed, ms. */
const baseMs = 100;
const maxMs = 2_000;
/** A connection can be dead without a sign of it; then the hash is read again after so long. */
const recheckMs = 15_000;

/** What a worker processes: a detector of a group. */
export interface RawsOf {
  readonly instrument: string;
  readonly group: string;
  readonly detector: number;
}

/** A connection of a worker for {@link RawArrivals}, made when it is needed first. The caller ends it. */
export function rawListener(redis: Redis): Redis {
  const listener = redis.duplicate({ autoResubscribe: false, lazyConnect: true });
  return listener.on("error", () => undefined); // it connects again by itself; reading says what is wrong
}

/**
 * The raws of one detector of a group: those that came before, then those that come. It subscribes, then reads the hash, then
 * waits, and does all of it again whenever the connection was lost: so nothing is missed and nobody polls.
 */
export class RawArrivals {
  private readonly channel: string;
  private readonly hash: string;
  private readonly waiting: Raw[] = [];
  /** Field -> JSON that was given out. */
  private readonly seen = new Map<string, string>();
  private wake: () => void = () => {};
  private reading = false;
  private again = false;
  private closed = false;
  private attempt = 0;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param redis - For reading.
   * @param listener - For listening, see {@link rawListener}.
   */
  constructor(
    private readonly redis: Redis,
    private readonly listener: Redis,
    private readonly of: RawsOf,
    private readonly log: Logger,
  ) {
    this.channel = promptKey.rawsChannel(of.instrument, of.group, of.detector);
    this.hash = promptKey.raws(of.instrument, of.group);
    listener.on("ready", this.onReady);
    listener.on("message", this.onMessage);
    if (listener.status === "ready") void this.catchUp();
    else if (listener.status === "wait") listener.connect().catch(() => undefined); // it goes on trying
  }

  private readonly onReady = () => void this.catchUp();
  private readonly onMessage = (channel: string, text: string) => {
    if (channel === this.channel) this.add(text);
  };

  /**
   * The next raw, as soon as there is one; each is given once, a file that was PUT anew once more.
   * @param deadlineMs - Time since 1970 up to which is waited.
   * @returns nothing at the deadline or when told to stop. Redis being away only means waiting.
   */
  async next(deadlineMs: number, stop?: AbortSignal): Promise<Raw | undefined> {
    while (this.waiting.length === 0) {
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0 || stop?.aborted || this.closed) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 2 ** 31 - 1));
        const end = () => {
          clearTimeout(timer);
          stop?.removeEventListener("abort", end);
          resolve();
        };
        this.wake = end;
        stop?.addEventListener("abort", end, { once: true });
      });
    }
    return this.waiting.shift();
  }

  /** Ends listening. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.listener.off("ready", this.onReady).off("message", this.onMessage);
    this.listener.unsubscribe(this.channel).catch(() => undefined); // without a connection there is nothing to end
    this.wake();
  }

  /** Subscribes and reads what the hash has; one at a time. */
  private async catchUp(): Promise<void> {
    this.again = true;
    if (this.reading) return;
    this.reading = true;
    clearTimeout(this.timer);
    let nextMs = recheckMs;
    try {
      while (this.again && !this.closed) {
        this.again = false;
        await this.listener.subscribe(this.channel);
        await this.read();
      }
      this.attempt = 0;
    } catch (error) {
      nextMs = backoffMs(++this.attempt, baseMs, maxMs);
      if (!this.closed) this.log.warn({ ...this.of, reason: messageOf(error), nextMs }, "Raws cannot be read from Redis; trying again"); // prettier-ignore
    }
    this.reading = false;
    if (!this.closed) this.timer = setTimeout(() => void this.catchUp(), nextMs);
  }

  private async read(): Promise<void> {
    let cursor = "0";
    do {
      const [next, fields] = await this.redis.hscan(
        this.hash,
        cursor,
        "MATCH",
        `${this.of.detector}/*`,
        "COUNT",
        1_000,
      );
      for (let at = 1; at < fields.length; at += 2) this.add(fields[at]!);
      cursor = next;
    } while (cursor !== "0");
  }

  private add(text: string): void {
    let raw: Raw;
    try {
      raw = parseRaw(text);
    } catch (error) {
      this.log.error({ ...this.of, reason: messageOf(error) }, "A raw in Redis is no JSON; it is left out");
      return;
    }
    const field = rawField(raw);
    if (this.seen.get(field) === text) return;
    this.seen.set(field, text);
    this.waiting.push(raw);
    this.wake();
  }
}
