import type { IHeaders, Message, Producer } from "kafkajs";
import { schemaIdOf } from "../lib/avro";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import type { DeadLetter } from "./batch";
import { metrics } from "./metrics";

export interface DeadLetterOptions {
  readonly producer: Producer;
  readonly topic: string;
  /** Consumer group, which names the connector. */
  readonly connector: string;
  readonly isAvro: boolean;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

/** Most bytes of one request; a broker takes 1 MB of a topic by default, and 10 MB in Sasquatch. */
const requestBytes = 900_000;
const baseMs = 500;
const maxMs = 15_000;
/** Longest reason in a header. */
const reasonLimit = 1_000;

/**
 * Puts records into the dead-letter topic as they came: key, value and headers, and beside them `usdf.*` headers that say
 * where each was and why it is here. Its key is `topic/partition/offset`, the original's own is a header, so that a compacted
 * topic holds a record once however often it was tried.
 */
export class DeadLetters {
  private isConnected = false;

  constructor(private readonly options: DeadLetterOptions) {}

  /** Resolves when all are on the brokers' disks; tries on for ever. @throws when told to stop before. */
  async park(letters: readonly DeadLetter[]): Promise<void> {
    const { log } = this.options;
    for (let first = 0; first < letters.length;) {
      const messages: Message[] = [];
      let bytes = 0;
      while (first + messages.length < letters.length) {
        const message = this.messageOf(letters[first + messages.length]!);
        bytes += (message.value?.length ?? 0) + 1500;
        if (messages.length > 0 && bytes > requestBytes) break;
        messages.push(message);
      }
      await this.send(messages);
      const parked = letters.slice(first, first + messages.length);
      first += messages.length;
      for (const { code } of parked) metrics.deadLetters.inc({ reason: code });
      const { origin, code, reason } = parked[0]!;
      const at = `${origin.topic}/${origin.partition}/${origin.message.offset}`;
      log.warn({ records: parked.length, code, first: at }, `Parked in ${this.options.topic}: ${reason}`);
    }
  }

  private async send(messages: Message[]): Promise<void> {
    const { producer, topic, log, stop } = this.options;
    let sent = messages;
    for (let attempt = 1; ; attempt++) {
      try {
        if (!this.isConnected) await producer.connect();
        this.isConnected = true;
        await producer.send({ topic, acks: -1, timeout: 20_000, messages: sent });
        return;
      } catch (error) {
        if ((error as { type?: string }).type === "MESSAGE_TOO_LARGE") {
          // Where it was is kept; the record itself is still in its own topic.
          sent = sent.map((message) => ({ ...message, value: null, headers: { ...message.headers, "usdf.value": "left out: too large" } })); // prettier-ignore
        }
        if (stop.aborted) throw error;
        const delayMs = backoffMs(attempt, baseMs, maxMs);
        log.error({ topic, reason: messageOf(error), attempt, delayMs }, "Dead letters cannot be written; nothing goes on without them"); // prettier-ignore
        await sleep(delayMs, stop);
      }
    }
  }

  private messageOf({ origin, code, reason }: DeadLetter): Message {
    const { topic, partition, message } = origin;
    const { offset, timestamp, key, value } = message;
    const headers: IHeaders = {
      ...message.headers,
      "usdf.reason": code,
      "usdf.message": reason.slice(0, reasonLimit),
      "usdf.topic": topic,
      "usdf.partition": String(partition),
      "usdf.offset": offset,
      "usdf.timestamp": timestamp,
      "usdf.connector": this.options.connector,
      "usdf.failed": new Date().toISOString(),
      ...(key !== null && { "usdf.key": key }),
    };
    if (this.options.isAvro && value !== null && value.length >= 5 && value[0] === 0)
      headers["usdf.schema"] = String(schemaIdOf(value));
    return { key: `${topic}/${partition}/${offset}`, value, headers };
  }
}
