import pLimit from "p-limit";
import { messageOf } from "../../lib/errors";
import type { Column } from "../columns";
import type { DimensionRecord, EfdClient, PivotedRows, PivotedTable, RecordKind, Summary, TopicOutcome, UnpivotedRow, UnpivotedTable } from "../model"; // prettier-ignore
import { type Group, groupsOf, type LegacySwitches } from "./groups";
import { type Part, partsOf } from "./read";
import { rowsWithin, type Selection, selectionsOf } from "./selection";
import { Tally } from "./tally";
import { type Reading, readingsOf, type Target } from "./targets";

/** Groups that are read at a time. */
const defaultConcurrency = 8;

export interface SummariseOptions {
  readonly legacy?: LegacySwitches;
  /** Groups of columns that are read at a time, and so what is in memory. @default 8 */
  readonly concurrency?: number;
  readonly signal: AbortSignal;
}

/**
 * Summarises telemetry over the true span of every record, one group of columns after the other, `concurrency` of them
 * side by side. A group whose query fails costs its own columns only; see {@link Summary.topics}.
 * @throws what the signal was aborted with.
 */
export async function summarise(
  records: readonly DimensionRecord[],
  columns: readonly Column[],
  client: EfdClient,
  { legacy = {}, concurrency = defaultConcurrency, signal }: SummariseOptions,
): Promise<Summary> {
  const limit = pLimit(concurrency);
  const groups = groupsOf(columns, legacy);
  const results = new Map<Group, GroupResult>();
  await Promise.all(
    byCost(groups).map((group) =>
      limit(async () => results.set(group, await summariseGroup(group, records, client, legacy, signal))),
    ),
  );
  const inOrder = groups.map((group) => results.get(group)!);
  const values = new Map(inOrder.flatMap((result) => [...result.values]));
  const unpivoted = (table: UnpivotedTable) =>
    ([] as UnpivotedRow[]).concat(...inOrder.map((result) => result.unpivoted[table]));
  return {
    records,
    pivoted: {
      exposure_efd: pivotedRows("exposure_efd", columns, records, values),
      visit1_efd: pivotedRows("visit1_efd", columns, records, values),
    },
    unpivoted: {
      exposure_efd_unpivoted: unpivoted("exposure_efd_unpivoted"),
      visit1_efd_unpivoted: unpivoted("visit1_efd_unpivoted"),
    },
    topics: inOrder.flatMap((result) => result.outcomes),
  };
}

/** What costs the EFD most first: while it aggregates, samples of others are decoded here, and no long answer is left to the end. */
function byCost(groups: readonly Group[]): Group[] {
  const cost = ({ fields, preAggregate }: Group) => fields.length * (preAggregate ? 100 : 1);
  return [...groups].sort((a, b) => cost(b) - cost(a));
}

type UnpivotedRows = Record<UnpivotedTable, UnpivotedRow[]>;

interface GroupResult {
  /** Values of pivoted columns by the position of the record; NaN for none. */
  readonly values: ReadonlyMap<Column, Float64Array>;
  readonly unpivoted: UnpivotedRows;
  readonly outcomes: readonly TopicOutcome[];
}

async function summariseGroup(
  group: Group,
  records: readonly DimensionRecord[],
  client: EfdClient,
  legacy: LegacySwitches,
  signal: AbortSignal,
): Promise<GroupResult> {
  const run = new GroupRun(group, records, legacy);
  try {
    for (const reading of readingsOf(group, records, legacy)) {
      run.begin(reading);
      for await (const part of partsOf(group, reading, client, signal)) run.add(part);
      run.finishAll();
    }
    return run.result();
  } catch (error) {
    signal.throwIfAborted();
    return {
      values: new Map(),
      unpivoted: noRows(),
      outcomes: [run.outcome("failed", group.columns, messageOf(error))],
    };
  }
}

/** A group on its way through its parts. */
class GroupRun {
  private readonly selections: readonly Selection[];
  private readonly values = new Map<Column, Float64Array>();
  private readonly unpivoted = noRows();
  private open: { readonly target: Target; readonly tallies: Tally[] }[] = [];
  private waiting: Target[] = [];
  private samples = 0;
  private hasTargets = false;
  private readonly seen = new Set<string>();
  private readonly text = new Set<string>();

  constructor(
    private readonly group: Group,
    private readonly records: readonly DimensionRecord[],
    private readonly legacy: LegacySwitches,
  ) {
    this.selections = selectionsOf(group.columns);
    for (const column of group.columns) {
      if (!column.isUnpivoted) this.values.set(column, new Float64Array(records.length).fill(NaN));
    }
  }

  begin({ targets }: Reading): void {
    this.hasTargets = true;
    this.waiting = [...targets].sort((a, b) => Number(b.read.beginNs - a.read.beginNs));
  }

  add(part: Part): void {
    this.samples += part.samples;
    while (this.waiting.length > 0 && this.waiting.at(-1)!.read.beginNs <= part.span.endNs) {
      const tallies = this.selections.map(({ fields, keepsSamples }) => new Tally(fields.length, keepsSamples));
      this.open.push({ target: this.waiting.pop()!, tallies });
    }
    this.selections.forEach((selection, index) => {
      const rows = part.rowsOf(selection);
      const read = selection.subset ? [...selection.fields, selection.subset.field] : selection.fields;
      for (const field of read) {
        if (rows.series.values.has(field)) this.seen.add(field);
        if (rows.series.textFields.has(field)) this.text.add(field);
      }
      for (const { target, tallies } of this.open) {
        tallies[index]!.add(rows, ...rowsWithin(rows, target.select.beginNs, target.select.endNs));
      }
    });
    this.open = this.open.filter(({ target, tallies }) => {
      const isWhole = target.read.endNs <= part.span.endNs;
      if (isWhole) this.finish(target, tallies);
      return !isWhole;
    });
  }

  finishAll(): void {
    for (const { target, tallies } of this.open) this.finish(target, tallies);
    this.open = [];
  }

  private finish(target: Target, tallies: readonly Tally[]): void {
    this.selections.forEach((selection, index) => {
      for (const column of selection.columns) {
        if (column.isUnpivoted) this.finishUnpivoted(column, target, tallies[index]!);
        else {
          const value = tallies[index]!.value(column.function, this.legacy.rms ?? false) ?? NaN;
          for (const record of target.records) this.values.get(column)![record] = value;
        }
      }
    });
  }

  private finishUnpivoted(column: Column, target: Target, tally: Tally): void {
    for (const position of target.records) {
      const record = this.records[position]!;
      const table = `${record.kind}_efd_unpivoted` as const;
      if (!column.tables.includes(table)) continue;
      const isZeroLost = this.legacy.zeroVisits && record.kind === "visit1";
      column.fields.forEach((field, index) => {
        const value = tally.valueOf(index, column.function, this.legacy.rms ?? false);
        if (value === null || (isZeroLost && value === 0)) return;
        this.unpivoted[table].push({ record, property: column.name, field, value });
      });
    }
  }

  result(): GroupResult {
    const { group } = this;
    if (!this.hasTargets) return { values: new Map(), unpivoted: noRows(), outcomes: [] };
    if (this.samples === 0) {
      return { values: new Map(), unpivoted: noRows(), outcomes: [this.outcome("no-data", group.columns)] };
    }
    const outcomes: TopicOutcome[] = [];
    const good = group.columns.filter((column) => {
      const reason = this.textIn(column);
      if (reason) outcomes.push(this.outcome("failed", [column], reason));
      return !reason;
    });
    const empty = good.filter((column) => !column.fields.some((field) => this.seen.has(field)));
    if (empty.length > 0) outcomes.push(this.outcome("no-data", empty));
    const whole = good.filter((column) => !empty.includes(column));
    if (whole.length > 0) outcomes.unshift(this.outcome("ok", whole));
    const kept = new Set(whole.map(({ name }) => name));
    const { exposure_efd_unpivoted: ofExposures, visit1_efd_unpivoted: ofVisits } = this.unpivoted;
    return {
      values: new Map([...this.values].filter(([{ name }]) => kept.has(name))),
      unpivoted: {
        exposure_efd_unpivoted: ofExposures.filter(({ property }) => kept.has(property)),
        visit1_efd_unpivoted: ofVisits.filter(({ property }) => kept.has(property)),
      },
      outcomes,
    };
  }

  private textIn({ fields, subset }: Column): string | undefined {
    const field = fields.find((name) => this.text.has(name));
    if (field) return `Field ${field} of ${this.group.topic} holds text, which cannot be summarised.`;
    if (!subset || !this.text.has(subset.field) || this.seen.has(subset.field)) return undefined;
    return `Field ${subset.field} of ${this.group.topic} holds text that is no number, so no row can be chosen by it.`;
  }

  outcome(status: TopicOutcome["status"], columns: readonly Column[], error?: string): TopicOutcome {
    const names = columns.map(({ name }) => name);
    const missing = new Set(columns.flatMap(({ fields }) => fields).filter((field) => !this.seen.has(field)));
    return {
      topic: this.group.topic,
      status,
      columns: names,
      samples: this.samples,
      ...(error === undefined ? {} : { error }),
      ...(status !== "failed" && this.samples > 0 && missing.size > 0 ? { missingFields: [...missing] } : {}),
    };
  }
}

function pivotedRows(
  table: PivotedTable,
  columns: readonly Column[],
  records: readonly DimensionRecord[],
  values: ReadonlyMap<Column, Float64Array>,
): PivotedRows {
  const kind: RecordKind = table === "exposure_efd" ? "exposure" : "visit1";
  const kept = columns.filter((column) => column.tables.includes(table) && values.has(column));
  const stored = kept.map((column) => values.get(column)!);
  const rows = records.flatMap((record, index) => {
    if (record.kind !== kind) return [];
    const row = stored.map((column) => (Number.isNaN(column[index]!) ? null : column[index]!));
    return [{ record, values: row }];
  });
  return { columns: kept.map(({ name }) => name), rows };
}

function noRows(): UnpivotedRows {
  return { exposure_efd_unpivoted: [], visit1_efd_unpivoted: [] };
}
