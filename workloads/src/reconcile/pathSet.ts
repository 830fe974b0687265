/**
 * A set of paths that keeps 64 bits of each, so that a million take 16 MB. Two paths that share their 64 bits are taken for
 * one: with a million in the set, once in 10^13 questions.
 */
export class PathSet {
  private high = new Uint32Array(1024);
  private low = new Uint32Array(1024);
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(path: string): void {
    if (this.count * 2 >= this.high.length) this.grow();
    const [high, low] = hash(path);
    if (insert(this.high, this.low, high, low)) this.count++;
  }

  has(path: string): boolean {
    const [high, low] = hash(path);
    const mask = this.high.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      if (this.high[slot] === 0 && this.low[slot] === 0) return false;
      if (this.high[slot] === high && this.low[slot] === low) return true;
    }
  }

  private grow(): void {
    const high = new Uint32Array(this.high.length * 2);
    const low = new Uint32Array(high.length);
    for (let slot = 0; slot < this.high.length; slot++) {
      const [oldHigh, oldLow] = [this.high[slot] as number, this.low[slot] as number];
      if (oldHigh !== 0 || oldLow !== 0) insert(high, low, oldHigh, oldLow);
    }
    this.high = high;
    this.low = low;
  }
}

function insert(highs: Uint32Array, lows: Uint32Array, high: number, low: number): boolean {
  const mask = highs.length - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    if (highs[slot] === high && lows[slot] === low) return false;
    if (highs[slot] !== 0 || lows[slot] !== 0) continue;
    highs[slot] = high;
    lows[slot] = low;
    return true;
  }
}

/** Two independent 32-bit hashes (multiply and xor, then a murmur finish); never both 0, which marks a free slot. */
function hash(text: string): [high: number, low: number] {
  let first = 0xdeadbeef;
  let second = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    first = Math.imul(first ^ unit, 2_654_435_761);
    second = Math.imul(second ^ unit, 1_597_334_677);
  }
  first = Math.imul(first ^ (first >>> 16), 2_246_822_507) ^ Math.imul(second ^ (second >>> 13), 3_266_489_909);
  second = Math.imul(second ^ (second >>> 16), 2_246_822_507) ^ Math.imul(first ^ (first >>> 13), 3_266_489_909);
  return [first >>> 0, second >>> 0 || 1];
}
