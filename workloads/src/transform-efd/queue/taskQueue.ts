import { FacilityError } from "../../lib/errors";
import type { Database, PoolClient } from "../../lib/postgres";
import type { TopicOutcome } from "../model";
import type { Mode } from "../options";
import { queueNames } from "./schema";

/** A window of time whose records one worker summarises. */
export interface Task {
  readonly id: number;
  /** Begin and end (not within) of the window, UTC. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** How often it was taken, this time included. */
  readonly attempt: number;
}

/** How a task ended. */
export interface TaskResult {
  readonly status: "completed" | "failed";
  readonly exposures: number;
  readonly visits: number;
  readonly topics: readonly TopicOutcome[];
  /** What a person should know: why it failed, or what was left out. */
  readonly note?: string;
}

/** The task belongs to somebody else by now: what was computed is dropped, theirs counts. */
export class LeaseLostError extends FacilityError {
  readonly code = "LEASE_LOST";
  readonly retryable = true;
  constructor(task: Task) {
    super(`The lease of task ${task.id} was lost; its results are dropped. Whoever took it over stores its own.`);
  }
}

/** A failed task is repeated so often, at growing distances from its last attempt, and only while it is young. */
export const retryRule = { most: 4, baseHours: 2.82843, maxAgeHours: 72 } as const;
/** A task whose worker ends without a word so often (a crash, no memory) counts as failed. */
const silentEnds = 5;
/** A running task of a program that knows no leases is taken over after this. */
const leaselessHours = 6;
/** The failure monitor leaves a back-fill's tasks to its own workers for so long. */
const backfillHours = 24;
const noteLimit = 4_000;

export interface TaskQueueOptions {
  readonly instrument: string;
  readonly repo: string;
  /** Unique for this process. */
  readonly owner: string;
  readonly leaseSeconds: number;
  /** Age at which a window of a cronjob is due, seconds. */
  readonly marginSeconds?: number;
}

/**
 * The tasks of one instrument, worked on by any number of processes. A task is taken under a lease; each change of it says
 * whose and which attempt it is, so that a worker that lost its lease changes nothing. Times are the database's.
 */
export class TaskQueue {
  private readonly table: string;
  /** When this run began, by the clock of the database: it repeats no task that it tried itself. */
  private begunAt: string | undefined;

  constructor(
    private readonly database: Database,
    private readonly options: TaskQueueOptions,
  ) {
    this.table = queueNames(options.instrument).tasks;
  }

  /** Takes the oldest task that the mode works on, under a lease; a lost answer gives the same task again. */
  async claim(mode: Mode, stop?: AbortSignal): Promise<Task | undefined> {
    const { repo, owner, leaseSeconds, marginSeconds = 0 } = this.options;
    const work = async (client: PoolClient) => {
      this.begunAt ??= (await client.query<{ now: string }>("select clock_timestamp()::text as now")).rows[0]!.now;
      const window = mode.name === "job" ? [sqlTime(mode.startMs), sqlTime(mode.endMs)] : [null, null];
      const { rows } = await client.query<TaskRow>(
        `with given (repo, owner, lease, margin, first, last, begun) as (values ($1, $2, $3::interval, $4::interval,
           $5::timestamp, $6::timestamp, $7::timestamptz)),
         next as (
           select t.id from ${this.table} t, given
           where t.duplicate_of is null and (t.butler_repo = repo or t.butler_repo is null)
             and t.status in ('pending', 'idle', 'running', 'failed', 'stale')
             and (t.status = 'running' and t.lease_owner = owner or ${claimable[mode.name]})
           order by (t.status = 'running' and t.lease_owner is not distinct from owner) desc, t.end_time, t.id
           limit 1 for update of t skip locked)
         update ${this.table} t set status = 'running', lease_owner = owner, lease_until = clock_timestamp() + lease,
           heartbeat = clock_timestamp(), attempt = coalesce(t.attempt, 0) + 1, last_attempt = clock_timestamp(),
           retries = coalesce(t.retries, 0) + case when t.status in ('failed', 'stale') then 1 else 0 end,
           process_start_time = clock_timestamp(), process_end_time = null, process_exec_time = 0,
           exposures = 0, visits1 = 0, error = null
         from next, given where t.id = next.id
         returning t.id, t.attempt, ${microseconds("t.start_time")} as start, ${microseconds("t.end_time")} as "end"`,
        [repo, owner, `${leaseSeconds} s`, `${marginSeconds} s`, ...window, this.begunAt],
      );
      return rows[0];
    };
    const row = await this.database.transaction("claiming a task", work, { stop });
    return (
      row && { id: row.id, attempt: row.attempt, startNs: BigInt(row.start) * 1000n, endNs: BigInt(row.end) * 1000n }
    );
  }

  /** Makes the lease last from now on. @returns false when it is lost. */
  async heartbeat(task: Task, stop?: AbortSignal): Promise<boolean> {
    const set = `lease_until = clock_timestamp() + $4::interval, heartbeat = clock_timestamp()`;
    const work = (client: PoolClient) => this.change(client, task, set, [`${this.options.leaseSeconds} s`]);
    return this.database.transaction("renewing a lease", work, { stop });
  }

  /**
   * Within a transaction: makes sure that the task is still ours and keeps it so until the end of the transaction.
   * @returns `finished` when an earlier try of this same transaction was committed after all.
   * @throws {@link LeaseLostError}
   */
  async hold(client: PoolClient, task: Task): Promise<"held" | "finished"> {
    const { rows } = await client.query<{ status: string }>(
      `select rtrim(status) as status from ${this.table} where id = $1 and lease_owner = $2 and attempt = $3 for update`,
      [task.id, this.options.owner, task.attempt],
    );
    const status = rows[0]?.status;
    if (status === "running") return "held";
    if (status === "completed" || status === "failed") return "finished";
    throw new LeaseLostError(task);
  }

  /** Ends the task, within the transaction that stores its rows. @throws {@link LeaseLostError} */
  async finish(client: PoolClient, task: Task, result: TaskResult): Promise<void> {
    const set = `status = $4, process_end_time = clock_timestamp(), lease_until = null, exposures = $5, visits1 = $6,
      process_exec_time = extract(epoch from clock_timestamp()::timestamp - process_start_time), topics = $7, error = $8,
      last_attempt = clock_timestamp()`;
    const topics = result.topics.map(({ columns, ...topic }) => ({ ...topic, columns: columns.length }));
    const values = [result.status, result.exposures, result.visits, JSON.stringify(topics)];
    const note = result.note === undefined ? null : shortened(result.note);
    if (!(await this.change(client, task, set, [...values, note]))) throw new LeaseLostError(task);
  }

  /** Ends the task as failed, with nothing stored. @returns false when it was not ours any more. */
  async fail(task: Task, error: string): Promise<boolean> {
    const work = async (client: PoolClient) => {
      if ((await this.hold(client, task)) === "finished") return;
      await this.finish(client, task, { status: "failed", exposures: 0, visits: 0, topics: [], note: error });
    };
    try {
      await this.database.transaction("marking a task failed", work);
      return true;
    } catch (lost) {
      if (lost instanceof LeaseLostError) return false;
      throw lost;
    }
  }

  /** Hands the task back as it was before it was taken, for the next worker. */
  async release(task: Task): Promise<void> {
    const set = `status = case when mode = 'cronjob' then 'pending' else 'idle' end, attempt = attempt - 1,
      lease_owner = null, lease_until = null, process_start_time = null`;
    await this.database.transaction("handing a task back", (client) => this.change(client, task, set, []));
  }

  /** Milliseconds until the first lease on a task of the range ends; undefined when there is none. */
  async firstLeaseEndMs(mode: Mode & { name: "job" }): Promise<number | undefined> {
    const query = `select ceil(extract(epoch from min(lease_until) - clock_timestamp()) * 1000)::int as ms from ${this.table}
      where status = 'running' and duplicate_of is null and start_time >= $1::timestamp and end_time <= $2::timestamp
        and (butler_repo = $3 or butler_repo is null)`;
    const values = [sqlTime(mode.startMs), sqlTime(mode.endMs), this.options.repo];
    const work = async (client: PoolClient) => (await client.query<{ ms: number | null }>(query, values)).rows[0]?.ms;
    const ms = await this.database.transaction("looking for leases", work, { readOnly: true });
    return ms === null || ms === undefined ? undefined : Math.max(0, ms);
  }

  /**
   * Marks failed what ended its workers again and again, and stale what will not be repeated any more.
   * @returns how many became stale.
   */
  async settle(): Promise<{ silent: number; stale: number }> {
    return this.database.transaction("settling failed tasks", async (client) => {
      const ours = "duplicate_of is null and (butler_repo = $1 or butler_repo is null)";
      const silent = await client.query(
        `update ${this.table} set status = 'failed', lease_until = null, process_end_time = clock_timestamp(),
           last_attempt = clock_timestamp(),
           error = 'Its worker ended without a word ' || ${silentEnds} || ' times; look at its memory and at its log.'
         where ${ours} and status = 'running' and ${leaseEnd} < clock_timestamp() and not (${mayTakeOver})`,
        [this.options.repo],
      );
      const stale = await client.query(
        `update ${this.table} set status = 'stale'
         where ${ours} and status = 'failed'
           and (retries >= ${retryRule.most} or created_at < localtimestamp - interval '${retryRule.maxAgeHours} hours')`,
        [this.options.repo],
      );
      return { silent: silent.rowCount ?? 0, stale: stale.rowCount ?? 0 };
    });
  }

  private async change(client: PoolClient, task: Task, set: string, values: unknown[]): Promise<boolean> {
    const { rowCount } = await client.query(
      `update ${this.table} set ${set} where id = $1 and lease_owner = $2 and attempt = $3 and status = 'running'`,
      [task.id, this.options.owner, task.attempt, ...values],
    );
    return rowCount === 1;
  }
}

interface TaskRow {
  readonly id: number;
  readonly attempt: number;
  readonly start: string;
  readonly end: string;
}

const leaseEnd = `coalesce(lease_until,
  coalesce(process_start_time, created_at) at time zone 'UTC' + interval '${leaselessHours} hours')`;
const mayTakeOver = `coalesce(attempt, 0) < ${silentEnds} * (coalesce(retries, 0) + 1)`;
const isAbandoned = `(t.status = 'running' and ${leaseEnd} < clock_timestamp() and ${mayTakeOver})`;

/** What each mode works on. */
const claimable: Readonly<Record<Mode["name"], string>> = {
  cronjob: `(coalesce(t.mode, 'cronjob') = 'cronjob' and t.end_time <= localtimestamp - margin
    and (t.status = 'pending' or ${isAbandoned} and t.mode is not null))`,
  job: `(t.start_time >= first and t.end_time <= last
    and (t.status in ('pending', 'idle') or ${isAbandoned}
      or t.status in ('failed', 'stale') and coalesce(t.last_attempt, '-infinity') < begun))`,
  "failure-monitor": `(t.status = 'idle' and (t.mode is distinct from 'job'
        or t.created_at < localtimestamp - interval '${backfillHours} hours')
    or ${isAbandoned}
    or t.status = 'failed' and coalesce(t.retries, 0) < ${retryRule.most}
      and t.created_at > localtimestamp - interval '${retryRule.maxAgeHours} hours'
      and coalesce(t.last_attempt, coalesce(t.process_end_time, t.created_at) at time zone 'UTC')
        + interval '1 hour' * power(${retryRule.baseHours}, coalesce(t.retries, 0) + 1) < clock_timestamp())`,
};

/** Microseconds since 1970, exact. */
function microseconds(column: string): string {
  return `(extract(epoch from ${column}) * 1000000)::bigint::text`;
}

/** A moment for a column without time zone. */
export function sqlTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, -1);
}

function shortened(note: string): string {
  return note.length <= noteLimit ? note : `${note.slice(0, noteLimit - 1)}…`;
}
