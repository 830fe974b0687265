import type { KafkaMessage, Message, Producer } from "kafkajs";

/** A message that cannot be processed, and why. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
  /** Stable name of the reason, e.g. `SCHEMA_UNKNOWN`. */
  readonly code: string;
  readonly reason: string;
}

/** Longest reason in a header. */
const reasonLimit = 1_000;

/**
 * A dead letter: the record as it came (key, value, headers), and beside it `usdf.*` headers that say where it was and why it
 * is here. Its key is `topic/partition/offset`, the original's own is a header: so a repeat is seen to be one.
 */
export function deadLetterMessage(letter: DeadLetter, consumerGroup: string): Message {
  const { topic, partition, message, code, reason } = letter;
  const { offset, timestamp, key, value } = message;
  return {
    key: `${topic}/${partition}/${offset}`,
    value,
    headers: {
      ...message.headers,
      "usdf.reason": code,
      "usdf.message": reason.slice(0, reasonLimit),
      "usdf.topic": topic,
      "usdf.partition": String(partition),
      "usdf.offset": offset,
      "usdf.timestamp": timestamp,
      "usdf.connector": consumerGroup,
      "usdf.failed": new Date().toISOString(),
      ...(key !== null && { "usdf.key": key }),
    },
  };
}

/** The same where the broker takes no message of its size: the record itself is still in its own topic. */
export function withoutValue(message: Message): Message {
  return { ...message, value: null, headers: { ...message.headers, "usdf.value": "left out: too large" } };
}

/** Whether the broker refused a message for its size. */
export const isTooLarge = (error: unknown) => (error as { type?: unknown }).type === "MESSAGE_TOO_LARGE";

/** Puts messages into the dead-letter topic. Resolves when every replica in sync has them. */
export async function parkMessages(
  producer: Producer,
  deadLetterTopic: string,
  consumerGroup: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  for (const letter of letters) {
    const message = deadLetterMessage(letter, consumerGroup);
    const send = (one: Message) => producer.send({ topic: deadLetterTopic, acks: -1, messages: [one] });
    await send(message).catch((error: unknown) => {
      if (!isTooLarge(error)) throw error;
      return send(withoutValue(message));
    });
  }
}
