import { Batch, type DeadLetter, type End } from "./batch";
import type { DeadLetters } from "./deadLetters";
import { metrics } from "./metrics";
import type { Store } from "./store";

export interface PipelineOptions {
  readonly store: Pick<Store, "write">;
  readonly deadLetters: Pick<DeadLetters, "park">;
  /** Most points of a batch. */
  readonly batchLines: number;
  /** Most bytes of a batch. */
  readonly batchBytes: number;
  /** Writes at the same time. */
  readonly writes: number;
  /** Longest time that a point waits for others while something is being written, ms. */
  readonly lingerMs: number;
}

/**
 * Fills one batch while others are written. It goes at once when nothing is being written; otherwise with the end of that write,
 * since InfluxDB orders writes in its log anyway, and several small ones beside each other only wait for each other there. A full
 * batch waits for a free connection alone. Batches may end in any order; what they reach becomes durable in the order in which
 * they were filled, so an offset is never durable before those that are smaller.
 */
export class Pipeline {
  private filling: Batch | undefined;
  /** Filled or being written, oldest first. */
  private readonly queue: { readonly batch: Batch; isDone: boolean; readonly epoch: number }[] = [];
  private readonly free: Batch[] = [];
  /** One more than writes at the same time. */
  private readonly all: Batch[] = [];
  private epoch = 0;
  private waiting: (() => void)[] = [];
  private linger: NodeJS.Timeout | undefined;
  /** Writes under way. */
  private writing = 0;
  private readonly durable = new Map<string, End>();
  private failure: Error | undefined;
  /** Called when a batch has become durable. */
  onDurable: () => void = () => {};

  constructor(private readonly options: PipelineOptions) {}

  /** The batch to add to, or `undefined` while every one is in use: then {@link changed} and try again. */
  get current(): Batch | undefined {
    if (this.filling) return this.filling;
    let batch = this.free.pop();
    if (batch === undefined && this.all.length <= this.options.writes) this.all.push((batch = new Batch()));
    return (this.filling = batch);
  }

  /** Call it after something was added: sends the batch when it is full, or soon. */
  added(): void {
    const batch = this.filling;
    if (!batch || batch.isEmpty) return;
    const { batchLines, batchBytes, lingerMs } = this.options;
    const isFull =
      batch.lines.lines >= batchLines || batch.lines.length >= batchBytes || batch.records >= 4 * batchLines;
    if (isFull || batch.dead.length >= 1000) this.flush();
    else if (this.writing > 0) this.linger ??= setTimeout(() => this.flush(), lingerMs);
    else setImmediate(() => this.flushWhenIdle()); // what one fetch brought of other partitions comes along
  }

  /** Sends what is there. */
  flush(): void {
    clearTimeout(this.linger);
    this.linger = undefined;
    const batch = this.filling;
    if (!batch || batch.isEmpty) return;
    this.filling = undefined;
    const entry = { batch, isDone: false, epoch: this.epoch };
    this.queue.push(entry);
    this.writing++;
    void this.save(batch).then(
      () => {
        entry.isDone = true;
        this.writing--;
        this.settle();
        this.flushWhenIdle();
      },
      (error: Error) => {
        this.failure ??= error;
        this.wake();
      },
    );
  }

  /** Resolves when something has changed; rejects when a batch was given up, which only a stop does. */
  async changed(): Promise<void> {
    if (this.failure) throw this.failure;
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.failure) throw this.failure;
  }

  /** Resolves when everything that was added is durable. */
  async drained(): Promise<void> {
    this.flush();
    while (this.queue.length > 0) await this.changed();
  }

  /** Whether something is durable that was not taken. */
  get hasDurable(): boolean {
    return this.durable.size > 0;
  }

  /** Takes what is durable and was not taken before. */
  takeDurable(): End[] {
    const ends = [...this.durable.values()];
    this.durable.clear();
    return ends;
  }

  /** Gives back what could not be committed, unless more is durable by now. */
  giveBack(ends: readonly End[]): void {
    for (const end of ends) {
      const key = `${end.topic}/${end.partition}`;
      if (!this.durable.has(key)) this.durable.set(key, end);
    }
  }

  /** Partitions were shared out anew: what was not committed comes again, so what it reached is of no use. */
  forget(): void {
    this.epoch++;
    this.durable.clear();
    clearTimeout(this.linger);
    this.linger = undefined;
    if (this.filling) this.release(this.filling);
    this.filling = undefined;
  }

  private flushWhenIdle(): void {
    if (this.writing === 0) this.flush();
  }

  private async save(batch: Batch): Promise<void> {
    const { store, deadLetters } = this.options;
    const refused: DeadLetter[] = await store.write(batch);
    const dead = [...batch.dead, ...refused];
    if (dead.length > 0) await deadLetters.park(dead);
  }

  private settle(): void {
    while (this.queue[0]?.isDone) {
      const { batch, epoch } = this.queue.shift()!;
      if (epoch === this.epoch) for (const [key, end] of batch.ends) this.durable.set(key, end);
      this.release(batch);
    }
    this.onDurable();
    this.wake();
  }

  private release(batch: Batch): void {
    batch.clear();
    this.free.push(batch);
    metrics.bufferBytes.set(this.all.reduce((sum, { lines }) => sum + lines.capacityBytes, 0));
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
