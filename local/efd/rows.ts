import { type PoolClient, quoted } from "../../workloads/src/lib/postgres";
import { queueNames, queueSchema } from "../../workloads/src/transform-efd/queue";
import type { CoveringTask } from "./coverage";

/**
 * Which records have a row in a pivoted table, and whether any column of it has a value.
 * @param id - `exposure_id` or `visit_id`.
 * @returns By id; empty where the table does not exist yet.
 */
export async function rowsByRecord(
  client: PoolClient,
  place: { readonly schema: string; readonly table: string; readonly id: string },
  since: number,
  until: number,
): Promise<Map<number, boolean>> {
  const { schema, table, id } = place;
  const { rows: columns } = await client.query<{ name: string }>(
    `select column_name as name from information_schema.columns
     where table_schema = $1 and table_name = $2 order by ordinal_position`,
    [schema, table],
  );
  if (columns.length === 0) return new Map();
  const fixed = ["day_obs", "seq_num", "exposure_id", "visit_id", "created_at"];
  const values = columns.filter(({ name }) => !fixed.includes(name)).map(({ name }) => quoted(name));
  const hasValues = values.length === 0 ? "false" : `not (row(${values.join(", ")}) is null)`;
  const { rows } = await client.query<[number, boolean]>({
    text: `select ${id}::float8, ${hasValues} from ${quoted(schema)}.${quoted(table)} where day_obs between $1 and $2`,
    values: [since, until],
    rowMode: "array",
  });
  return new Map(rows);
}

/** Tasks of a Butler repository whose window touches `[fromMs, toMs]`; none where there is no queue. */
export async function tasksBetween(
  client: PoolClient,
  instrument: string,
  repo: string,
  fromMs: number,
  toMs: number,
): Promise<CoveringTask[]> {
  if (!(await tableExists(client, queueSchema, instrument))) return [];
  const { rows } = await client.query<CoveringTask>(
    `select id, extract(epoch from start_time)::float8 * 1000 as "startMs",
       extract(epoch from end_time)::float8 * 1000 as "endMs", trim(status) as status, error
     from ${queueNames(instrument).tasks}
     where (butler_repo = $1 or butler_repo is null) and start_time <= to_timestamp($3 / 1000.0) at time zone 'UTC'
       and end_time >= to_timestamp($2 / 1000.0) at time zone 'UTC'`,
    [repo, fromMs, toMs],
  );
  return rows;
}

export async function tableExists(client: PoolClient, schema: string, table: string): Promise<boolean> {
  const { rows } = await client.query("select 1 from pg_tables where schemaname = $1 and tablename = $2", [
    schema,
    table,
  ]);
  return rows.length > 0;
}
