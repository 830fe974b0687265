import { AvroMessageError } from "../../lib/avro";

/** Reads Avro's binary form, value by value. It may run past the end of a damaged message; {@link end} tells. */
export class AvroReader {
  private bytes: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private shift = 0;
  private at = 0;
  private limit = 0;

  load(bytes: Buffer, from: number): void {
    if (this.view.buffer !== bytes.buffer) this.view = new DataView(bytes.buffer);
    this.bytes = bytes;
    this.shift = bytes.byteOffset;
    this.at = from;
    this.limit = bytes.length;
  }

  double(): number {
    const { at } = this;
    this.at = at + 8;
    return this.view.getFloat64(this.shift + at, true);
  }

  float(): number {
    const { at } = this;
    this.at = at + 4;
    return this.view.getFloat32(this.shift + at, true);
  }

  boolean(): boolean {
    return this.bytes[this.at++] !== 0;
  }

  /** An int or long; bigint where a number would not be exact. */
  long(): number | bigint {
    const { bytes } = this;
    let byte = bytes[this.at++]!;
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    let low = byte & 127;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = bytes[this.at++]!;
      low |= (byte & 127) << shift;
      if (!(byte >= 128)) return (low >>> 1) ^ -(low & 1);
    }
    let middle = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      byte = bytes[this.at++]!;
      middle |= (byte & 127) << shift;
      if (!(byte >= 128)) return unsigned(low, middle, 0);
    }
    let high = bytes[this.at++]!;
    if (high >= 128) {
      const last = bytes[this.at++]!;
      if (last > 1) throw new AvroMessageError("a number in it is longer than 64 bits");
      high = (high & 127) | (last << 7);
    }
    return unsigned(low, middle, high);
  }

  /** A count or index. */
  small(): number {
    const value = this.long();
    if (typeof value === "bigint") throw new AvroMessageError("a length in it is not possible");
    return value;
  }

  /** A count of bytes that must be there. */
  length(): number {
    const length = this.small();
    if (length < 0 || this.at + length > this.limit) throw new AvroMessageError("a text in it is longer than it is");
    return length;
  }

  text(): string {
    const length = this.length();
    const { at } = this;
    this.at = at + length;
    return this.bytes.utf8Slice(at, at + length);
  }

  /** Bytes of a string or `bytes`; they are the message's own. */
  raw(length = this.length()): Buffer {
    const { at } = this;
    if (at + length > this.limit) throw new AvroMessageError("it ends in a value");
    this.at = at + length;
    return this.bytes.subarray(at, at + length);
  }

  /**
   * Entries of a list or map, block by block.
   * @param each - Reads one entry.
   * @param most - Most entries.
   */
  entries(each: (index: number) => void, most: number): void {
    let index = 0;
    for (;;) {
      let count = this.small();
      if (count === 0) return;
      if (count < 0) {
        count = -count;
        this.small(); // bytes of the block
      }
      if (index + count > most) throw new AvroMessageError(`a list in it has more than ${most} entries`);
      for (let end = index + count; index < end; index++) {
        if (this.at > this.limit) throw new AvroMessageError("it ends in a list");
        each(index);
      }
    }
  }

  /** @throws {@link AvroMessageError}: the index of a union's branch or an enumeration's symbol has none. */
  noSuch(what: string): never {
    throw new AvroMessageError(`it has no such ${what}`);
  }

  /** @throws {@link AvroMessageError} unless exactly the whole message was read. */
  end(): void {
    if (this.at === this.limit) return;
    throw new AvroMessageError(
      this.at > this.limit ? "it is cut off" : `${this.limit - this.at} bytes follow its record`,
    );
  }
}

const exact = 2 ** 53;

/** Zigzag of 28 + 28 + 8 bits. */
function unsigned(low: number, middle: number, high: number): number | bigint {
  if (high === 0 && middle < 1 << 25) {
    const value = low + middle * 2 ** 28; // below 2 ** 53
    return low & 1 ? -(value + 1) / 2 : value / 2;
  }
  const value = BigInt(low) | (BigInt(middle) << 28n) | (BigInt(high) << 56n);
  const signed = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  return signed < exact && signed > -exact ? Number(signed) : signed;
}
