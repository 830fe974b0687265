import type { PoolClient } from "../../workloads/src/lib/postgres";
import { queueNames, queueSchema, retryRule } from "../../workloads/src/transform-efd/queue";

/** A task that a worker has in hand. */
export interface HeldTask {
  readonly id: number;
  /** Window, ISO 8601, UTC. */
  readonly start: string;
  readonly end: string;
  /** Which process has it; null where an image without leases runs it. */
  readonly owner: string | null;
  readonly attempt: number | null;
  readonly runningSeconds: number | null;
  readonly heartbeatSeconds: number | null;
  /** Until the lease ends; negative when it is over, and another worker takes the task. */
  readonly leaseSeconds: number | null;
}

/** Failures of a topic, the newest one in full. */
export interface TopicFailure {
  readonly topic: string;
  /** Failed and stale tasks that it is among the reasons for. */
  readonly tasks: number;
  readonly task: number;
  readonly error: string | null;
}

export interface QueueState {
  readonly instrument: string;
  /** By mode that made them (`older`: made before there were modes), then by status. */
  readonly tasks: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** The oldest window that waits, by status. */
  readonly oldest: Readonly<
    Record<string, { readonly task: number; readonly end: string; readonly waitingSeconds: number }>
  >;
  readonly held: readonly HeldTask[];
  readonly failed: {
    /** To be repeated: the failure monitor's next run takes them. */
    readonly due: number;
    /** To be repeated later. */
    readonly later: number;
    /** Never repeated by itself any more, with those that are stale. */
    readonly givenUp: number;
  };
  /** End of the newest window that is completed. */
  readonly completedUntil: string | null;
  readonly lastFailure: { readonly task: number; readonly at: string | null; readonly error: string | null } | null;
  readonly topics: readonly TopicFailure[];
  /** Databases beside the primary that lack rows of tasks. */
  readonly behind: readonly {
    readonly target: string;
    readonly tasks: number;
    readonly sinceSeconds: number;
    readonly error: string | null;
  }[];
}

/** Topics that are listed. */
const topicLimit = 20;

const isoOf = (time: string) => `to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
const secondsSince = (time: string) => `round(extract(epoch from clock_timestamp() - ${time}))::float8`;
const utc = (time: string) => `(${time} at time zone 'UTC')`;

/** Instruments that have a queue in this database. */
export async function queuedInstruments(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select table_name as name from information_schema.columns
     where table_schema = $1 and column_name = 'butler_repo' order by 1`,
    [queueSchema],
  );
  return rows.map(({ name }) => name);
}

/** The queue as it is now; also where the columns that workers with leases add are not there yet. */
export async function queueState(client: PoolClient, instrument: string): Promise<QueueState> {
  const { tasks, copies } = queueNames(instrument);
  // Columns that may be missing are read out of the row as a whole.
  const from = `(select t.*, rtrim(status) as state, to_jsonb(t) as j from ${tasks} t) t
    where j ->> 'duplicate_of' is null`;
  const all = async <T extends object>(sql: string) => (await client.query<T>(sql)).rows;
  const counts = await all<{ mode: string; state: string; count: number }>(
    `select coalesce(j ->> 'mode', 'older') as mode, state, count(*)::int as count from ${from} group by 1, 2 order by 1, 2`,
  );
  const oldest = await all<{ state: string; task: number; end: string; waitingSeconds: number }>(
    `select distinct on (state) state, id as task, ${isoOf("end_time")} as "end",
       ${secondsSince(utc("greatest(end_time, created_at)"))} as "waitingSeconds"
     from ${from} and state in ('pending', 'idle') order by state, end_time, id`,
  );
  const held = await all<HeldTask>(
    `select id, ${isoOf("start_time")} as start, ${isoOf("end_time")} as "end", j ->> 'lease_owner' as owner,
       (j ->> 'attempt')::int as attempt, ${secondsSince(utc("process_start_time"))} as "runningSeconds",
       ${secondsSince("(j ->> 'heartbeat')::timestamptz")} as "heartbeatSeconds",
       - ${secondsSince("(j ->> 'lease_until')::timestamptz")} as "leaseSeconds"
     from ${from} and state = 'running' order by start_time, id`,
  );
  const last = `coalesce((j ->> 'last_attempt')::timestamptz, ${utc("coalesce(process_end_time, created_at)")})`;
  const isYoung = `coalesce(retries, 0) < ${retryRule.most} and created_at > localtimestamp - interval '${retryRule.maxAgeHours} hours'`;
  const isDue = `${last} + interval '1 hour' * power(${retryRule.baseHours}, coalesce(retries, 0) + 1) < clock_timestamp()`;
  const [failed] = await all<QueueState["failed"]>(
    `select count(*) filter (where state = 'failed' and ${isYoung} and ${isDue})::int as due,
       count(*) filter (where state = 'failed' and ${isYoung} and not ${isDue})::int as later,
       count(*) filter (where state = 'stale' or not (${isYoung}))::int as "givenUp"
     from ${from} and state in ('failed', 'stale')`,
  );
  const [completed] = await all<{ end: string | null }>(
    `select ${isoOf("max(end_time)")} as "end" from ${from} and state = 'completed'`,
  );
  const [failure] = await all<NonNullable<QueueState["lastFailure"]>>(
    `select id as task, ${isoOf("process_end_time")} as at, error from ${from} and state in ('failed', 'stale')
     order by process_end_time desc nulls last, id desc limit 1`,
  );
  const topics = await all<TopicFailure>(
    `select topic ->> 'topic' as topic, count(distinct id)::int as tasks,
       (array_agg(id order by process_end_time desc nulls last, id desc))[1] as task,
       (array_agg(topic ->> 'error' order by process_end_time desc nulls last, id desc))[1] as error
     from (select id, process_end_time, jsonb_array_elements(nullif(j -> 'topics', 'null')) as topic
           from ${from} and state in ('failed', 'stale')) failed
     where topic ->> 'status' = 'failed' group by 1 order by 2 desc, 1 limit ${topicLimit}`,
  );
  const hasCopies = (await client.query("select to_regclass($1) as found", [copies])).rows[0].found !== null;
  const behind = hasCopies
    ? await all<QueueState["behind"][number]>(
        `select target, count(*)::int as tasks, ${secondsSince("min(since)")} as "sinceSeconds",
           (array_agg(error order by since desc) filter (where error is not null))[1] as error
         from ${copies} group by target order by target`,
      )
    : [];
  return {
    instrument,
    tasks: grouped(counts),
    oldest: Object.fromEntries(oldest.map(({ state, ...rest }) => [state, rest])),
    ...{ held, failed: failed!, completedUntil: completed!.end, lastFailure: failure ?? null, topics, behind },
  };
}

function grouped(counts: readonly { mode: string; state: string; count: number }[]): QueueState["tasks"] {
  const tasks: Record<string, Record<string, number>> = {};
  for (const { mode, state, count } of counts) (tasks[mode] ??= {})[state] = count;
  return tasks;
}
