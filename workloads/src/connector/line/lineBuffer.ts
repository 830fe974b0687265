/** Bytes of line protocol, one line after the other, in memory that is used again. */
export class LineBuffer {
  private bytes: Buffer;
  /** Bytes in use. */
  length = 0;
  /** Where each line begins. */
  readonly starts: number[] = [];

  constructor(capacityBytes = 1 << 20) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /**
   * Adds a line.
   * @param head - Measurement and tags.
   * @param fields - The fields, each with a comma before it; the first comma becomes the space that belongs there.
   * @param time - The time.
   * @param isAscii - Whether all of it is ASCII: it is written four times as fast.
   */
  add(head: string, fields: string, time: string, isAscii: boolean): void {
    const line = `${head}${fields} ${time}\n`;
    const mostBytes = isAscii ? line.length : 3 * line.length;
    if (this.length + mostBytes > this.bytes.length) this.grow(mostBytes);
    const start = this.length;
    const { bytes } = this;
    if (isAscii) {
      bytes.latin1Write(line, start);
      this.length += line.length;
      bytes[start + head.length] = 0x20;
    } else {
      const headBytes = bytes.utf8Write(head, start);
      this.length += bytes.utf8Write(line, start);
      bytes[start + headBytes] = 0x20;
    }
    this.starts.push(start);
  }

  get lines(): number {
    return this.starts.length;
  }

  get capacityBytes(): number {
    return this.bytes.length;
  }

  whole(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Line `index` with its line feed. */
  line(index: number): Buffer {
    return this.bytes.subarray(this.starts[index]!, this.starts[index + 1] ?? this.length);
  }

  clear(): void {
    this.length = 0;
    this.starts.length = 0;
  }

  private grow(moreBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.length + moreBytes, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

declare global {
  interface Buffer {
    latin1Write(text: string, offset?: number): number;
    utf8Write(text: string, offset?: number): number;
    utf8Slice(start: number, end: number): string;
  }
}
