import { BadAnswer, refusesQuestion } from "./errors";
import { numberEnd, readNumber } from "./number";
import { type Decoder, Samples } from "./samples";

/** A piece that is longer than this is none of ours. */
const longestPiece = 256 * 2 ** 20;

const code = (character: string) => character.charCodeAt(0);
const [comma, colon, quote, backslash] = [code(","), code(":"), code('"'), code("\\")];
const [openArray, closeArray, openObject, closeObject] = [code("["), code("]"), code("{"), code("}")];
const [letterN, letterT, letterF] = [code("n"), code("t"), code("f")];
const newline = 10;

/**
 * Reads what `/query` answers with `epoch=ns`, chunked or not: JSON objects, one a line. `values` goes into typed arrays
 * byte by byte; the little around it is read as usual.
 */
export class InfluxqlDecoder implements Decoder {
  private readonly series = new Map<string, Samples>();
  private unfinished: Buffer[] = [];
  private unfinishedBytes = 0;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private answers = 0;
  private isPartial = false;

  constructor(
    private readonly fields: readonly string[],
    private readonly originNs: bigint,
  ) {}

  push(bytes: Buffer): void {
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(newline, from);
      if (end < 0) break;
      this.readLine(bytes.subarray(from, end));
      from = end + 1;
    }
    if (from < bytes.length) {
      this.unfinished.push(bytes.subarray(from));
      this.unfinishedBytes += bytes.length - from;
      if (this.unfinishedBytes > longestPiece)
        throw new BadAnswer("a piece of the answer is longer than 256 MB", false);
    }
  }

  end(): ReadonlyMap<string, Samples> {
    this.readLine(Buffer.alloc(0));
    if (this.answers === 0) throw new BadAnswer("the answer is empty");
    if (this.isPartial) throw new BadAnswer("the answer ends with partial: true, so it is not whole");
    return this.series;
  }

  private readLine(end: Buffer): void {
    this.bytes = this.unfinished.length > 0 ? Buffer.concat([...this.unfinished, end]) : end;
    this.unfinished = [];
    this.unfinishedBytes = 0;
    this.at = 0;
    this.skipSpace();
    if (this.at === this.bytes.length) return;
    this.isPartial = false;
    let results = 0;
    this.readObject((key) => {
      if (key === "error") this.fail();
      else if (key === "results") this.readArray(() => (results++, this.readResult()));
      else this.skipValue();
    });
    this.skipSpace();
    if (this.at !== this.bytes.length) this.garbled();
    if (results !== 1) throw new BadAnswer(`${results} results where one was asked for`);
    this.answers++;
  }

  private readResult(): void {
    this.readObject((key) => {
      if (key === "error") this.fail();
      else if (key === "series") this.readArray(() => this.readSeries());
      else if (key === "partial") this.isPartial = this.readValue() === true || this.isPartial;
      else this.skipValue();
    });
  }

  private readSeries(): void {
    let tags = "";
    let hasColumns = false;
    this.readObject((key) => {
      if (key === "tags") tags = JSON.stringify(this.readValue());
      else if (key === "columns") {
        this.checkColumns(this.readValue());
        hasColumns = true;
      } else if (key === "values") {
        if (!hasColumns) throw new BadAnswer("values before columns");
        let samples = this.series.get(tags);
        if (!samples) this.series.set(tags, (samples = new Samples(this.fields.length, this.originNs)));
        this.readRows(samples);
      } else if (key === "partial") this.isPartial = this.readValue() === true || this.isPartial;
      else this.skipValue();
    });
  }

  private checkColumns(columns: unknown): void {
    const expected = ["time", ...this.fields];
    const same = Array.isArray(columns) && columns.length === expected.length && expected.every((name, i) => columns[i] === name); // prettier-ignore
    if (!same) throw new BadAnswer("its columns are not those that were asked for, in their order");
  }

  /** `[[time, value, …], …]`; locals instead of members, since this runs once a value. */
  private readRows(samples: Samples): void {
    const { bytes } = this;
    const width = this.fields.length;
    let at = this.at;
    if (bytes[at++] !== openArray) this.garbled();
    if (bytes[at] === closeArray) {
      this.at = at + 1;
      return;
    }
    for (;;) {
      if (bytes[at++] !== openArray) this.garbled();
      let end = at;
      while (bytes[end]! >= 0x30 && bytes[end]! <= 0x39) end++;
      if (end === at || bytes[end] !== comma) this.garbled();
      const second = Math.max(at, end - 9);
      let seconds = 0;
      let ns = 0;
      for (; at < second; at++) seconds = seconds * 10 + (bytes[at]! - 0x30);
      for (; at < end; at++) ns = ns * 10 + (bytes[at]! - 0x30);
      samples.beginRow(seconds, ns);
      const row = samples.rows - 1;
      const { columns } = samples;
      for (let field = 0; field < width; field++) {
        if (bytes[at++] !== comma) this.garbled();
        const first = bytes[at];
        if (first === letterN) at = this.literal(at, "null");
        else if (first === letterT) {
          at = this.literal(at, "true");
          columns[field]![row] = 1;
        } else if (first === letterF) {
          at = this.literal(at, "false");
          columns[field]![row] = 0;
        } else if (first === quote) {
          this.at = at;
          samples.setText(field, this.readValue() as string);
          at = this.at;
        } else {
          const value = readNumber(bytes, at);
          if (value === undefined) this.garbled();
          columns[field]![row] = value;
          at = numberEnd;
        }
      }
      if (bytes[at++] !== closeArray) this.garbled();
      const next = bytes[at++];
      if (next === closeArray) break;
      if (next !== comma) this.garbled();
    }
    this.at = at;
  }

  private literal(at: number, word: string): number {
    for (let i = 0; i < word.length; i++) if (this.bytes[at + i] !== word.charCodeAt(i)) this.garbled();
    return at + word.length;
  }

  private fail(): never {
    const said = String(this.readValue());
    throw new BadAnswer(said, !refusesQuestion(said));
  }

  private garbled(): never {
    throw new BadAnswer("it is not the JSON that InfluxDB sends, or it was cut off");
  }

  private readObject(member: (key: string) => void): void {
    this.expect(openObject);
    if (this.accept(closeObject)) return;
    do {
      this.skipSpace();
      if (this.bytes[this.at] !== quote) this.garbled();
      const key = this.readValue() as string;
      this.expect(colon);
      this.skipSpace();
      member(key);
    } while (this.accept(comma));
    this.expect(closeObject);
  }

  private readArray(element: () => void): void {
    this.expect(openArray);
    if (this.accept(closeArray)) return;
    do {
      this.skipSpace();
      element();
    } while (this.accept(comma));
    this.expect(closeArray);
  }

  private expect(byte: number): void {
    if (!this.accept(byte)) this.garbled();
  }

  private accept(byte: number): boolean {
    this.skipSpace();
    if (this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  private skipSpace(): void {
    while (this.bytes[this.at]! <= 0x20) this.at++;
  }

  private readValue(): unknown {
    const start = this.at;
    this.skipValue();
    try {
      return JSON.parse(this.bytes.toString("utf8", start, this.at));
    } catch {
      return this.garbled();
    }
  }

  private skipValue(): void {
    let depth = 0;
    do {
      const byte = this.bytes[this.at++];
      if (byte === undefined) this.garbled();
      if (byte === quote) this.skipString();
      else if (byte === openArray || byte === openObject) depth++;
      else if (byte === closeArray || byte === closeObject) depth--;
      else if (depth === 0) while (/[\w.+-]/.test(String.fromCharCode(this.bytes[this.at] ?? 0))) this.at++;
    } while (depth > 0);
  }

  private skipString(): void {
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) this.garbled();
      if (byte === quote) return;
      if (byte === backslash) this.at++;
    }
  }
}
