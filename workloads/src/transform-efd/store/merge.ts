import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { from as copyFrom } from "pg-copy-streams";
import { type PoolClient, quoted } from "../../lib/postgres";
import type { PivotedRows, RecordKind, UnpivotedRow } from "../model";
import { CopyWriter } from "./copyFormat";
import { tablesOf } from "./schema";

/**
 * Rows go by COPY into a stage table and from there by one statement into their table. A stage has the same few columns
 * whatever the configuration has, since one with 500 columns a task would bloat the catalogue; values are an array.
 */
const stages = {
  pivoted: "(day_obs integer, seq_num integer, id bigint, values double precision[])",
  unpivoted: "(day_obs integer, seq_num integer, id bigint, property text, field text, value double precision)",
} as const;
type Form = keyof typeof stages;

export const stageColumns: Readonly<Record<Form, string>> = {
  pivoted: "day_obs, seq_num, id, values",
  unpivoted: "day_obs, seq_num, id, property, field, value",
};

/** Fills the stage of a table for this transaction. @param bytes - Binary COPY of {@link stageColumns}. */
export async function fillStage(client: PoolClient, kind: RecordKind, form: Form, bytes: Readable): Promise<void> {
  const stage = stageOf(kind, form);
  await client.query(`create temporary table ${stage} ${stages[form]} on commit drop`);
  await pipeline(bytes, client.query(copyFrom(`copy ${stage} (${stageColumns[form]}) from stdin (format binary)`)));
  await client.query(`analyze ${stage}`); // else the planner reads the whole table behind it
}

/**
 * Takes the stage of a pivoted table over: each record gets the given columns, others stay as they are. Of two records with one
 * (day_obs, seq_num) the one with the larger id has the row, whichever comes first.
 * @returns ids of the records that have their row now.
 */
export async function mergePivoted(
  client: PoolClient,
  schema: string,
  kind: RecordKind,
  columns: readonly string[],
): Promise<Set<number>> {
  const { pivoted, id } = tablesOf[kind];
  const table = `${quoted(schema)}.${quoted(pivoted)}`;
  const stage = stageOf(kind, "pivoted");
  const names = columns.map((name) => `, ${quoted(name)}`).join("");
  const values = columns.map((_name, index) => `, v[${index + 1}]`).join("");
  const updates = columns.map((name) => `, ${quoted(name)} = excluded.${quoted(name)}`).join("");
  // A row of a record that gave way, or that moved: its other columns are not this record's.
  await client.query(
    `delete from ${table} t using ${stage} s where t.day_obs = s.day_obs and t.seq_num = s.seq_num and t.${id} < s.id`,
  );
  await client.query(
    `delete from ${table} t using ${stage} s
      where t.${id} = s.id and (t.day_obs <> s.day_obs or t.seq_num <> s.seq_num)`,
  );
  // `|| '{}'` unpacks an array once for all its columns. The order is the same for all, so that two workers cannot deadlock.
  const { rows } = await client.query<{ id: string }>(
    `insert into ${table} as t (day_obs, seq_num, ${id}${names})
     select day_obs, seq_num, id${values}
       from (select day_obs, seq_num, id, values || '{}' as v from ${stage} order by day_obs, seq_num offset 0) s
     on conflict (day_obs, seq_num) do update set ${id} = excluded.${id}${updates} where t.${id} = excluded.${id}
     returning t.${id} as id`,
  );
  return new Set(rows.map((row) => Number(row.id)));
}

/** Records of a kind. */
export interface RecordKeys {
  readonly dayObs: readonly number[];
  readonly seqNum: readonly number[];
  readonly ids: readonly number[];
}

/**
 * Takes the stage of an unpivoted table over; rows of these records and properties that are not in it go.
 * @param properties - Those that were computed; default: all that there are.
 */
export async function mergeUnpivoted(
  client: PoolClient,
  schema: string,
  kind: RecordKind,
  records: RecordKeys,
  properties?: readonly string[],
): Promise<void> {
  const { unpivoted, id } = tablesOf[kind];
  const table = `${quoted(schema)}.${quoted(unpivoted)}`;
  const stage = stageOf(kind, "unpivoted");
  await client.query(
    `delete from ${table} t using unnest($1::integer[], $2::integer[], $3::bigint[]) r (day_obs, seq_num, id)
      where t.day_obs = r.day_obs and t.seq_num = r.seq_num and t.${id} = r.id
        and ($4::text[] is null or t.property = any($4))
        and not exists (select from ${stage} s where s.day_obs = t.day_obs and s.seq_num = t.seq_num and s.id = t.${id}
                          and s.property = t.property and s.field = t.field)`,
    [records.dayObs, records.seqNum, records.ids, properties ?? null],
  );
  await client.query(
    `insert into ${table} as t (day_obs, seq_num, ${id}, property, field, value)
     select day_obs, seq_num, id, property, field, value from ${stage}
      order by day_obs, seq_num, id, property collate "C", field collate "C"
     on conflict (day_obs, seq_num, ${id}, property, field) do update set value = excluded.value
       where t.value is distinct from excluded.value`,
  );
}

/** Rows of a pivoted table for its stage. */
export function pivotedBytes({ columns, rows }: PivotedRows): Readable {
  return Readable.from(
    (function* () {
      const writer = new CopyWriter(columns.length);
      for (const { record, values } of rows) {
        yield* writer.row(4);
        writer.integer(record.dayObs);
        writer.integer(record.seqNum);
        writer.bigint(record.id);
        writer.floats(values);
      }
      yield writer.end();
    })(),
  );
}

/** Rows of an unpivoted table for its stage. */
export function unpivotedBytes(rows: readonly UnpivotedRow[]): Readable {
  return Readable.from(
    (function* () {
      const writer = new CopyWriter();
      for (const { record, property, field, value } of rows) {
        yield* writer.row(6);
        writer.integer(record.dayObs);
        writer.integer(record.seqNum);
        writer.bigint(record.id);
        writer.text(property);
        writer.text(field);
        writer.float(value);
      }
      yield writer.end();
    })(),
  );
}

function stageOf(kind: RecordKind, form: Form): string {
  return `pg_temp.${quoted(`stage_${tablesOf[kind][form]}`)}`;
}
