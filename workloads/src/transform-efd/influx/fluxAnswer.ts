import type { FieldType } from "../model";
import { BadAnswer, refusesQuestion } from "./errors";
import { numberEnd, readNumber } from "./number";
import { type Decoder, Samples } from "./samples";

const newline = 10;
const [comma, quote] = [44, 34];
const longestLine = 64 * 2 ** 20;

type Kind = "time" | "number" | "boolean" | "text" | "skip";
const kinds: Record<string, Kind> = { double: "number", long: "number", unsignedLong: "number", boolean: "boolean", string: "text" }; // prettier-ignore
const types: Record<string, FieldType> = { double: "float", long: "integer", unsignedLong: "unsigned", boolean: "boolean", string: "string" }; // prettier-ignore

/** Annotated CSV, line by line; a subclass says what a table's columns and a row of it mean. */
abstract class AnnotatedCsv {
  private rest: Buffer = Buffer.alloc(0);
  private unfinished: Buffer[] = [];
  private datatypes: string[] | undefined;
  private groups: string[] = [];
  private wantsNames = false;
  private isError = false;
  private lines = 0;
  private endsBlank = false;

  protected abstract beginColumns(names: string[], datatypes: string[], groups: boolean[]): void;
  /** A row: the line's bytes from `start` up to `end`. */
  protected abstract readRow(bytes: Buffer, start: number, end: number): void;

  push(bytes: Buffer): void {
    if (bytes.indexOf(newline) < 0) {
      this.unfinished.push(bytes);
      const length = this.unfinished.reduce((sum, piece) => sum + piece.length, 0);
      if (length > longestLine) throw new BadAnswer("a line of the answer is longer than 64 MB", false);
      return;
    }
    const all = Buffer.concat([this.rest, ...this.unfinished, bytes]);
    this.unfinished = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(all, start);
      if (end < 0) break;
      this.readLine(all, start, all[end - 1] === 13 ? end - 1 : end);
      start = end + 1;
    }
    this.rest = all.subarray(start);
  }

  /** @throws BadAnswer unless the last thing was the blank line that ends each result */
  protected finish(): void {
    const hasRest = this.rest.length > 0 || this.unfinished.length > 0;
    if (this.lines === 0 && !hasRest) throw new BadAnswer("the answer is empty");
    if (hasRest || !this.endsBlank) throw new BadAnswer("the answer was cut off");
  }

  private readLine(bytes: Buffer, start: number, end: number): void {
    this.lines++;
    this.endsBlank = start >= end;
    if (start >= end) {
      this.datatypes = undefined;
      return;
    }
    if (bytes[start] === 35 /* # */) {
      const [annotation, ...cells] = readCells(bytes, start, end);
      if (annotation === "#datatype") {
        this.datatypes = cells;
        this.wantsNames = true;
      } else if (annotation === "#group") this.groups = cells;
      return;
    }
    if (!this.datatypes) throw new BadAnswer("it is not the annotated CSV that InfluxDB sends");
    if (this.wantsNames) {
      const names = readCells(bytes, start, end).slice(1);
      if (names.length !== this.datatypes.length) throw new BadAnswer("its names and types are not of one number");
      this.wantsNames = false;
      this.isError = names[0] === "error";
      if (!this.isError) this.beginColumns(names, this.datatypes, this.groups.map((cell) => cell === "true")); // prettier-ignore
      return;
    }
    if (this.isError) {
      const said = readCells(bytes, start, end)[1] ?? "";
      throw new BadAnswer(said, !refusesQuestion(said));
    }
    this.readRow(bytes, start, end);
  }
}

/** Rows of the pivoted question into typed arrays. */
export class FluxDecoder extends AnnotatedCsv implements Decoder {
  private readonly series = new Map<string, Samples>();
  private samples: Samples | undefined;
  private table = "";
  private kinds: Kind[] = [];
  /** By column of the answer: the field's place in the question. */
  private places: number[] = [];
  private tagColumns: number[] = [];
  private names: string[] = [];
  private tableColumn = -1;

  constructor(
    private readonly fields: readonly string[],
    private readonly originNs: bigint,
  ) {
    super();
  }

  end(): ReadonlyMap<string, Samples> {
    this.finish();
    return this.series;
  }

  protected beginColumns(names: string[], datatypes: string[], groups: boolean[]): void {
    this.names = names;
    this.samples = undefined;
    this.tableColumn = names.indexOf("table");
    this.places = names.map((name) => this.fields.indexOf(name));
    this.tagColumns = names.flatMap((_, column) => (groups[column] ? [column] : []));
    this.kinds = names.map((name, column) => {
      const datatype = datatypes[column]!;
      if (name === "_time") return "time";
      if (this.places[column]! < 0 || groups[column]) return "skip";
      const kind = kinds[datatype];
      if (!kind) throw new BadAnswer(`field ${name} is a ${datatype}, which is no telemetry`, false);
      return kind;
    });
    if (!this.kinds.includes("time")) throw new BadAnswer("its columns have no _time");
  }

  protected readRow(bytes: Buffer, start: number, end: number): void {
    // Which table a row is of stands in the row; its tags are looked at where a new one begins.
    const cellsBefore = cellAt(bytes, start, end, this.tableColumn + 1);
    if (!this.samples || cellsBefore !== this.table) {
      const cells = readCells(bytes, start, end);
      const tags = this.tagColumns.length > 0 ? JSON.stringify(this.tagColumns.map((column) => [this.names[column], cells[column + 1]])) : ""; // prettier-ignore
      this.table = cellsBefore;
      const known = this.series.get(tags);
      this.samples = known ?? new Samples(this.fields.length, this.originNs);
      if (!known) this.series.set(tags, this.samples);
    }
    const { samples } = this;
    let at = start;
    let time = -1;
    for (let pass = 0; pass < 2; pass++) {
      // The time may stand behind its values: the first pass finds it, the second reads the values.
      at = skipCell(bytes, start, end);
      for (let column = 0; column < this.kinds.length; column++) {
        if (at > end) throw new BadAnswer("a row is shorter than its header");
        const kind = this.kinds[column]!;
        const isTime = kind === "time";
        const isEmpty = at === end || bytes[at] === comma;
        if (isTime && pass === 0) time = at;
        else if (!isTime && pass === 1 && kind !== "skip" && !isEmpty) {
          at = this.readCell(bytes, at, end, kind, samples, this.places[column]!);
          continue;
        }
        at = skipCell(bytes, at, end);
      }
      if (pass === 0) this.beginRow(bytes, time, end, samples);
    }
    if (at <= end) throw new BadAnswer("a row is longer than its header");
  }

  private day = "";
  private daySeconds = 0;

  /** `2024-10-02T02:14:00.123456789Z`, up to nine digits of a second. */
  private beginRow(bytes: Buffer, at: number, end: number, samples: Samples): void {
    const text = bytes.toString("latin1", at, Math.min(end, at + 20));
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.Z]/.test(text)) throw new BadAnswer("a _time is no time");
    const day = text.slice(0, 10);
    if (day !== this.day) {
      this.day = day;
      this.daySeconds = Date.parse(day) / 1000;
    }
    const two = (offset: number) => (bytes[at + offset]! - 48) * 10 + (bytes[at + offset + 1]! - 48);
    const seconds = this.daySeconds + two(11) * 3600 + two(14) * 60 + two(17);
    let ns = 0;
    let digits = 0;
    if (bytes[at + 19] === 46)
      for (let i = at + 20; digits < 9 && bytes[i]! >= 48 && bytes[i]! <= 57; i++, digits++)
        ns = ns * 10 + bytes[i]! - 48;
    samples.beginRow(seconds, ns * 10 ** (9 - digits));
  }

  private readCell(bytes: Buffer, at: number, end: number, kind: Kind, samples: Samples, field: number): number {
    const row = samples.rows - 1;
    const behind = skipCell(bytes, at, end);
    if (kind === "text") samples.setText(field, unquoted(bytes, at, behind - 1));
    else if (kind === "boolean") {
      const text = bytes.toString("latin1", at, behind - 1);
      if (text !== "true" && text !== "false") throw new BadAnswer("a boolean is neither true nor false");
      samples.columns[field]![row] = text === "true" ? 1 : 0;
    } else {
      const value = readNumber(bytes, at);
      if (value === undefined || numberEnd !== behind - 1) throw new BadAnswer("a number is no number");
      samples.columns[field]![row] = value;
    }
    return behind;
  }
}

/** Fields and types out of the answer to {@link fieldsText}. */
export class FluxFields extends AnnotatedCsv {
  private readonly found = new Map<string, FieldType>();
  private type: FieldType | undefined;
  private column = -1;

  end(): ReadonlyMap<string, FieldType> {
    this.finish();
    return this.found;
  }

  protected beginColumns(names: string[], datatypes: string[]): void {
    this.column = names.indexOf("_field");
    this.type = types[datatypes[names.indexOf("_value")] ?? ""];
  }

  protected readRow(bytes: Buffer, start: number, end: number): void {
    const field = readCells(bytes, start, end)[this.column + 1];
    if (field === undefined || !this.type) throw new BadAnswer("its columns are not _field and _value");
    this.found.set(field, this.type);
  }
}

/** The newline that ends the line, which may hold quoted ones; -1 when it is not there yet. */
function lineEnd(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const end = bytes.indexOf(newline, at);
    if (end < 0) return -1;
    let quotes = 0;
    for (let i = bytes.indexOf(quote, start); i >= 0 && i < end; i = bytes.indexOf(quote, i + 1)) quotes++;
    if (quotes % 2 === 0) return end;
    at = end + 1;
  }
}

/** The byte behind the comma that ends the cell at `at`; one more than `end` behind the last cell. */
function skipCell(bytes: Buffer, at: number, end: number): number {
  let isQuoted = false;
  let i = at;
  for (; i < end; i++) {
    if (bytes[i] === quote) isQuoted = !isQuoted;
    else if (bytes[i] === comma && !isQuoted) break;
  }
  return i + 1;
}

function cellAt(bytes: Buffer, start: number, end: number, index: number): string {
  let at = start;
  for (let i = 0; i < index; i++) at = skipCell(bytes, at, end);
  return bytes.toString("latin1", at, skipCell(bytes, at, end) - 1);
}

function readCells(bytes: Buffer, start: number, end: number): string[] {
  const cells: string[] = [];
  for (let at = start; at <= end;) {
    const next = skipCell(bytes, at, end);
    cells.push(unquoted(bytes, at, next - 1));
    at = next;
  }
  return cells;
}

function unquoted(bytes: Buffer, start: number, end: number): string {
  if (bytes[start] !== quote) return bytes.toString("utf8", start, end);
  return bytes.toString("utf8", start + 1, end - 1).replaceAll('""', '"');
}
