import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { to as copyTo } from "pg-copy-streams";
import { messageOf } from "../../lib/errors";
import type { Logger } from "../../lib/log";
import { type Database, type PoolClient, quoted } from "../../lib/postgres";
import type { RecordKind } from "../model";
import { queueNames } from "../queue";
import { fillStage, mergePivoted, mergeUnpivoted, type RecordKeys } from "./merge";
import { columnsOfTable, migrateOutput, type OutputColumn, recordKinds, tablesOf } from "./schema";

/** Tasks whose rows are copied at once. */
const batch = 20;
/** Tasks that one run repairs for one secondary at most. */
const repairLimit = 2_000;

export interface SecondariesOptions {
  readonly instrument: string;
  readonly schema: string;
  readonly columns: readonly OutputColumn[];
  readonly log: Logger;
}

/**
 * Databases that get a copy of every row. What they lack is noted in the primary, in the transaction that stores a task's rows,
 * and taken off the list when it was copied: a secondary that was away is repaired by the next runs, and never holds up a task.
 */
export class Secondaries {
  private readonly table: string;
  private readonly ready = new Set<Database>();
  private readonly away = new Set<Database>();

  constructor(
    private readonly primary: Database,
    private readonly secondaries: readonly Database[],
    private readonly options: SecondariesOptions,
  ) {
    this.table = queueNames(options.instrument).copies;
  }

  /** Notes, within the transaction of a task, that all secondaries need its rows. */
  async note(client: PoolClient, taskId: number, ids: Readonly<Record<RecordKind, readonly number[]>>): Promise<void> {
    if (this.secondaries.length === 0 || ids.exposure.length + ids.visit1.length === 0) return;
    await client.query(
      `insert into ${this.table} as t (task_id, target, exposures, visits)
       select $1::integer, target, $3::bigint[], $4::bigint[] from unnest($2::text[]) target
       on conflict (target, task_id) do update set exposures = excluded.exposures, visits = excluded.visits,
         since = excluded.since`,
      [taskId, this.secondaries.map(({ name }) => name), ids.exposure, ids.visit1],
    );
  }

  /** Copies what the secondaries lack, oldest first. One that fails is left alone for the rest of this run. */
  async repair(stop?: AbortSignal): Promise<void> {
    for (const target of this.secondaries) {
      for (let copied = 0; copied < repairLimit && !this.away.has(target) && !stop?.aborted;) {
        const tasks = await this.lacking(target);
        if (tasks.length === 0) break;
        await this.copy(target, tasks);
        copied += tasks.length;
      }
    }
  }

  /** Tasks whose rows a secondary lacks, by its name; also of those that are configured no more. */
  async behind(minAgeSeconds = 0): Promise<Map<string, number>> {
    const query = `select target, count(*)::int as tasks from ${this.table}
      where since <= now() - $1 * interval '1 second' group by target`;
    const work = async (client: PoolClient) =>
      (await client.query<{ target: string; tasks: number }>(query, [minAgeSeconds])).rows;
    const rows = await this.primary.transaction("counting copies", work, { readOnly: true });
    const none = this.secondaries.map(({ name }) => [name, 0] as const);
    return new Map([...none, ...rows.map(({ target, tasks }) => [target, tasks] as const)]);
  }

  private async lacking(target: Database): Promise<Lacking[]> {
    const query = `select task_id, since::text, exposures, visits from ${this.table} where target = $1
      order by since, task_id limit ${batch}`;
    const work = async (client: PoolClient) => (await client.query<Lacking>(query, [target.name])).rows;
    return this.primary.transaction("looking for copies to make", work, { readOnly: true });
  }

  private async copy(target: Database, tasks: readonly Lacking[]): Promise<void> {
    const { schema, columns, log } = this.options;
    const ids = { exposure: tasks.flatMap((task) => task.exposures), visit1: tasks.flatMap((task) => task.visits) };
    try {
      if (!this.ready.has(target)) await migrateOutput(target, schema, columns);
      this.ready.add(target);
      await target.transaction("copying rows", async (client) => {
        // One copier at a time, and the rows are read after it has its turn: the last one to write has read the newest.
        await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`copy ${schema}`]);
        for (const kind of recordKinds) if (ids[kind].length > 0) await this.copyKind(client, kind, ids[kind]);
      });
      await this.strike(target, tasks);
    } catch (error) {
      this.away.add(target);
      log.error({ target: target.name, tasks: tasks.length, error: messageOf(error) }, "db_write_failed");
      await this.explain(target, tasks, messageOf(error));
    }
  }

  private async copyKind(client: PoolClient, kind: RecordKind, texts: readonly string[]): Promise<void> {
    const { schema, columns } = this.options;
    const { pivoted, unpivoted, id } = tablesOf[kind];
    const ids = [...new Set(texts.map(Number))];
    const mine = columnsOfTable(columns, pivoted);
    const list = `array[${ids.join(",")}]::bigint[]`;
    await this.primary.transaction(
      "reading rows to copy",
      async (source) => {
        const { rows } = await source.query<{ day_obs: number; seq_num: number; id: string }>(
          `select day_obs, seq_num, ${id} as id from ${quoted(schema)}.${quoted(pivoted)} where ${id} = any($1)`,
          [ids],
        );
        const keys: RecordKeys = {
          dayObs: rows.map((row) => row.day_obs),
          seqNum: rows.map((row) => row.seq_num),
          ids: rows.map((row) => Number(row.id)),
        };
        const values = `array[${mine.map(quoted).join(", ")}]::double precision[]`;
        const wide = `select day_obs, seq_num, ${id}, ${values} from ${quoted(schema)}.${quoted(pivoted)}
          where ${id} = any(${list})`;
        await copyQuery(source, wide, (bytes) => fillStage(client, kind, "pivoted", bytes));
        await mergePivoted(client, schema, kind, mine);
        const long = `select u.day_obs, u.seq_num, u.${id}, u.property::text, u.field::text, u.value
          from ${quoted(schema)}.${quoted(pivoted)} p join ${quoted(schema)}.${quoted(unpivoted)} u
            on u.day_obs = p.day_obs and u.seq_num = p.seq_num and u.${id} = p.${id}
          where p.${id} = any(${list})`;
        await copyQuery(source, long, (bytes) => fillStage(client, kind, "unpivoted", bytes));
        await mergeUnpivoted(client, schema, kind, keys);
      },
      { readOnly: true },
    );
  }

  /** Takes copies off the list, unless they are needed again since. */
  private async strike(target: Database, tasks: readonly Lacking[]): Promise<void> {
    await this.primary.transaction("striking copies off", (client) =>
      client.query(
        `delete from ${this.table} t using unnest($2::integer[], $3::timestamptz[]) d (task_id, since)
          where t.target = $1 and t.task_id = d.task_id and t.since = d.since`,
        [target.name, tasks.map((task) => task.task_id), tasks.map((task) => task.since)],
      ),
    );
  }

  private async explain(target: Database, tasks: readonly Lacking[], error: string): Promise<void> {
    await this.primary.transaction("noting a failed copy", (client) =>
      client.query(`update ${this.table} set error = $3 where target = $1 and task_id = any($2)`, [
        target.name,
        tasks.map((task) => task.task_id),
        error,
      ]),
    );
  }
}

interface Lacking {
  readonly task_id: number;
  readonly since: string;
  readonly exposures: readonly string[];
  readonly visits: readonly string[];
}

/** Streams the answer of a query, in binary COPY, into `sink`. */
async function copyQuery(
  client: PoolClient,
  query: string,
  sink: (bytes: PassThrough) => Promise<void>,
): Promise<void> {
  const source = client.query(copyTo(`copy (${query}) to stdout (format binary)`));
  const isRead = finished(source, { writable: false });
  const bytes = new PassThrough();
  source.once("error", (error) => bytes.destroy(error));
  source.pipe(bytes);
  try {
    await sink(bytes);
    await isRead;
  } catch (error) {
    source.unpipe(bytes);
    source.resume(); // what is on its way must be read before the connection can be used again
    await isRead.catch(() => {});
    throw error;
  } finally {
    // node-postgres takes the end of a query from this; the stream does not call it, and its timer would go off much later.
    (source as unknown as { callback?: () => void }).callback?.();
  }
}
