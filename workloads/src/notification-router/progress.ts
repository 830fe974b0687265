import type { Position } from "../lib/groupConsumer";

/** A batch of a partition; done when all of its records are. */
export class Ticket {
  /** Records that are not done, and one for reading the batch itself. */
  private left = 1;

  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly nextOffset: bigint,
    private readonly onDone: () => void,
  ) {}

  get isDone(): boolean {
    return this.left === 0;
  }

  /** One more record is to be done. */
  open(): void {
    this.left++;
  }

  /** One of them is. */
  close(): void {
    if (--this.left === 0) this.onDone();
  }
}

interface Partition {
  readonly topic: string;
  readonly partition: number;
  /** Batches from the oldest that is not done on. */
  readonly tickets: Ticket[];
  highWatermark: bigint;
  /** Everything before is done. */
  done: bigint;
  /** What the group knows. */
  committed: bigint;
}

/** How far each partition is done: batches end in any order, and count once all before them have ended. */
export class Progress {
  private partitions = new Map<string, Partition>();

  /** A batch is begun: the messages from `offset` on, up to `nextOffset`. Its own count is closed by the caller. */
  begin(topic: string, partition: number, offset: bigint, nextOffset: bigint, highWatermark: bigint): Ticket {
    const key = `${topic}/${partition}`;
    let state = this.partitions.get(key);
    if (!state) {
      state = { topic, partition, tickets: [], highWatermark, done: offset, committed: offset };
      this.partitions.set(key, state);
    }
    const { tickets } = state;
    state.highWatermark = highWatermark;
    const ticket = new Ticket(topic, partition, nextOffset, () => {
      while (tickets[0]?.isDone) state.done = tickets.shift()!.nextOffset;
    });
    tickets.push(ticket);
    return ticket;
  }

  /** Partitions were shared out anew: what was not committed comes again. */
  clear(): void {
    this.partitions = new Map();
  }

  /** What is done and was not committed. */
  get commitable(): Position[] {
    return [...this.partitions.values()]
      .filter(({ done, committed }) => done !== committed)
      .map(({ topic, partition, done }) => ({ topic, partition, nextOffset: done }));
  }

  committed(positions: readonly Position[]): void {
    for (const { topic, partition, nextOffset } of positions) {
      const state = this.partitions.get(`${topic}/${partition}`);
      if (state) state.committed = nextOffset;
    }
  }

  /** Messages that are not done, of the partitions that were read. */
  get lag(): number {
    let sum = 0;
    for (const { highWatermark, done } of this.partitions.values()) sum += Math.max(0, Number(highWatermark - done));
    return sum;
  }
}
