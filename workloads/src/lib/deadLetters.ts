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

/**
 * Puts messages into the dead-letter topic as they came, with the `usdf.*` headers that the connector's dead letters have
 * too. Resolves when every replica in sync has them. One that is too large with its headers goes without its value.
 */
export async function parkMessages(
  producer: Producer,
  deadLetterTopic: string,
  consumerGroup: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  for (const letter of letters) {
    const message = messageOf(letter, consumerGroup);
    const send = (one: Message) => producer.send({ topic: deadLetterTopic, acks: -1, messages: [one] });
    try {
      await send(message);
    } catch (error) {
      if ((error as { type?: unknown }).type !== "MESSAGE_TOO_LARGE") throw error;
      await send({ ...message, value: null, headers: { ...message.headers, "usdf.value": "left out: too large" } });
    }
  }
}

function messageOf({ topic, partition, message, code, reason }: DeadLetter, consumerGroup: string): Message {
  const { offset, timestamp, key, value } = message;
  return {
    key: `${topic}/${partition}/${offset}`,
    value,
    headers: {
      ...message.headers,
      "usdf.reason": code,
      "usdf.message": reason.slice(0, 1_000),
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
