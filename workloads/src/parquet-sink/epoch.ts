import { createHash } from "node:crypto";

/** A message as it waits for its file. */
export interface Row {
  readonly offset: number;
  /** In Confluent's wire format. */
  readonly value: Buffer;
}

/** Messages of one hour and one schema: one file. */
export interface Group {
  /** Start of the hour, ms since 1970. */
  readonly hourMs: number;
  readonly schemaId: number;
  readonly rows: Row[];
}

/** What a message costs in memory beside its bytes. */
const rowOverheadBytes = 200;

/**
 * Consecutive offsets of one partition that become durable together: one file for each hour and schema among them. So a
 * committed offset is never between two messages of a file, and every file of a span is named by what is in the span.
 */
export class Epoch {
  private readonly groups = new Map<string, Group>();
  /** First offset after those looked at. */
  next: number;
  records = 0;
  bytes = 0;
  newestHourMs = -Infinity;
  /** Where the span ends when its first file is there already: whoever wrote it chose that. */
  decided: { readonly end: number; readonly digest: string } | undefined;

  /** @param start - First offset that is not durable. */
  constructor(
    readonly start: number,
    readonly sinceMs: number,
  ) {
    this.next = start;
  }

  add(hourMs: number, schemaId: number, row: Row): void {
    const name = `${hourMs}/${schemaId}`;
    let group = this.groups.get(name);
    if (!group) this.groups.set(name, (group = { hourMs, schemaId, rows: [] }));
    group.rows.push(row);
    this.next = row.offset + 1;
    this.records += 1;
    this.bytes += row.value.length + rowOverheadBytes;
    this.newestHourMs = Math.max(this.newestHourMs, hourMs);
  }

  /** How many files it would become. */
  get files(): number {
    return this.groups.size;
  }

  /** The group of the first message, and the others. */
  parts(): { lead: Group; others: Group[] } | undefined {
    const [lead, ...others] = this.groups.values();
    return lead && { lead, others };
  }

  /** The messages below `end`, and the others, each as an epoch. */
  split(end: number): [below: Epoch, others: Epoch] {
    const halves = [new Epoch(this.start, this.sinceMs), new Epoch(end, this.sinceMs)] as [Epoch, Epoch];
    const all = [...this.groups.values()].flatMap(({ hourMs, schemaId, rows }) => rows.map((row) => ({ hourMs, schemaId, row }))); // prettier-ignore
    all.sort((one, other) => one.row.offset - other.row.offset);
    for (const { hourMs, schemaId, row } of all) halves[row.offset < end ? 0 : 1].add(hourMs, schemaId, row);
    halves[0].next = end;
    halves[1].next = this.next;
    return halves;
  }
}

/** SHA-256 of the offsets and bytes of messages. */
export function digestOf(rows: readonly Row[]): string {
  const hash = createHash("sha256");
  for (const { offset, value } of rows) hash.update(`${offset}:${value.length}:`).update(value);
  return hash.digest("hex");
}
