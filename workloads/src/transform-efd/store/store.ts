import type { PoolClient } from "../../lib/postgres";
import type { DimensionRecord, RecordKind, Summary } from "../model";
import { rowOwners } from "../records";
import { fillStage, mergePivoted, mergeUnpivoted, pivotedBytes, type RecordKeys, unpivotedBytes } from "./merge";
import { recordKinds, tablesOf } from "./schema";

/** What was stored of a task. */
export interface Stored {
  /** Records by kind, those without a row of their own included. */
  readonly ids: Readonly<Record<RecordKind, readonly number[]>>;
  /** Rows of the pivoted tables. */
  readonly rows: Readonly<Record<RecordKind, number>>;
  /** Records that have no row, and why. */
  readonly notes: readonly string[];
}

/** Stores a summary within a transaction. Columns that are not in it keep what they hold. */
export async function storeSummary(client: PoolClient, schema: string, summary: Summary): Promise<Stored> {
  const ids = { exposure: [] as number[], visit1: [] as number[] };
  const rows = { exposure: 0, visit1: 0 };
  const notes: string[] = [];
  const isAnyFailed = summary.topics.some(({ status }) => status === "failed");
  const answered = summary.topics.flatMap(({ status, columns }) => (status === "ok" ? columns : []));
  for (const kind of recordKinds) {
    const records = summary.records.filter((record) => record.kind === kind);
    if (records.length === 0) continue;
    ids[kind] = records.map(({ id }) => id);
    const { pivoted, unpivoted } = tablesOf[kind];
    const table = summary.pivoted[pivoted];
    const owners = new Set(rowOwners(records).map(({ id }) => id));
    // A row without any value would look as if there was nothing to tell, while nobody could be asked.
    if (answered.length === 0 && isAnyFailed) continue;
    const chosen = table.rows.filter(({ record }) => owners.has(record.id));
    await fillStage(client, kind, "pivoted", pivotedBytes({ columns: table.columns, rows: chosen }));
    const stored = await mergePivoted(client, schema, kind, table.columns);
    rows[kind] = stored.size;
    for (const record of records) if (!stored.has(record.id)) notes.push(gaveWay(record));
    if (answered.length === 0) continue;
    const values = summary.unpivoted[unpivoted].filter(({ record }) => stored.has(record.id));
    await fillStage(client, kind, "unpivoted", unpivotedBytes(values));
    await mergeUnpivoted(client, schema, kind, keysOf(records), answered);
  }
  return { ids, rows, notes };
}

function gaveWay({ kind, id, dayObs, seqNum }: DimensionRecord): string {
  const word = kind === "exposure" ? "exposure" : "visit";
  return `${word} ${id} has no row: one with a larger id has day_obs ${dayObs}, seq_num ${seqNum} too`;
}

function keysOf(records: readonly DimensionRecord[]): RecordKeys {
  return {
    dayObs: records.map(({ dayObs }) => dayObs),
    seqNum: records.map(({ seqNum }) => seqNum),
    ids: records.map(({ id }) => id),
  };
}
