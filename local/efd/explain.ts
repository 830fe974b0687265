import { existsSync } from "node:fs";
import { nearest } from "../../workloads/src/lib/contract";
import { type PoolClient, quoted } from "../../workloads/src/lib/postgres";
import { type Column, loadColumns } from "../../workloads/src/transform-efd/columns";
import type { DimensionRecord, OutputTable } from "../../workloads/src/transform-efd/model";
import { efdClientOf, legacyOf } from "../../workloads/src/transform-efd/reading";
import { findRegistry, Registry, rowOwners } from "../../workloads/src/transform-efd/records";
import { explainColumn, type Explanation } from "../../workloads/src/transform-efd/window";
import { CommandError, exitCodes } from "../exit";
import { type EfdOptions, efdPlace, type EfdPlace, type Settings, settingsOf } from "./connection";
import { type CoveringTask, endMs, taskFinder } from "./coverage";
import { log, reading } from "./database";
import { explanationLines } from "./explainText";
import { tableExists, tasksBetween } from "./rows";

export interface ExplainOptions extends EfdOptions {
  /** Column configuration in place of that of the environment. */
  readonly columns?: string;
}

/** How one value came to be, and what is stored. */
export interface ValueExplained {
  readonly column: Column;
  readonly record: DimensionRecord;
  readonly explanation: Explanation;
  /** Whether the record has a row (unpivoted: any of the property). */
  readonly hasRow: boolean;
  /** As {@link Explanation.values}; a field without a row is not there. */
  readonly stored: readonly { readonly field?: string; readonly value: number | null }[];
  /** The task that owns the record. */
  readonly task?: CoveringTask;
  /** Record of the same kind, day and number whose id is larger: it has the row. */
  readonly rowOwner?: number;
}

/** Longest time for all queries, ms. */
const limitMs = 300_000;

/** `usdf efd explain COLUMN EXPOSURE`. */
export async function explainValue(name: string, id: number, options: ExplainOptions): Promise<void> {
  const place = await efdPlace(options);
  const settings = settingsOf(place);
  const column = await columnNamed(name, options.columns ?? configurationOf(settings), settings.INSTRUMENT);
  const { found: records, owners } = await recordsNumbered(id, place, settings);
  const explained: ValueExplained[] = [];
  const efd = efdClientOf(settings);
  const legacy = legacyOf(settings);
  try {
    for (const record of records) {
      const explanation = await explainColumn(column, record, efd, { legacy, signal: AbortSignal.timeout(limitMs) });
      if (explanation === undefined) continue; // the column has no table for this kind
      const known = await reading("reading the stored value", place.env.CONSDB_URL, (client) =>
        stored(client, place.instrument, settings.BUTLER_REPO, column, explanation.table, record),
      );
      const owner = owners.find((other) => other.kind === record.kind && other.seqNum === record.seqNum)!;
      const rowOwner = owner.id === record.id ? undefined : owner.id;
      explained.push({ column, record, explanation, ...known, rowOwner });
    }
  } finally {
    await efd.close();
  }
  if (explained.length === 0) {
    throw new CommandError(`Column ${name} is for ${column.tables.join(" and ")} only; ${id} is no such record.`);
  }
  if (options.json) console.log(JSON.stringify(explained, withoutBigints, 2));
  else console.log(explained.flatMap(explanationLines).join("\n").trimEnd());
}

/** The one that the container names; on another machine its path is not there, but the program brings the same columns. */
function configurationOf({ CONFIG_FILE }: Settings): string {
  return existsSync(CONFIG_FILE) ? CONFIG_FILE : "builtin";
}

async function columnNamed(name: string, configuration: string, instrument: string): Promise<Column> {
  const { file, columns, faults } = await loadColumns(configuration, instrument);
  const column = columns.find((each) => each.name === name);
  if (column) return column;
  const reasons = faults.filter((fault) => fault.column === name).map(({ reason }) => reason);
  if (reasons.length > 0) {
    throw new CommandError(`Column ${name} of ${file} is left out: ${reasons.join("; ")}.`, exitCodes.badConfig);
  }
  const meant = nearest(name, columns.map((each) => each.name)); // prettier-ignore
  throw new CommandError(
    `No column ${name} in ${file}.${meant ? ` Did you mean ${meant}?` : ""} All of them: usdf efd columns ${instrument}`,
    exitCodes.usage,
  );
}

/** The exposure and the visit of an id, which begins with their day of observation; and who of that day has rows. */
async function recordsNumbered(id: number, place: EfdPlace, settings: Settings) {
  const options = { log, applicationName: "usdf efd", attempts: 2 };
  const registry = new Registry(await findRegistry(settings, place.env), settings.INSTRUMENT, options);
  try {
    const dayObs = Math.floor(id / 100_000);
    const { records } = await registry.ofDays(dayObs, dayObs);
    const found = records.filter((record) => record.id === id);
    if (found.length > 0) return { found, owners: rowOwners(records) };
    const days =
      records.length === 0 ? `no records of ${dayObs} at all` : `${records.length} other records of ${dayObs}`;
    throw new CommandError(`The Butler has no exposure or visit ${id} of ${settings.INSTRUMENT}, and ${days}.`);
  } finally {
    await registry.close();
  }
}

async function stored(
  client: PoolClient,
  instrument: string,
  repo: string,
  column: Column,
  table: OutputTable,
  record: DimensionRecord,
): Promise<Pick<ValueExplained, "hasRow" | "stored" | "task">> {
  const at = endMs(record);
  const task = taskFinder(await tasksBetween(client, instrument, repo, at, at))(record);
  const schema = `efd_${instrument}`;
  if (!(await tableExists(client, schema, table))) return { hasRow: false, stored: [], task };
  const id = record.kind === "exposure" ? "exposure_id" : "visit_id";
  const from = `from ${quoted(schema)}.${quoted(table)}`;
  if (column.isUnpivoted) {
    const sql = `select field, value ${from} where day_obs = $1 and seq_num = $2 and ${id} = $3 and property = $4`;
    const values = [record.dayObs, record.seqNum, record.id, column.name];
    const { rows } = await client.query<{ field: string; value: number | null }>(sql, values);
    return { hasRow: rows.length > 0, stored: rows, task };
  }
  // Out of the row as a whole: the table may lack the column.
  const sql = `select (to_jsonb(t) ->> $4)::float8 as value from (select * ${from}) t
    where day_obs = $1 and seq_num = $2 and ${id} = $3`;
  const { rows } = await client.query<{ value: number | null }>(sql, [
    record.dayObs,
    record.seqNum,
    record.id,
    column.name,
  ]);
  return { hasRow: rows.length > 0, stored: rows, task };
}

const withoutBigints = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
