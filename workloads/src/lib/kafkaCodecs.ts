import * as zlib from "node:zlib";
import { CompressionCodecs, CompressionTypes } from "./kafkajs";

/** Largest size that one compressed batch of records may have when it is unpacked; a broker takes 10 MB. */
const unpackedLimitBytes = 128 << 20;

/** Teaches kafkajs to read snappy, lz4 and zstd; gzip it knows. Writing is with gzip or not at all. */
export function registerCodecs(): void {
  const codec = (name: string, decompress: (packed: Buffer) => Buffer) => () => ({
    compress: () => Promise.reject(new Error(`Cannot write with ${name}: use gzip.`)),
    decompress: (packed: Buffer) => new Promise<Buffer>((resolve) => resolve(decompress(packed))),
  });
  CompressionCodecs[CompressionTypes.Snappy] = codec("snappy", snappy);
  CompressionCodecs[CompressionTypes.LZ4] = codec("lz4", lz4);
  CompressionCodecs[CompressionTypes.ZSTD] = codec("zstd", zstd);
}

function zstd(packed: Buffer): Buffer {
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (packed: Buffer, options: object) => Buffer };
  if (!zstdDecompressSync)
    throw new Error(
      `Cannot read a batch that was compressed with zstd: Node.js ${process.versions.node} does not know it; 22.15 does.`,
    );
  return zstdDecompressSync(packed, { maxOutputLength: unpackedLimitBytes });
}

const xerialHead = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

/** Java's clients write snappy in blocks, after a head of 16 bytes; librdkafka writes one block alone. */
export function snappy(packed: Buffer): Buffer {
  if (!packed.subarray(0, 8).equals(xerialHead)) return snappyBlock(packed);
  const blocks: Buffer[] = [];
  let size = 0;
  for (let at = 16; at < packed.length;) {
    const length = packed.readUInt32BE(at);
    if (at + 4 + length > packed.length) throw new Error("Cannot read a snappy batch: it ends in a block.");
    const block = snappyBlock(packed.subarray(at + 4, at + 4 + length));
    if ((size += block.length) > unpackedLimitBytes) throw tooLarge("snappy", size);
    blocks.push(block);
    at += 4 + length;
  }
  return Buffer.concat(blocks);
}

function snappyBlock(packed: Buffer): Buffer {
  let at = 0;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = packed[at++];
    if (byte === undefined || shift > 28) throw new Error("Cannot read a snappy block: it has no length.");
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  const out = new Output("snappy", size);
  while (at < packed.length) {
    const tag = packed[at++]!;
    if ((tag & 3) === 0) {
      let length = tag >> 2;
      if (length >= 60) {
        const bytes = length - 59;
        length = packed.readUIntLE(at, bytes);
        at += bytes;
      }
      out.literal(packed, at, length + 1);
      at += length + 1;
    } else if ((tag & 3) === 1) {
      out.copy(((tag >> 5) << 8) | packed.readUInt8(at++), ((tag >> 2) & 7) + 4);
    } else {
      const bytes = (tag & 3) === 2 ? 2 : 4;
      out.copy(packed.readUIntLE(at, bytes), (tag >> 2) + 1);
      at += bytes;
    }
  }
  return out.whole();
}

/** LZ4's frame format, as Kafka 0.10 and newer write it; check sums are left to Kafka's own of the batch. */
export function lz4(packed: Buffer): Buffer {
  if (packed.length < 7 || packed.readUInt32LE(0) !== 0x184d2204)
    throw new Error("Cannot read an lz4 batch: it is no frame.");
  const flags = packed[4]!;
  if (flags & 1) throw new Error("Cannot read an lz4 batch: it needs a dictionary.");
  const blockLimit = 1 << (8 + 2 * ((packed[5]! >> 4) & 7));
  let at = 7 + (flags & 8 ? 8 : 0);
  const out = new Output("lz4", undefined);
  for (;;) {
    const head = packed.readUInt32LE(at);
    at += 4;
    if (head === 0) return out.whole();
    const end = at + (head & 0x7fffffff);
    if (end > packed.length) throw new Error("Cannot read an lz4 batch: it ends in a block.");
    out.reserve(blockLimit);
    if (head & 0x80000000) out.literal(packed, at, end - at);
    else lz4Block(packed, at, end, out);
    at = end + (flags & 16 ? 4 : 0);
  }
}

function lz4Block(packed: Buffer, begin: number, end: number, out: Output): void {
  let at = begin;
  const lengthOf = (start: number) => {
    let length = start;
    for (let byte = 255; length >= 15 && byte === 255 && at < end;) length += byte = packed[at++]!;
    return length;
  };
  while (at < end) {
    const token = packed[at++]!;
    const literals = lengthOf(token >> 4);
    if (at + literals > end) throw new Error("Cannot read an lz4 block: it ends in its literals.");
    out.literal(packed, at, literals);
    at += literals;
    if (at >= end) return; // the last sequence is literals only
    const distance = packed.readUInt16LE(at);
    at += 2;
    out.copy(distance, lengthOf(token & 15) + 4);
  }
}

/** What is unpacked so far: later parts copy from it. */
class Output {
  private bytes: Buffer;
  private length = 0;

  /** @param size - Exact size, or `undefined` when it is not known. */
  constructor(
    private readonly format: string,
    private readonly size: number | undefined,
  ) {
    if (size !== undefined && size > unpackedLimitBytes) throw tooLarge(format, size);
    this.bytes = Buffer.allocUnsafe(size ?? 65_536);
  }

  /** Makes room for so many bytes more. */
  reserve(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.bytes.length) return;
    if (wanted > unpackedLimitBytes) throw tooLarge(this.format, wanted);
    const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  literal(from: Buffer, at: number, length: number): void {
    if (at + length > from.length || this.length + length > this.bytes.length) throw this.damaged();
    from.copy(this.bytes, this.length, at, at + length);
    this.length += length;
  }

  copy(distance: number, length: number): void {
    const { bytes, length: to } = this;
    if (distance === 0 || distance > to || to + length > bytes.length) throw this.damaged();
    if (distance >= length) bytes.copyWithin(to, to - distance, to - distance + length);
    else for (let i = 0; i < length; i++) bytes[to + i] = bytes[to - distance + i]!; // it repeats what it has just written
    this.length += length;
  }

  whole(): Buffer {
    if (this.size !== undefined && this.length !== this.size) throw this.damaged();
    return this.bytes.subarray(0, this.length);
  }

  private damaged(): Error {
    return new Error(`Cannot read a batch that was compressed with ${this.format}: it is damaged.`);
  }
}

function tooLarge(format: string, size: number): Error {
  return new Error(`Cannot read a ${format} batch of ${size} bytes: the limit is ${unpackedLimitBytes}.`);
}
