import pLimit from "p-limit";
import { messageOf } from "../lib/errors";
import type { BatchTaker, Position, TakenBatch } from "../lib/groupConsumer";
import type { AvroSchema } from "../lib/avro";
import type { Logger } from "../lib/log";
import { type RecordReader, StoppedError } from "../lib/recordReader";
import { Serial } from "../lib/serial";
import { digestOf, Epoch, type Group } from "./epoch";
import type { FileStore } from "./files";
import { metrics } from "./metrics";

export interface ParquetSinkLimits {
  readonly rotateMs: number;
  readonly flushRecords: number;
  readonly flushBytes: number;
  readonly maxBufferBytes: number;
  readonly maxOpenFiles: number;
  /** Partitions whose files are written at the same time. */
  readonly concurrency: number;
}

export interface ParquetSinkOptions extends ParquetSinkLimits {
  readonly reader: RecordReader;
  readonly files: FileStore;
  /** Of the registry: a schema that was met is in memory, or is asked for again. */
  readonly schemaOf: (id: number) => Promise<AvroSchema>;
  /** What of the consumer group is needed. */
  readonly group: {
    commit(position: Position): Promise<void>;
    endOf(topic: string, partition: number): Promise<bigint>;
  };
  readonly log: Logger;
}

const hour = 3_600_000;

/**
 * Gathers the records of each partition in an {@link Epoch}, and makes the whole epoch durable: its first file, which
 * settles for everyone where the epoch ends, then the others, then the commit. Whoever reads the same offsets again, after
 * a crash or in a rebalance, meets that first file and makes the same others, so each record is in one file, whatever
 * was under way when. Where an epoch ends is free: a new hour, enough records, enough bytes, or the clock.
 */
export class ParquetSink implements BatchTaker {
  private partitions = new Map<string, Partition>();
  private readonly limit;

  constructor(private readonly options: ParquetSinkOptions) {
    this.limit = pLimit(options.concurrency);
  }

  reset(): void {
    this.partitions = new Map();
  }

  async take({ topic, partition, messages, highWatermark }: TakenBatch): Promise<boolean> {
    const name = `${topic}/${partition}`;
    let state = this.partitions.get(name);
    if (!state) this.partitions.set(name, (state = new Partition(topic, partition)));
    const held = state;
    try {
      await held.alone(async () => {
        held.highWatermark = Number(highWatermark);
        if (held.highWatermark < held.next) await this.beginAnew(held);
        for (const message of messages) await this.add(held, message);
      });
      await this.relieve();
      return true;
    } catch (error) {
      if (error instanceof StoppedError) return false;
      throw error;
    } finally {
      this.measure();
    }
  }

  /** Writes what has waited long enough. Called every second or so. */
  async tick(): Promise<void> {
    const now = Date.now();
    const due = [...this.partitions.values()].filter((one) => this.isDue(one, now));
    await Promise.all(
      due.map((one) =>
        this.limit(async () => {
          try {
            await one.alone(async () => {
              if (this.isCurrent(one) && this.isDue(one, now)) await this.flush(one);
            });
          } catch (error) {
            if (error instanceof StoppedError) return;
            const { topic, partition } = one;
            this.options.log.error(
              { topic, partition, reason: messageOf(error) },
              "Files are not written; trying again",
            );
          }
        }),
      ),
    );
    this.measure();
  }

  private isCurrent(one: Partition): boolean {
    return this.partitions.get(`${one.topic}/${one.partition}`) === one;
  }

  /** An epoch whose end is settled waits for its records, however long: to write it without them would write these twice. */
  private isDue({ epoch }: Partition, now: number): boolean {
    if (!epoch || now - epoch.sinceMs < this.options.rotateMs) return false;
    return !epoch.decided || epoch.next >= epoch.decided.end;
  }

  /** Writes the largest epochs until what waits is within its bounds. */
  private async relieve(): Promise<void> {
    const { maxBufferBytes } = this.options;
    if (this.bufferedBytes() <= maxBufferBytes) return;
    const largest = [...this.partitions.values()].sort((one, other) => (other.epoch?.bytes ?? 0) - (one.epoch?.bytes ?? 0)); // prettier-ignore
    for (const one of largest) {
      if (this.bufferedBytes() <= maxBufferBytes) return;
      await one.alone(async () => {
        if (one.epoch && !one.epoch.decided) await this.flush(one);
      });
    }
  }

  private bufferedBytes(): number {
    let sum = 0;
    for (const { epoch } of this.partitions.values()) sum += epoch?.bytes ?? 0;
    return sum;
  }

  /** The topic was deleted and made again while we read it: its offsets count from the beginning. */
  private async beginAnew(state: Partition): Promise<void> {
    const { topic, partition, next } = state;
    this.options.log.warn({ topic, partition, next }, "Offsets begin anew: the topic was deleted and made again");
    if (state.epoch) state.epoch.decided = undefined;
    while (state.epoch) await this.flush(state);
    state.next = 0;
  }

  private async add(state: Partition, message: TakenBatch["messages"][number]): Promise<void> {
    const { reader } = this.options;
    const offset = Number(message.offset);
    if (offset < state.next) return; // a batch that did not resolve comes again
    const record = await reader.read(state.topic, state.partition, message);
    if (!record) {
      state.epoch ??= new Epoch(offset, Date.now());
      state.epoch.next = offset + 1;
    } else {
      const hourMs = Math.floor(record.timeMs / hour) * hour;
      while (state.epoch && this.endsBefore(state.epoch, offset, hourMs)) await this.flush(state);
      state.epoch ??= new Epoch(offset, Date.now());
      // a copy: a slice would keep the whole fetch in memory
      state.epoch.add(hourMs, record.schema.id, { offset, value: Buffer.from(message.value!) });
    }
    state.next = offset + 1;
    const { decided, next } = state.epoch;
    if (decided && next >= decided.end) await this.flush(state);
  }

  /** Whether an epoch ends before a record of that offset and hour. */
  private endsBefore(epoch: Epoch, offset: number, hourMs: number): boolean {
    const { flushRecords, flushBytes, maxOpenFiles } = this.options;
    if (epoch.decided) return offset >= epoch.decided.end;
    if (epoch.records === 0) return false;
    return (
      hourMs > epoch.newestHourMs ||
      epoch.records >= flushRecords ||
      epoch.bytes >= flushBytes ||
      epoch.files >= maxOpenFiles
    );
  }

  /**
   * Makes the epoch of a partition durable. Afterwards the partition has none; or the rest of it, when its first file
   * was there and ends earlier; or the same one, when that file ends later and the records up to there are still to come.
   */
  private async flush(state: Partition): Promise<void> {
    const { epoch } = state;
    if (!epoch) return;
    const { group, log } = this.options;
    const endTimer = metrics.flushSeconds.startTimer();
    const { topic, partition } = state;
    let [current, rest]: [Epoch, Epoch | undefined] = [epoch, undefined];
    let end = Math.max(epoch.next, epoch.decided?.end ?? 0);
    const whole = epoch.parts();
    let found = epoch.decided;
    if (whole && !found) {
      // The name of the first file must come out again after a crash, so what was parked before it does not come again.
      const [{ offset }] = whole.lead.rows as [Group["rows"][number]];
      if (offset > epoch.start) await group.commit({ topic, partition, nextOffset: BigInt(offset) });
      found = await this.writeLead(state, whole.lead, epoch.next);
      if (found && found.end > epoch.next && BigInt(found.end) <= (await group.endOf(topic, partition))) {
        epoch.decided = found;
        return;
      }
      if (found && found.end < epoch.next) {
        end = found.end;
        [current, rest] = epoch.split(end);
      }
    }
    const parts = current.parts();
    if (parts) {
      if (found && digestOf(parts.lead.rows) !== found.digest) {
        log.error(
          { topic, partition, offset: parts.lead.rows[0]!.offset },
          "The first file of these offsets holds other records; writing these beside it",
        );
        await this.write(state, parts.lead, end);
      }
      for (const one of parts.others) await this.write(state, one, end);
    }
    await group.commit({ topic, partition, nextOffset: BigInt(end) });
    state.done = end;
    endTimer();
    metrics.records.inc(current.records);
    state.epoch = rest && rest.next > rest.start ? rest : undefined;
  }

  private async writeLead(state: Partition, group: Group, end: number): Promise<Epoch["decided"]> {
    const { reader, files, schemaOf } = this.options;
    const found = await reader.persistently("first file", async () =>
      files.createLead(state, group, await schemaOf(group.schemaId), end),
    );
    this.count(group, found ? "found" : "written");
    return found;
  }

  private async write(state: Partition, group: Group, end: number): Promise<void> {
    const { reader, files, schemaOf } = this.options;
    const outcome = await reader.persistently("file", async () =>
      files.create(state, group, await schemaOf(group.schemaId), end),
    );
    this.count(group, outcome);
  }

  private count({ rows }: Group, outcome: "written" | "found" | "beside"): void {
    metrics.files.inc({ outcome });
    if (outcome !== "found") metrics.bytes.inc(rows.reduce((sum, { value }) => sum + value.length, 0));
  }

  private measure(): void {
    const now = Date.now();
    let [bytes, lag, oldestMs] = [0, 0, 0];
    for (const { epoch, highWatermark, done } of this.partitions.values()) {
      bytes += epoch?.bytes ?? 0;
      lag += Math.max(0, highWatermark - (epoch?.start ?? done));
      oldestMs = Math.max(oldestMs, epoch ? now - epoch.sinceMs : 0);
    }
    metrics.bufferedBytes.set(bytes);
    metrics.lag.set(lag);
    metrics.oldestSeconds.set(oldestMs / 1000);
  }
}

/** What is known of a partition of this member. Batches come from the group, the clock from a timer: one at a time. */
class Partition extends Serial {
  epoch: Epoch | undefined;
  /** First offset that was not read yet. */
  next = 0;
  /** Everything before is in committed files. */
  done = 0;
  highWatermark = 0;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {
    super();
  }
}
