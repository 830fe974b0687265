import { Buffer } from "node:buffer";

/** Bytes that are handed on at once. */
const chunkBytes = 64 * 1024;
const signature = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const float8Oid = 701;
/** Room that a row of numbers and two names takes at most; arrays count on their own. */
const rowRoom = 512;

/** Writes PostgreSQL's binary COPY format: numbers arrive bit by bit as they are, without text in between. NaN is NULL. */
export class CopyWriter {
  private buffer = Buffer.allocUnsafe(chunkBytes);
  private used = signature.copy(this.buffer);
  private readonly texts = new Map<string, Buffer>();

  /** @param arrayLength - Values of the longest array of a row. */
  constructor(private readonly arrayLength = 0) {}

  /** Begins a row. @returns what is ready to be sent, if it is enough. */
  *row(fields: number): Generator<Buffer> {
    const room = rowRoom + 12 * this.arrayLength;
    if (this.used + room > this.buffer.length) {
      yield this.take();
      if (room > this.buffer.length) this.buffer = Buffer.allocUnsafe(room);
    }
    this.used = this.buffer.writeInt16BE(fields, this.used);
  }

  integer(value: number): void {
    this.length(4);
    this.used = this.buffer.writeInt32BE(value, this.used);
  }

  bigint(value: number): void {
    this.length(8);
    this.used = this.buffer.writeBigInt64BE(BigInt(value), this.used);
  }

  /** At most 64 characters. */
  text(value: string): void {
    let bytes = this.texts.get(value);
    if (!bytes) this.texts.set(value, (bytes = Buffer.from(value, "utf8")));
    this.length(bytes.length);
    this.used += bytes.copy(this.buffer, this.used);
  }

  float(value: number | null): void {
    if (value === null || Number.isNaN(value)) {
      this.length(-1);
      return;
    }
    this.length(8);
    this.used = this.buffer.writeDoubleBE(value, this.used);
  }

  /** `float8[]` with NULLs. */
  floats(values: readonly (number | null)[]): void {
    const start = this.used;
    this.used += 4;
    this.length(values.length === 0 ? 0 : 1); // dimensions
    this.length(1); // may hold NULLs
    this.length(float8Oid);
    if (values.length > 0) {
      this.length(values.length);
      this.length(1); // first index
      for (const value of values) this.float(value);
    }
    this.buffer.writeInt32BE(this.used - start - 4, start);
  }

  /** The rest, with the end mark. */
  end(): Buffer {
    this.used = this.buffer.writeInt16BE(-1, this.used);
    return this.take();
  }

  private length(value: number): void {
    this.used = this.buffer.writeInt32BE(value, this.used);
  }

  private take(): Buffer {
    const full = this.buffer.subarray(0, this.used);
    this.buffer = Buffer.allocUnsafe(chunkBytes);
    this.used = 0;
    return full;
  }
}
