import type { Database } from "../../lib/postgres";
import { queueNames } from "./schema";
import { retryRule, sqlTime } from "./taskQueue";

/** A range of time in ms since 1970, UTC; the end is not within. */
export interface Range {
  readonly startMs: number;
  readonly endMs: number;
}

export interface WindowOptions {
  readonly instrument: string;
  readonly repo: string;
  /** Length of a window, minutes. */
  readonly intervalMinutes: number;
  /** Stored with each task, as the reference does; nothing reads it. */
  readonly timewindowMinutes: number;
}

const minuteMs = 60_000;

/** The window of the fixed grid (multiples of its length since 1970) that holds a moment. */
export function windowOf(ms: number, intervalMinutes: number): Range {
  const lengthMs = intervalMinutes * minuteMs;
  const startMs = Math.floor(ms / lengthMs) * lengthMs;
  return { startMs, endMs: startMs + lengthMs };
}

/**
 * Makes the tasks of a back-fill: windows from its start on, the last one cut at its end. Windows that have a row, whatever its
 * status, and windows that end after `nowMs` are left out.
 * @returns number of new tasks.
 */
export async function createBackfill(
  database: Database,
  options: WindowOptions,
  { startMs, endMs }: Range,
  nowMs: number,
): Promise<number> {
  const { tasks } = queueNames(options.instrument);
  return database.transaction("making tasks", async (client) => {
    const { rowCount } = await client.query(
      `insert into ${tasks} (start_time, end_time, timewindow, status, butler_repo, mode)
       select w.s, w.e, $5, 'idle', $4, 'job'
       from (select s, least(s + $3::interval, $2::timestamp) as e
               from generate_series($1::timestamp, $2::timestamp - interval '1 microsecond', $3::interval) s) w
       where w.e <= $6::timestamp
         and not exists (select from ${tasks} t where t.start_time = w.s and t.end_time = w.e and t.butler_repo = $4
                           and t.duplicate_of is null)
       on conflict (start_time, end_time, butler_repo) where duplicate_of is null do nothing`,
      [sqlTime(startMs), sqlTime(endMs), ...step(options), sqlTime(nowMs)],
    );
    return rowCount ?? 0;
  });
}

/**
 * Makes the tasks of a cronjob: every window that is over, from where its own tasks end, and those that are missing among its
 * tasks of the last `healDays`. Tasks of others neither move its mark nor count as its windows.
 * @param dueMs - Windows that end later are not made yet.
 * @returns number of tasks that are new, or its own from now on.
 */
export async function createDue(
  database: Database,
  options: WindowOptions,
  dueMs: number,
  healDays: number,
): Promise<number> {
  const { tasks } = queueNames(options.instrument);
  const { intervalMinutes } = options;
  return database.transaction("making tasks", async (client) => {
    const { rows } = await client.query<Record<"first" | "last" | "legacy", Date | null>>(
      `select min(start_time) filter (where mode = 'cronjob') at time zone 'UTC' as first,
              max(end_time) filter (where mode = 'cronjob') at time zone 'UTC' as last,
              max(end_time) filter (where mode is null and end_time <= $2::timestamp) at time zone 'UTC' as legacy
         from ${tasks} where butler_repo = $1 and duplicate_of is null and (mode = 'cronjob' or mode is null)`,
      [options.repo, sqlTime(dueMs)],
    );
    const mark = rows[0]!;
    const healFromMs = Math.max(mark.first?.getTime() ?? dueMs, dueMs - healDays * 24 * 60 * minuteMs);
    const fromMs = mark.last
      ? Math.min(mark.last.getTime(), healFromMs)
      : (mark.legacy?.getTime() ?? dueMs - intervalMinutes * minuteMs);
    // Rows of windows of another length count for the time that they cover, so that a new TIMEDELTA repeats nothing.
    const { rowCount } = await client.query(
      `with done as (select range_agg(tsrange(start_time, end_time)) as span from ${tasks}
                      where mode = 'cronjob' and butler_repo = $4 and duplicate_of is null
                        and end_time > $1::timestamp and start_time < $2::timestamp and start_time < end_time)
       insert into ${tasks} (start_time, end_time, timewindow, status, butler_repo, mode)
       select s, s + $3::interval, $5, 'pending', $4, 'cronjob'
       from generate_series($1::timestamp, $2::timestamp - $3::interval, $3::interval) s, done
       where not coalesce(done.span @> tsrange(s, s + $3::interval), false)
       on conflict (start_time, end_time, butler_repo) where duplicate_of is null
         do update set mode = 'cronjob', status = case when ${tasks}.status = 'idle' then 'pending' else ${tasks}.status end
           where ${tasks}.status <> 'running' and ${tasks}.mode is distinct from 'cronjob'`,
      [sqlTime(windowOf(fromMs, intervalMinutes).startMs), sqlTime(dueMs), ...step(options)],
    );
    return rowCount ?? 0;
  });
}

/**
 * Asks for windows to be computed again, or at all: a window without a row gets one, one that is done or given up becomes idle,
 * one that waits or runs stays as it is.
 * @param bounded - Count it as a repeat, and leave windows alone that have had their repeats.
 * @returns number of tasks that are idle now and were not before.
 */
export async function requeue(
  database: Database,
  options: WindowOptions,
  windows: readonly Range[],
  { bounded }: { bounded: boolean },
): Promise<number> {
  if (windows.length === 0) return 0;
  const { tasks } = queueNames(options.instrument);
  return database.transaction("queueing windows again", async (client) => {
    const { rowCount } = await client.query(
      `insert into ${tasks} as t (start_time, end_time, timewindow, status, butler_repo, mode)
       select distinct s, e, $4::integer, 'idle', $3, 'failure-monitor' from unnest($1::timestamp[], $2::timestamp[]) w (s, e)
       order by s
       on conflict (start_time, end_time, butler_repo) where duplicate_of is null
         do update set status = 'idle', mode = case when t.mode = 'cronjob' then t.mode else 'failure-monitor' end, error = null, lease_owner = null,
           created_at = localtimestamp, attempt = 0, retries = case when $5 then coalesce(t.retries, 0) + 1 else 0 end
         where t.status in ('completed', 'failed', 'stale') and (not $5 or coalesce(t.retries, 0) < ${retryRule.most})`,
      [
        windows.map(({ startMs }) => sqlTime(startMs)),
        windows.map(({ endMs }) => sqlTime(endMs)),
        options.repo,
        options.timewindowMinutes,
        bounded,
      ],
    );
    return rowCount ?? 0;
  });
}

function step(options: WindowOptions): [string, string, number] {
  return [`${options.intervalMinutes} minutes`, options.repo, options.timewindowMinutes];
}
