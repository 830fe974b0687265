import type { KafkaMessage } from "kafkajs";
import { LineBuffer } from "./line/lineBuffer";
import type { DeadReason } from "./metrics";

/** Where a record is from. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
}

/** A record that cannot be stored. */
export interface DeadLetter {
  readonly origin: Origin;
  readonly code: DeadReason;
  readonly reason: string;
}

/** The offset after the last record that is in a batch or before it. */
export interface End {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Points that are written together, and what is parked with them. When both are done, its {@link ends} are durable. */
export class Batch {
  readonly lines = new LineBuffer();
  /** Of each line. */
  readonly origins: Origin[] = [];
  readonly dead: DeadLetter[] = [];
  readonly ends = new Map<string, End>();
  records = 0;
  /** When its first record was added, ms. */
  sinceMs = 0;

  get isEmpty(): boolean {
    return this.ends.size === 0;
  }

  /** Notes that everything of a partition before `offset` is in this batch or an earlier one. */
  reach(topic: string, partition: number, offset: bigint): void {
    this.ends.set(`${topic}/${partition}`, { topic, partition, offset });
  }

  clear(): void {
    this.lines.clear();
    this.origins.length = 0;
    this.dead.length = 0;
    this.ends.clear();
    this.records = 0;
  }
}
