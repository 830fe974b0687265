import type { Shape } from "./shape";

/** A window whose time has come. */
export interface ClosedWindow {
  readonly startMs: number;
  readonly shape: Shape;
  /** Records in it, also those without a number in a field. */
  readonly count: number;
  readonly keys: readonly unknown[];
  readonly samples: ReadonlyMap<string, readonly number[]>;
}

interface Window extends ClosedWindow {
  shape: Shape;
  count: number;
  readonly firstOffset: number;
  readonly samples: Map<string, number[]>;
}

export interface WindowOptions {
  readonly windowMs: number;
  /** How long a window waits, by the time of records, for those that come late. */
  readonly graceMs: number;
  /** Windows open at the same time; past it the oldest is closed. */
  readonly maxOpen: number;
}

/**
 * Tumbling windows of one partition. They close in the order of time, by the time of later records alone, so the same
 * records make the same windows whenever they are read.
 */
export class TopicWindows {
  private readonly open = new Map<string, Window>();
  private newestMs: number;
  /** End of the open window that ends first: so that most records look at no window but their own. */
  private earliestEndMs = Infinity;
  /** How many windows were closed before their time since too many were open. */
  forced = 0;

  /** @param closedMs - Windows that end here or before are closed already. */
  constructor(
    private readonly options: WindowOptions,
    private closedMs: number,
  ) {
    this.newestMs = closedMs;
  }

  /** Windows that end here or before are closed. */
  get closedUntilMs(): number {
    return this.closedMs;
  }
  get size(): number {
    return this.open.size;
  }

  /** Offset of the earliest record in an open window. */
  firstOffset(): number | undefined {
    let first: number | undefined;
    for (const { firstOffset } of this.open.values()) first = Math.min(first ?? firstOffset, firstOffset);
    return first;
  }

  /** Puts a record into its window. @returns false when that is closed: the record came too late. */
  add(offset: number, timeMs: number, record: Readonly<Record<string, unknown>>, shape: Shape): boolean {
    const { windowMs } = this.options;
    const startMs = Math.floor(timeMs / windowMs) * windowMs;
    if (startMs + windowMs <= this.closedMs) return false;
    const keys = shape.keys.map((key) => record[key]);
    const name = `${startMs}/${keys.map(String).join("/")}`;
    let window = this.open.get(name);
    if (!window) {
      this.open.set(name, (window = { startMs, shape, count: 0, keys, firstOffset: offset, samples: new Map() }));
    }
    this.earliestEndMs = Math.min(this.earliestEndMs, startMs + windowMs);
    window.shape = shape; // the newest: a field that came with it is told of
    window.count += 1;
    for (const field of shape.fields.keys()) {
      const value = record[field];
      if (typeof value !== "number" && typeof value !== "bigint") continue; // null
      const sample = Number(value);
      if (!Number.isFinite(sample)) continue;
      const samples = window.samples.get(field);
      if (samples) samples.push(sample);
      else window.samples.set(field, [sample]);
    }
    this.newestMs = Math.max(this.newestMs, timeMs);
    return true;
  }

  /**
   * Takes out the windows whose time has come, the earliest first. To be asked after each record: what is late must not
   * depend on how records are read.
   */
  close(): ClosedWindow[] {
    const { windowMs, graceMs, maxOpen } = this.options;
    const untilMs = this.newestMs - graceMs;
    const closed = this.earliestEndMs <= untilMs ? this.closeUntil(untilMs) : [];
    if (this.open.size > maxOpen) {
      const ends = [...this.open.values()].map(({ startMs }) => startMs + windowMs).sort((one, other) => one - other);
      const early = this.closeUntil(ends[this.open.size - maxOpen - 1]!);
      this.forced += early.length;
      closed.push(...early);
    }
    return closed;
  }

  /** Takes out all windows: nothing more is to come. */
  closeAll(): ClosedWindow[] {
    return this.closeUntil(Infinity);
  }

  private closeUntil(untilMs: number): ClosedWindow[] {
    const { windowMs } = this.options;
    const closed: [string, Window][] = [];
    for (const entry of this.open) if (entry[1].startMs + windowMs <= untilMs) closed.push(entry);
    for (const [name, { startMs }] of closed) {
      this.open.delete(name);
      this.closedMs = Math.max(this.closedMs, startMs + windowMs);
    }
    this.earliestEndMs = Infinity;
    for (const { startMs } of this.open.values()) {
      this.earliestEndMs = Math.min(this.earliestEndMs, startMs + windowMs);
    }
    closed.sort(([one, { startMs: a }], [other, { startMs: b }]) => a - b || (one < other ? -1 : 1));
    return closed.map(([, window]) => window);
  }
}
