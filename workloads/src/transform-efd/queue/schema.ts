import { type Database, literal, type PoolClient, quoted } from "../../lib/postgres";

/** Schema of the task tables, one table an instrument. */
export const queueSchema = "efd_scheduler";

/** Columns beyond those of the first table: readers of that one go on as they are. */
const additions = {
  mode: "text", // which mode made the row: 'cronjob', 'job' or 'failure-monitor'; NULL: older than this column
  lease_owner: "text", // process that works on it, or did last
  lease_until: "timestamptz", // until then nobody else takes a running task
  heartbeat: "timestamptz",
  attempt: "integer default 0", // how often it was taken
  last_attempt: "timestamptz", // when that was: repeats wait from here
  topics: "jsonb", // how the question for each topic ended
  duplicate_of: "integer", // an older row of the same window; the newest one stands for all
} as const;

/** Names within {@link queueSchema} that belong to one instrument. */
export function queueNames(instrument: string) {
  return {
    tasks: `${queueSchema}.${quoted(instrument)}`,
    /** Copies that secondaries still need. */
    copies: `${queueSchema}.${quoted(`${instrument}_secondary`)}`,
    windows: `${instrument}_windows`,
    open: `${instrument}_open`,
    marks: `${instrument}_marks`,
  };
}

/**
 * Brings the task table of an instrument up to date: makes it, or adds to the one there is. Changes no value and drops nothing.
 * Does nothing, and needs no right to, where all is there.
 */
export async function migrateQueue(database: Database, instrument: string): Promise<void> {
  const isCurrent = (client: PoolClient) => hasEverything(client, instrument);
  if (await database.transaction("looking at the task table", isCurrent, { readOnly: true })) return;
  await database.transaction("bringing the task table up to date", async (client) => {
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`${queueSchema}.${instrument}`]);
    if (await isCurrent(client)) return;
    await client.query(migration(instrument));
    await client.query(grants(queueSchema));
  });
}

async function hasEverything(client: PoolClient, instrument: string): Promise<boolean> {
  const { open, windows, marks } = queueNames(instrument);
  const { rows } = await client.query<{ found: string }>(
    `select count(*) as found from (
       select a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = $2 and a.attname = any($3) and not a.attisdropped
       union all
       select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = any($4)) s`,
    [queueSchema, instrument, Object.keys(additions), [open, windows, marks, `${instrument}_secondary`]],
  );
  return Number(rows[0]!.found) === Object.keys(additions).length + 4;
}

function migration(instrument: string): string {
  const { tasks, copies, windows, open, marks } = queueNames(instrument);
  return `
    create schema if not exists ${queueSchema};
    create table if not exists ${tasks} (
      id serial primary key,
      start_time timestamp,
      end_time timestamp,
      timewindow integer,
      status char(20) default 'pending',
      process_start_time timestamp,
      process_end_time timestamp,
      process_exec_time integer default 0,
      exposures integer default 0,
      visits1 integer default 0,
      retries integer default 0,
      error text,
      butler_repo text,
      created_at timestamp default current_timestamp
    );
    comment on table ${tasks} is ${literal(`Scheduler for ${instrument}.`)};
    ${Object.entries(additions)
      .map(([name, type]) => `alter table ${tasks} add column if not exists ${name} ${type};`)
      .join("\n    ")}
    update ${tasks} t set duplicate_of = k.newest
      from (select id, max(id) over (partition by start_time, end_time, butler_repo) as newest from ${tasks}
             where duplicate_of is null) k
      where t.id = k.id and k.newest <> k.id;
    create unique index if not exists ${quoted(windows)} on ${tasks} (start_time, end_time, butler_repo)
      where duplicate_of is null;
    create index if not exists ${quoted(open)} on ${tasks} (end_time)
      where status in ('pending', 'idle', 'running', 'failed') and duplicate_of is null;
    create index if not exists ${quoted(marks)} on ${tasks} (mode, end_time);
    create table if not exists ${copies} (
      task_id integer not null,
      target text not null,
      exposures bigint[] not null,
      visits bigint[] not null,
      since timestamptz not null default clock_timestamp(),
      error text,
      primary key (target, task_id)
    );
    comment on table ${copies} is 'Rows of tasks that a secondary database does not have yet.';`;
}

/** Rights of the roles that the facility has; roles that are not there get none. */
export function grants(schema: string): string {
  return `do $$ begin
    if exists (select from pg_roles where rolname = 'oods') then
      grant usage on schema ${schema} to oods;
      grant all privileges on all tables in schema ${schema} to oods;
    end if;
    if exists (select from pg_roles where rolname = 'usdf') then
      grant usage on schema ${schema} to usdf;
      grant select on all tables in schema ${schema} to usdf;
    end if;
  end $$`;
}
