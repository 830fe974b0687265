import type { KafkaMessage, Producer } from "kafkajs";
import type { AvroRegistry, AvroSchema } from "./avro";
import { type DeadLetter, parkMessages } from "./deadLetters";
import { FacilityError, messageOf } from "./errors";
import type { Logger } from "./log";
import { persistently } from "./persistently";
import { type RecordTimeField, recordTimeMs } from "./recordTime";

export { StoppedError } from "./persistently";

/** A record of a topic. */
export interface ReadRecord {
  readonly schema: AvroSchema;
  readonly value: Readonly<Record<string, unknown>>;
  /** Its own time, or Kafka's where it has none; ms since 1970. */
  readonly timeMs: number;
}

export interface RecordReaderOptions {
  readonly registry: AvroRegistry;
  readonly producer: Producer;
  readonly deadLetterTopic: string;
  readonly consumerGroup: string;
  readonly time: RecordTimeField;
  readonly stop: AbortSignal;
  readonly log: Logger;
  /** Counts what is put aside, by the reason's code. */
  readonly parked: (code: string) => void;
}

/** Reads messages as records; what cannot be read is in the dead-letter topic when {@link read} says so. */
export class RecordReader {
  constructor(private readonly options: RecordReaderOptions) {}

  /** Connects to where dead letters go. @throws {@link StoppedError} when told to stop before. */
  async connect(): Promise<void> {
    await this.persistently("Kafka", async () => {
      try {
        await this.options.producer.connect();
      } catch (error) {
        throw new KafkaUnavailableError(error);
      }
    });
  }

  /**
   * @returns undefined when there is nothing to read: a tombstone, or a message that is now a dead letter.
   * @throws {@link StoppedError} when told to stop while the registry or Kafka is away.
   */
  async read(topic: string, partition: number, message: KafkaMessage): Promise<ReadRecord | undefined> {
    const { registry, time } = this.options;
    const bytes = message.value;
    if (bytes === null) return undefined;
    try {
      const { schema, value } = await this.persistently("schema", () => registry.decode(bytes));
      return { schema, value, timeMs: recordTimeMs(value, time) ?? Number(message.timestamp) };
    } catch (error) {
      if (!(error instanceof FacilityError)) throw error;
      await this.park({ topic, partition, message, code: error.code, reason: error.message });
      return undefined;
    }
  }

  /** Does what can be repeated without harm until it succeeds. @throws what cannot succeed, and {@link StoppedError}. */
  persistently<T>(what: string, work: () => Promise<T>): Promise<T> {
    return persistently(what, work, this.options);
  }

  private async park(letter: DeadLetter): Promise<void> {
    const { producer, deadLetterTopic, consumerGroup, log, parked } = this.options;
    const { topic, partition, message, code, reason } = letter;
    await this.persistently("dead letter", async () => {
      try {
        await parkMessages(producer, deadLetterTopic, consumerGroup, [letter]);
      } catch (error) {
        throw new DeadLetterError(deadLetterTopic, error);
      }
    });
    parked(code);
    log.error({ topic, partition, offset: message.offset, code, reason }, "Message is a dead letter");
  }
}

/** The brokers do not answer. */
class KafkaUnavailableError extends FacilityError {
  readonly code = "KAFKA_UNAVAILABLE";
  readonly retryable = true;
  constructor(cause: unknown) {
    super(`Kafka cannot be reached: ${messageOf(cause)}. Look at KAFKA_BROKERS and at the brokers.`, { cause });
  }
}

/** The dead-letter topic does not take a message. */
class DeadLetterError extends FacilityError {
  readonly code = "DEAD_LETTER_UNAVAILABLE";
  readonly retryable = true;
  constructor(topic: string, cause: unknown) {
    super(`Topic ${topic} does not take a dead letter: ${messageOf(cause)}. Create it, and let the user write to it.`, {
      cause,
    });
  }
}
