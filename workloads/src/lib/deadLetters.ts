import type { KafkaMessage, Producer } from "kafkajs";

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
 * Puts messages into the dead-letter topic as they came, with headers that say where from and why. Resolves when every
 * replica in sync has them.
 */
export async function parkMessages(
  producer: Producer,
  deadLetterTopic: string,
  consumerGroup: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  await producer.send({
    topic: deadLetterTopic,
    acks: -1,
    messages: letters.map(({ topic, partition, message, code, reason }) => ({
      key: message.key,
      value: message.value,
      headers: {
        ...message.headers,
        "dead-letter-code": code,
        "dead-letter-reason": reason.slice(0, 1_000),
        "dead-letter-group": consumerGroup,
        "source-topic": topic,
        "source-partition": String(partition),
        "source-offset": message.offset,
        "source-timestamp": message.timestamp,
      },
    })),
  });
}
