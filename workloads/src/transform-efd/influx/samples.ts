import { BadAnswer } from "./errors";

const nsPerSecond = 1_000_000_000;

/** Samples of one series as they are read: a row is begun with its time, then its values are set. */
export class Samples {
  rows = 0;
  times = new Float64Array(256);
  /** By field, in the order of the question. */
  readonly columns: Float64Array[];
  /** 1 where a field held text, 2 where some of it was no number. */
  readonly text: Uint8Array;
  private readonly originSeconds: number;
  private readonly originNs: number;
  private last = -Infinity;

  /** @param origin - Times count from here; nanoseconds since 1970. */
  constructor(fields: number, origin: bigint) {
    this.columns = Array.from({ length: fields }, () => new Float64Array(256).fill(NaN));
    this.text = new Uint8Array(fields);
    this.originSeconds = Number(origin / BigInt(nsPerSecond));
    this.originNs = Number(origin % BigInt(nsPerSecond));
  }

  /** Begins a row, without any value so far; both parts of its time are whole numbers, so that none is rounded. */
  beginRow(seconds: number, ns: number): void {
    const time = (seconds - this.originSeconds) * nsPerSecond + (ns - this.originNs);
    if (!(time >= this.last)) throw new BadAnswer("times do not ascend");
    if (!Number.isSafeInteger(time)) throw new BadAnswer("a time is further than 104 days away from what was asked");
    this.last = time;
    if (this.rows === this.times.length) this.grow();
    this.times[this.rows++] = time;
  }

  /** A text value of the row that was begun last. */
  setText(field: number, value: string): void {
    const number = value.trim() === "" ? NaN : Number(value);
    this.text[field]! |= Number.isFinite(number) ? 1 : 2;
    this.columns[field]![this.rows - 1] = number;
  }

  private grow(): void {
    const times = new Float64Array(this.rows * 2);
    times.set(this.times);
    this.times = times;
    for (let field = 0; field < this.columns.length; field++) {
      const column = new Float64Array(times.length);
      column.set(this.columns[field]!);
      column.fill(NaN, this.rows);
      this.columns[field] = column;
    }
  }
}

/** What one answer holds, by the tags that set its series apart (`""` without tags). */
export type TaggedSamples = ReadonlyMap<string, Samples>;

/** Turns the bytes of one answer into what they say. */
export interface Decoder<T = TaggedSamples> {
  /** @throws BadAnswer */
  push(bytes: Buffer): void;
  /** After the last byte. @throws BadAnswer when the answer is not known to be whole. */
  end(): T;
}
