import { type Database, literal, type PoolClient, quoted } from "../../lib/postgres";
import type { OutputTable, PivotedTable, RecordKind, UnpivotedTable } from "../model";
import { grants } from "../queue";

/** Columns that an instrument's tables must have. */
export interface OutputColumn {
  readonly name: string;
  readonly tables: readonly OutputTable[];
  readonly isUnpivoted: boolean;
  readonly description: string;
}

/** Tables of a kind of record, and the column of its id. */
export const tablesOf: Readonly<
  Record<RecordKind, { readonly pivoted: PivotedTable; readonly unpivoted: UnpivotedTable; readonly id: string }>
> = {
  exposure: { pivoted: "exposure_efd", unpivoted: "exposure_efd_unpivoted", id: "exposure_id" },
  visit1: { pivoted: "visit1_efd", unpivoted: "visit1_efd_unpivoted", id: "visit_id" },
};
export const recordKinds = ["exposure", "visit1"] as const satisfies readonly RecordKind[];

/** Names of the columns of a pivoted table, in the order of the configuration. */
export function columnsOfTable(columns: readonly OutputColumn[], table: PivotedTable): string[] {
  return columns.filter(({ isUnpivoted, tables }) => !isUnpivoted && tables.includes(table)).map(({ name }) => name);
}

/**
 * Makes the tables of a schema and the columns that they lack. Drops and retypes nothing: a column that the configuration does
 * not have any more stays. Does nothing, and needs no right to, where all is there.
 * @returns names of what was added, `table` or `table.column`.
 */
export async function migrateOutput(
  database: Database,
  schema: string,
  columns: readonly OutputColumn[],
): Promise<readonly string[]> {
  const look = (client: PoolClient) => missingFrom(client, schema, columns);
  const missing = await database.transaction("looking at the tables of results", look, { readOnly: true });
  if (missing.size === 0) return [];
  return database.transaction("bringing the tables of results up to date", async (client) => {
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [schema]);
    const steps = await look(client);
    if (steps.size === 0) return [];
    await client.query(`create schema if not exists ${quoted(schema)}`);
    await client.query([...steps.values()].join(";\n"));
    await client.query(grants(quoted(schema)));
    return [...steps.keys()];
  });
}

/** What is not there, by name, with the statements that make it. */
async function missingFrom(
  client: PoolClient,
  schema: string,
  columns: readonly OutputColumn[],
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(
    `select c.relname::text as name, array_agg(a.attname::text) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = $1 and c.relkind in ('r', 'p') group by c.relname`,
    [schema],
  );
  const found = new Map(rows.map(({ name, columns }) => [name, new Set(columns)]));
  const steps = new Map<string, string>();
  for (const kind of recordKinds) {
    const { pivoted, unpivoted, id } = tablesOf[kind];
    const table = `${quoted(schema)}.${quoted(pivoted)}`;
    if (!found.has(pivoted)) steps.set(pivoted, pivotedTable(table, pivoted, id));
    if (!found.has(unpivoted)) steps.set(unpivoted, unpivotedTable(`${quoted(schema)}.${quoted(unpivoted)}`, id));
    for (const name of columnsOfTable(columns, pivoted)) {
      if (found.get(pivoted)?.has(name)) continue;
      const { description } = columns.find((column) => column.name === name)!;
      steps.set(
        `${pivoted}.${name}`,
        `alter table ${table} add column if not exists ${quoted(name)} double precision;
         comment on column ${table}.${quoted(name)} is ${literal(description)}`,
      );
    }
  }
  return steps;
}

function pivotedTable(table: string, name: string, id: string): string {
  return `create table if not exists ${table} (
    day_obs integer not null,
    seq_num integer not null,
    ${id} bigint not null,
    created_at timestamp default current_timestamp,
    primary key (day_obs, seq_num),
    constraint ${quoted(`un_${name}_${id}`)} unique (${id}))`;
}

function unpivotedTable(table: string, id: string): string {
  return `create table if not exists ${table} (
    day_obs integer not null,
    seq_num integer not null,
    ${id} bigint not null,
    property varchar(64) not null default 'default_property',
    field varchar(32) not null default 'default_field',
    value double precision,
    created_at timestamp default current_timestamp,
    primary key (day_obs, seq_num, ${id}, property, field))`;
}
