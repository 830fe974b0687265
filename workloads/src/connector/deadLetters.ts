import type { Message, Producer } from "kafkajs";
import { headBytes, schemaIdOf } from "../lib/avro";
import { deadLetterMessage, isTooLarge, withoutValue } from "../lib/deadLetters";
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

/** Puts records into the dead-letter topic, as many in a request as it takes; waits for it as long as it is away. */
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
        if (isTooLarge(error)) sent = sent.map(withoutValue);
        if (stop.aborted) throw error;
        const delayMs = backoffMs(attempt, baseMs, maxMs);
        log.error({ topic, reason: messageOf(error), attempt, delayMs }, "Dead letters cannot be written; nothing goes on without them"); // prettier-ignore
        await sleep(delayMs, stop);
      }
    }
  }

  private messageOf({ origin, code, reason }: DeadLetter): Message {
    const message = deadLetterMessage({ ...origin, code, reason }, this.options.connector);
    const { value } = origin.message;
    if (!this.options.isAvro || value === null || value.length < headBytes || value[0] !== 0) return message;
    return { ...message, headers: { ...message.headers, "usdf.schema": String(schemaIdOf(value)) } };
  }
}
