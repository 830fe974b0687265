import type { Position } from "../lib/groupConsumer";

/** How far a partition is: events end in any order, and what is done with counts up to the first that is not. */
export class Progress {
  /** First offset to read. */
  beginning: Promise<bigint> = Promise.resolve(0n);
  isPlaced = false;
  private readonly open = new Set<bigint>();
  private next = -1n;
  private committedOffset = -1n;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  place(beginning: Promise<bigint>): void {
    this.beginning = beginning;
    beginning.then(
      () => (this.isPlaced = true),
      () => undefined, // told to stop, or shared out anew; take() sees it
    );
  }

  /** Whether the partition ends before what was read of it: then it is another one of the same name. */
  isPast(highWatermark: bigint): boolean {
    return highWatermark < this.next;
  }

  /** @returns false for one that was begun before: it comes again in a batch that was not taken whole. */
  begin(offset: bigint): boolean {
    if (offset < this.next) return false;
    this.open.add(offset);
    this.next = offset + 1n;
    return true;
  }

  end(offset: bigint): void {
    this.open.delete(offset);
  }

  /** Everything before is done with. */
  get done(): Position {
    const [first] = this.open; // offsets begin in their order
    return { topic: this.topic, partition: this.partition, nextOffset: first ?? this.next };
  }

  get isDue(): boolean {
    return this.done.nextOffset > this.committedOffset && this.next >= 0n;
  }

  committed(nextOffset: bigint): void {
    this.committedOffset = nextOffset;
  }
}
