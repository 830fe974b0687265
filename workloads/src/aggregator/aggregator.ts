import type { AvroSchema } from "../lib/avro";
import { messageOf } from "../lib/errors";
import type { BatchTaker, Position, TakenBatch } from "../lib/groupConsumer";
import type { Logger } from "../lib/log";
import { type RecordReader, StoppedError } from "../lib/recordReader";
import { Serial } from "../lib/serial";
import { metrics } from "./metrics";
import { OutputUnavailableError, type Outputs } from "./outputs";
import { type Shape, shapeOf, type ShapeOptions } from "./shape";
import { type ClosedWindow, TopicWindows, type WindowOptions } from "./windows";

export interface AggregatorOptions {
  readonly reader: RecordReader;
  readonly outputs: Outputs;
  readonly shape: ShapeOptions;
  readonly window: WindowOptions;
  readonly idleMs: number;
  /** What of the consumer group is needed. */
  readonly group: {
    commit(...positions: Position[]): Promise<void>;
    committed(topic: string, partition: number): Promise<{ offset: bigint; metadata: string } | undefined>;
    partitionsOf(topic: string): Promise<number>;
  };
  readonly log: Logger;
}

/** Time between two commits of a topic, ms: after a crash so much is computed again, with the same result. */
const commitMs = 2_000;
/** Windows that are sent together. */
const windowsPerSend = 500;

/**
 * Puts records into windows and sends the statistics of each that is over. Only what comes before every open window is
 * committed, with the note up to where windows are closed: so after a crash, or elsewhere after a rebalance, open windows
 * are read again whole, and those that were sent before are not made again of the records that are left of them.
 */
export class Aggregator implements BatchTaker {
  private topics = new Map<string, Source>();

  constructor(private readonly options: AggregatorOptions) {}

  reset(): void {
    this.topics = new Map();
  }

  async take({ topic, partition, messages, highWatermark }: TakenBatch): Promise<boolean> {
    let source = this.topics.get(topic);
    if (!source) this.topics.set(topic, (source = new Source(topic, partition)));
    const held = source;
    try {
      await held.alone(async () => {
        held.highWatermark = Number(highWatermark);
        if (held.highWatermark < held.next) this.beginAnew(held);
        const windows = held.windows ?? (await this.opened(held));
        if (!windows) return;
        for (const message of messages) {
          await this.add(held, windows, message);
          if (held.closed.length >= windowsPerSend) await this.send(held);
        }
        await this.send(held);
        held.lastMs = Date.now();
      });
      return true;
    } catch (error) {
      if (error instanceof StoppedError) return false;
      throw error;
    } finally {
      this.measure();
    }
  }

  /** Closes the windows of topics that are silent, and commits. Called every second or so. */
  async tick(): Promise<void> {
    for (const source of [...this.topics.values()]) {
      if (!this.isSilent(source)) continue;
      await source
        .alone(async () => {
          if (!this.isSilent(source)) return;
          source.closed.push(...source.windows!.closeAll());
          await this.send(source);
        })
        .catch((error: unknown) => {
          if (!(error instanceof StoppedError)) throw error;
        });
    }
    const now = Date.now();
    const due = [...this.topics.values()].filter((one) => one.done && now - one.committedMs >= commitMs);
    if (due.length > 0) {
      const positions = due.map((one) => one.done!);
      try {
        await this.options.group.commit(...positions);
        due.forEach((one, index) => {
          one.committedMs = now;
          if (one.done === positions[index]) one.done = undefined;
        });
      } catch (error) {
        this.options.log.warn({ reason: messageOf(error) }, "Offsets are not committed; trying again");
      }
    }
    this.measure();
  }

  /** The topic was deleted and made again while we read it: its offsets count from the beginning. */
  private beginAnew(source: Source): void {
    const { topic, next } = source;
    this.options.log.warn({ topic, next }, "Offsets begin anew: the topic was deleted and made again");
    source.closed.push(...(source.windows?.closeAll() ?? []));
    source.next = 0;
    source.seen = 0;
  }

  private isSilent({ windows, next, highWatermark, lastMs }: Source): boolean {
    return windows !== undefined && windows.size > 0 && next >= highWatermark && Date.now() - lastMs >= this.options.idleMs; // prettier-ignore
  }

  /** The windows of a topic as its last reader left them; undefined for a topic that cannot be aggregated. */
  private async opened(source: Source): Promise<TopicWindows | undefined> {
    if (source.refused) return undefined;
    const { group, reader, window, log } = this.options;
    const { topic, partition } = source;
    const [partitions, committed] = await reader.persistently("state", async () => {
      try {
        return await Promise.all([group.partitionsOf(topic), group.committed(topic, partition)]);
      } catch (error) {
        throw new OutputUnavailableError(`Reading the offsets of ${topic}`, error);
      }
    });
    if (partitions > 1) {
      source.refused = true;
      log.error(
        { topic, partitions },
        "Topic is not aggregated: records of one window could be in several partitions. Give it one partition.",
      );
      return undefined;
    }
    const { closedMs, next } = readNote(committed?.metadata ?? "");
    source.seen = next;
    return (source.windows = new TopicWindows(window, closedMs));
  }

  private async add(source: Source, windows: TopicWindows, message: TakenBatch["messages"][number]): Promise<void> {
    const offset = Number(message.offset);
    if (offset < source.next) return; // a batch that did not resolve comes again
    const record = await this.options.reader.read(source.topic, source.partition, message);
    source.next = offset + 1;
    if (!record) return;
    const shape = this.shapeFor(source, record.schema);
    if (windows.add(offset, record.timeMs, record.value, shape)) metrics.records.inc();
    else if (offset >= source.seen) metrics.late.inc(); // else it is in a window that was sent before
    source.closed.push(...windows.close());
  }

  private shapeFor(source: Source, schema: AvroSchema): Shape {
    let shape = source.shapes.get(schema);
    if (!shape) {
      shape = shapeOf(source.topic, schema, this.options.shape);
      source.shapes.set(schema, shape);
      const { topic } = source;
      if (shape.missing.length > 0)
        this.options.log.warn(
          { topic, fields: shape.missing },
          "The filter names what is no number field of the topic",
        );
    }
    return shape;
  }

  /** Sends what is closed, however long Kafka and the registry are away, and notes what is done with it. */
  private async send(source: Source): Promise<void> {
    const { reader, outputs } = this.options;
    while (source.closed.length > 0) {
      const batch = source.closed.slice(0, windowsPerSend);
      await reader.persistently("windows", () => outputs.send(source.topic, batch));
      source.closed.splice(0, batch.length);
      metrics.windows.inc(batch.length);
    }
    const { topic, partition, next, windows } = source;
    if (!windows) return;
    metrics.forced.inc(windows.forced - source.forced);
    source.forced = windows.forced;
    const nextOffset = BigInt(windows.firstOffset() ?? next);
    const done = Math.max(next, source.seen);
    source.done = { topic, partition, nextOffset, metadata: noteOf({ closedMs: windows.closedUntilMs, next: done }) };
  }

  private measure(): void {
    let [open, lag, refused] = [0, 0, 0];
    for (const { windows, next, highWatermark, refused: isRefused } of this.topics.values()) {
      open += windows?.size ?? 0;
      if (isRefused) refused += 1;
      else lag += Math.max(0, highWatermark - next);
    }
    metrics.openWindows.set(open);
    metrics.lag.set(lag);
    metrics.refusedTopics.set(refused);
  }
}

/** A topic that this member reads. */
class Source extends Serial {
  windows: TopicWindows | undefined;
  refused = false;
  /** First offset that was not read yet by this member. */
  next = 0;
  /** First offset that was not read yet by whoever committed. */
  seen = 0;
  highWatermark = 0;
  /** When the last batch was worked on. */
  lastMs = Date.now();
  /** Windows that wait to be sent. */
  readonly closed: ClosedWindow[] = [];
  forced = 0;
  /** What is to be committed. */
  done: Position | undefined;
  committedMs = 0;
  readonly shapes = new WeakMap<AvroSchema, Shape>();

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {
    super();
  }
}

/** What is kept beside the committed offset. */
interface Note {
  /** Windows that end here or before are sent, ms since 1970. */
  readonly closedMs: number;
  /** Everything before this offset was read. */
  readonly next: number;
}

function noteOf({ closedMs, next }: Note): string {
  return JSON.stringify({ closedMs: Number.isFinite(closedMs) ? closedMs : null, next });
}

function readNote(text: string): Note {
  if (text === "") return { closedMs: -Infinity, next: 0 };
  const { closedMs, next } = JSON.parse(text) as { closedMs: number | null; next: number };
  return { closedMs: closedMs ?? -Infinity, next };
}
