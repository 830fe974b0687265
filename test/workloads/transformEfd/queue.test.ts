/** The task table on a real PostgreSQL: who takes what, when, and what an older table becomes. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Client } from "pg";
import type { RunningPostgres } from "../../../local/services/postgres";
import { Database } from "../../../workloads/src/lib/postgres";
import type { Mode } from "../../../workloads/src/transform-efd/options";
import {
  createBackfill,
  createDue,
  migrateQueue,
  requeue,
  type Task,
  TaskQueue,
} from "../../../workloads/src/transform-efd/queue";
import { type Consdb, log, startConsdb } from "./consdb";

const repo = "s3://embargo@rubin-summit-users/butler.yaml";
const options = { instrument: "latiss", repo, intervalMinutes: 5, timewindowMinutes: 1 };
const at = (text: string) => Date.parse(`2026-06-03T${text}Z`);
const range = (from: string, to: string) => ({ startMs: at(from), endMs: at(to) });
const job = (from: string, to: string): Mode => ({ name: "job", resume: false, ...range(from, to) });
const cronjob: Mode = { name: "cronjob" };
const monitor: Mode = { name: "failure-monitor" };
const later = at("23:00:00");

let consdb: Consdb;
let postgres: RunningPostgres;
let database: Database;
let client: Client;
beforeAll(async () => {
  consdb = await startConsdb("efd-queue", 8);
  ({ postgres, database, client } = consdb);
});
afterAll(() => consdb.stop());
beforeEach(async () => {
  await client.query("drop schema if exists efd_scheduler cascade");
  await migrateQueue(database, "latiss");
});

const worker = (owner: string, leaseSeconds = 60, on = database) =>
  new TaskQueue(on, { instrument: "latiss", repo, owner, leaseSeconds, marginSeconds: 0 });
const claimed = async (queue: TaskQueue, mode: Mode): Promise<Task> => {
  const task = await queue.claim(mode);
  if (!task) throw new Error("There is no task.");
  return task;
};
const finish = (queue: TaskQueue, task: Task, status: "completed" | "failed", note?: string) =>
  database.transaction("test", (connection) =>
    queue.finish(connection, task, { status, exposures: 2, visits: 1, topics: [], note }),
  );
const set = (text: string) => client.query(`update efd_scheduler.latiss set ${text}`);
async function table(columns = "status", order = "start_time, id"): Promise<unknown[]> {
  const { rows } = await client.query<Record<string, unknown>>(
    `select ${columns} from efd_scheduler.latiss order by ${order}`,
  );
  return rows.map((row) => {
    const values = Object.values(row).map((value) => (typeof value === "string" ? value.trimEnd() : value));
    return values.length === 1 ? values[0] : values;
  });
}
const spans = () => table("to_char(start_time, 'HH24:MI:SS'), to_char(end_time, 'HH24:MI:SS') as e");

describe("tasks of a back-fill", () => {
  it("are its windows, the last one cut at its end, once however often it is asked for", async () => {
    expect(await createBackfill(database, options, range("02:15:00", "02:27:30"), later)).toBe(3);
    expect(await createBackfill(database, options, range("02:15:00", "02:27:30"), later)).toBe(0);
    expect(await spans()).toEqual([
      ["02:15:00", "02:20:00"],
      ["02:20:00", "02:25:00"],
      ["02:25:00", "02:27:30"],
    ]);
    expect(await table("status, mode, timewindow, butler_repo")).toEqual(Array(3).fill(["idle", "job", 1, repo]));
  });

  it("are as many as a year has hours, made by several pods at once", async () => {
    const year = { startMs: Date.parse("2023-01-01T00:00:00Z"), endMs: Date.parse("2024-01-01T00:00:00Z") };
    const hourly = { ...options, intervalMinutes: 60 };
    const made = await Promise.all(Array.from({ length: 4 }, () => createBackfill(database, hourly, year, later)));
    expect(made.reduce((sum, count) => sum + count)).toBe(8760);
    expect(await table("count(*)::int", "1")).toEqual([8760]);
  });

  it("do not reach into the future", async () => {
    expect(await createBackfill(database, options, range("10:00:00", "11:00:00"), at("10:12:00"))).toBe(2);
  });

  it("leave windows alone that are done", async () => {
    await createBackfill(database, options, range("10:00:00", "10:10:00"), later);
    const queue = worker("a");
    await finish(queue, await claimed(queue, job("10:00:00", "10:10:00")), "completed");
    await createBackfill(database, options, range("10:00:00", "10:10:00"), later);
    expect(await table()).toEqual(["completed", "idle"]);
  });
});

describe("tasks of a cronjob", () => {
  it("follow on each other on a fixed grid, whatever the minute it starts at", async () => {
    expect(await createDue(database, options, at("10:12:10"), 7)).toBe(1);
    expect(await createDue(database, options, at("10:26:40"), 7)).toBe(3);
    expect(await spans()).toEqual([
      ["10:05:00", "10:10:00"],
      ["10:10:00", "10:15:00"],
      ["10:15:00", "10:20:00"],
      ["10:20:00", "10:25:00"],
    ]);
  });

  it("are not moved by tasks of a back-fill or of the monitor that lie later", async () => {
    await createDue(database, options, at("10:10:00"), 7);
    await createBackfill(database, options, range("14:00:00", "15:00:00"), later);
    await requeue(database, options, [range("16:00:00", "16:05:00")], { bounded: false });
    await createDue(database, options, at("10:20:00"), 7);
    expect((await table("mode")).slice(0, 4)).toEqual(["cronjob", "cronjob", "cronjob", "job"]);
  });

  it("fill holes among them, and take over what others made of their time", async () => {
    await createDue(database, options, at("10:00:00"), 7);
    await createDue(database, options, at("10:30:00"), 7);
    await client.query("delete from efd_scheduler.latiss where start_time in ('2026-06-03 10:05', '2026-06-03 10:10')");
    await createBackfill(database, options, range("10:30:00", "10:35:00"), later);
    await createDue(database, options, at("10:40:00"), 7);
    expect((await spans()).length).toBe(9);
    expect(await table("distinct status, mode", "1")).toEqual([["pending", "cronjob"]]);
  });

  it("repeat nothing when the length of a window changes", async () => {
    await createDue(database, options, at("09:55:00"), 7);
    await createDue(database, options, at("10:05:00"), 7);
    await createDue(database, { ...options, intervalMinutes: 10 }, at("10:20:00"), 7);
    expect((await spans()).slice(-3)).toEqual([
      ["10:00:00", "10:05:00"],
      ["10:00:00", "10:10:00"], // the new grid's window that the old one had half of
      ["10:10:00", "10:20:00"],
    ]);
  });
});

describe("a claim", () => {
  beforeEach(() => createBackfill(database, options, range("10:00:00", "10:30:00"), later));
  const all = job("10:00:00", "10:30:00");

  it("takes the oldest window of its range, and tells its exact time", async () => {
    const queue = worker("a");
    expect(await claimed(queue, job("10:10:00", "10:30:00"))).toEqual({
      id: 3,
      attempt: 1,
      startNs: BigInt(at("10:10:00")) * 1_000_000n,
      endNs: BigInt(at("10:15:00")) * 1_000_000n,
    });
    expect(await table("status, lease_owner")).toEqual([
      ...Array(2).fill(["idle", null]),
      ["running", "a"],
      ...Array(3).fill(["idle", null]),
    ]);
  });

  it("gives the same task again to the one that has it, as after a lost answer", async () => {
    const queue = worker("a");
    const first = await claimed(queue, all);
    expect(await claimed(queue, all)).toEqual({ ...first, attempt: 2 });
    expect((await claimed(worker("b"), all)).id).not.toBe(first.id);
  });

  it("takes over what a worker left whose lease has run out, and not before", async () => {
    const dead = worker("dead");
    const task = await claimed(dead, job("10:00:00", "10:05:00"));
    expect(await worker("b").claim(job("10:00:00", "10:05:00"))).toBeUndefined();
    await set("lease_until = clock_timestamp() - interval '1 ms' where status = 'running'");
    expect(await claimed(worker("b"), job("10:00:00", "10:05:00"))).toEqual({ ...task, attempt: 2 });

    expect(await dead.heartbeat(task)).toBe(false);
    expect(await dead.fail(task, "too late")).toBe(false);
    await dead.release(task);
    await expect(finish(dead, task, "completed")).rejects.toThrow(
      `The lease of task ${task.id} was lost; its results are dropped. Whoever took it over stores its own.`,
    );
    expect((await table("status, lease_owner, attempt"))[0]).toEqual(["running", "b", 2]);
  });

  it("leaves alone what runs without a lease, as today's program does, for six hours", async () => {
    await set("status = 'running', process_start_time = localtimestamp - interval '5 hours'");
    expect(await worker("a").claim(all)).toBeUndefined();
    await set("process_start_time = localtimestamp - interval '7 hours' where id = 2");
    expect((await claimed(worker("a"), all)).id).toBe(2);
  });

  it("is not made any more of a task that ended its workers five times", async () => {
    for (let end = 1; end <= 5; end++) {
      expect((await claimed(worker(`w${end}`), all)).id).toBe(1);
      await set("lease_until = clock_timestamp() - interval '1 ms' where id = 1");
    }
    expect((await claimed(worker("w6"), all)).id).toBe(2);
    expect(await worker("w7").settle()).toEqual({ silent: 1, stale: 0 });
    expect((await table("status, error"))[0]).toEqual([
      "failed",
      "Its worker ended without a word 5 times; look at its memory and at its log.",
    ]);
  });

  it("of a task handed back leaves no trace", async () => {
    const queue = worker("a");
    await queue.release(await claimed(queue, all));
    expect((await table("status, attempt, lease_owner, lease_until"))[0]).toEqual(["idle", 0, null, null]);
  });

  it("is repeated once by each run of a job when it failed", async () => {
    const queue = worker("a");
    for (let n = 0; n < 6; n++) await finish(queue, await claimed(queue, all), "failed", "no EFD");
    expect(await queue.claim(all)).toBeUndefined();
    const again = worker("b");
    expect(await again.claim(all)).toMatchObject({ id: 1, attempt: 2 });
    expect((await table("status, retries, error"))[0]).toEqual(["running", 1, null]);
    expect((await table("status, retries, error"))[1]).toEqual(["failed", 0, "no EFD"]);
  });

  it("takes nothing of another repository", async () => {
    await set("butler_repo = 's3://rubin-summit-users/butler.yaml' where id > 1");
    const queue = worker("a");
    await finish(queue, await claimed(queue, all), "completed");
    expect(await queue.claim(all)).toBeUndefined();
  });
});

describe("the failure monitor", () => {
  beforeEach(async () => {
    await createDue(database, options, at("10:00:00"), 7);
    await set("created_at = localtimestamp - interval '1 hour'");
  });

  it.each([
    [0, 2.82843],
    [1, 8.00002],
    [2, 22.62749],
    [3, 64.00026],
  ])("repeats a task with %i retries %f hours after its last attempt", async (retries, hours) => {
    const failedAgo = (minutes: number) =>
      set(`status = 'failed', retries = ${retries}, last_attempt = clock_timestamp() - interval '${hours} hours'
           - interval '${minutes} minutes', created_at = localtimestamp - interval '70 hours'`);
    await failedAgo(-1);
    expect(await worker("m").claim(monitor)).toBeUndefined();
    await failedAgo(1);
    expect(await claimed(worker("m"), monitor)).toMatchObject({ id: 1 });
    expect(await table("status, retries")).toEqual([["running", retries + 1]]);
  });

  it.each([
    ["has had its repeats", "retries = 4"],
    ["is older than three days", "retries = 0, created_at = localtimestamp - interval '73 hours'"],
  ])("gives a task up that %s", async (_about, state) => {
    await set(`status = 'failed', last_attempt = clock_timestamp() - interval '1000 hours', ${state}`);
    expect(await worker("m").claim(monitor)).toBeUndefined();
    expect(await worker("m").settle()).toEqual({ silent: 0, stale: 1 });
    expect(await table()).toEqual(["stale"]);
  });

  it("takes what it queued itself in an earlier run, and a back-fill's tasks only after a day", async () => {
    await set("status = 'completed'");
    await requeue(database, options, [range("12:00:00", "12:05:00")], { bounded: true });
    await createBackfill(database, options, range("13:00:00", "13:05:00"), later);
    const queue = worker("m");
    expect(await claimed(queue, monitor)).toMatchObject({ startNs: BigInt(at("12:00:00")) * 1_000_000n });
    await finish(queue, await claimed(queue, monitor), "completed");
    expect(await queue.claim(monitor)).toBeUndefined();
    await set("created_at = localtimestamp - interval '25 hours' where status = 'idle'");
    expect(await claimed(queue, monitor)).toMatchObject({ startNs: BigInt(at("13:00:00")) * 1_000_000n });
  });

  it("leaves pending tasks to the cronjob, which takes them when they are due", async () => {
    expect(await worker("m").claim(monitor)).toBeUndefined();
    const queue = new TaskQueue(database, {
      instrument: "latiss",
      repo,
      owner: "c",
      leaseSeconds: 60,
      marginSeconds: 300,
    });
    await set("end_time = localtimestamp - interval '299 seconds'");
    expect(await queue.claim(cronjob)).toBeUndefined();
    await set("end_time = localtimestamp - interval '301 seconds'");
    expect(await queue.claim(cronjob)).toMatchObject({ id: 1 });
  });
});

describe("windows queued again", () => {
  const window = range("10:00:00", "10:05:00");
  it.each(["completed", "failed", "stale"])("become idle when they are %s, once", async (status) => {
    await createBackfill(database, options, window, later);
    await set(`status = '${status}', retries = 2`);
    expect(await requeue(database, options, [window, window], { bounded: false })).toBe(1);
    expect(await requeue(database, options, [window], { bounded: false })).toBe(0);
    expect(await table("status, mode, retries")).toEqual([["idle", "failure-monitor", 0]]);
  });

  it.each(["pending", "idle", "running"])("stay as they are when they are %s", async (status) => {
    await createBackfill(database, options, window, later);
    await set(`status = '${status}'`);
    expect(await requeue(database, options, [window], { bounded: false })).toBe(0);
    expect(await table()).toEqual([status]);
  });

  it("are left alone after four repeats when they are counted", async () => {
    await createBackfill(database, options, window, later);
    const counts = [];
    for (let n = 0; n < 6; n++) {
      await set("status = 'completed'");
      counts.push(await requeue(database, options, [window], { bounded: true }));
    }
    expect(counts).toEqual([1, 1, 1, 1, 0, 0]);
  });
});

describe("a table as it is today", () => {
  beforeEach(async () => {
    await client.query("drop schema efd_scheduler cascade");
    await client.query(`create schema efd_scheduler;
      create table efd_scheduler.latiss (id serial primary key, start_time timestamp, end_time timestamp, timewindow integer,
        status char(20) default 'pending', process_start_time timestamp, process_end_time timestamp,
        process_exec_time integer default 0, exposures integer default 0, visits1 integer default 0,
        retries integer default 0, error text, butler_repo text, created_at timestamp default current_timestamp);
      insert into efd_scheduler.latiss (start_time, end_time, status, butler_repo) values
        ('2026-06-03 10:00', '2026-06-03 10:05', 'completed', '${repo}'),
        ('2026-06-03 10:00', '2026-06-03 10:05', 'failed', '${repo}'),
        ('2026-06-03 10:00', '2026-06-03 10:05', 'idle', '${repo}'),
        ('2026-06-03 10:05', '2026-06-03 10:10', 'pending', '${repo}'),
        ('2026-06-03 10:05', '2026-06-03 10:10', 'pending', 'another'),
        (null, null, 'failed', null)`);
  });

  it("keeps every row and value; of one window's rows the newest counts", async () => {
    const before = await table("id, start_time, end_time, status, butler_repo, retries, error, created_at", "id");
    await Promise.all([migrateQueue(database, "latiss"), migrateQueue(database, "latiss")]);
    await migrateQueue(database, "latiss");
    const after = await table("id, start_time, end_time, status, butler_repo, retries, error, created_at", "id");
    expect(after).toEqual(before);
    expect(await table("duplicate_of", "id")).toEqual([3, 3, null, null, null, null]);

    const queue = worker("a");
    const all = job("10:00:00", "11:00:00");
    expect(await claimed(queue, all)).toMatchObject({ id: 3 });
    await finish(queue, await claimed(queue, all), "completed");
    expect(await claimed(queue, all)).toMatchObject({ id: 4 });
    await finish(queue, await claimed(queue, all), "completed");
    expect(await queue.claim(all)).toBeUndefined();
  });

  it("is where the cronjob goes on from", async () => {
    await migrateQueue(database, "latiss");
    await createDue(database, options, at("10:22:00"), 7);
    expect((await spans()).slice(-3)).toEqual([
      ["10:10:00", "10:15:00"],
      ["10:15:00", "10:20:00"],
      [null, null],
    ]);
  });

  it("is read by its old readers as before: statuses are padded to 20 characters", async () => {
    await migrateQueue(database, "latiss");
    const queue = worker("a");
    await finish(queue, await claimed(queue, job("10:00:00", "11:00:00")), "completed");
    const { rows } =
      await client.query<object>(`select status, octet_length(status) as bytes, exposures, visits1, error,
      process_exec_time, process_start_time <= process_end_time as ordered from efd_scheduler.latiss where id = 3`);
    const status = "completed".padEnd(20);
    expect(rows).toEqual([
      { status, bytes: 20, exposures: 2, visits1: 1, error: null, process_exec_time: 0, ordered: true },
    ]);
  });

  it("needs no right to change tables where nothing is missing", async () => {
    await migrateQueue(database, "latiss");
    await client.query(`drop role if exists reader; create role reader login password 'reader';
      grant usage on schema efd_scheduler to reader; grant select on all tables in schema efd_scheduler to reader`);
    const url = postgres.url("consdb").replace("tester:secret", "reader:reader");
    const readers = new Database(url, { log, applicationName: "reader" });
    await migrateQueue(readers, "latiss");
    await expect(migrateQueue(readers, "lsstcam")).rejects.toThrow(
      `bringing the task table up to date failed in ${postgres.host}:5432/consdb: permission denied for database consdb.`,
    );
    await readers.close();
  });
});

it("lets 50 workers do every task once, none at the same time as another", async () => {
  await createBackfill(database, options, range("00:00:00", "12:30:00"), later);
  await client.query(`create table public.watch (id integer, owner text, event text, at timestamptz default clock_timestamp());
    create function public.note() returns trigger language plpgsql as $$ begin
      if new.status = 'running' and old.status <> 'running' then
        insert into public.watch values (new.id, new.lease_owner, 'begin'); end if;
      if new.status <> 'running' and old.status = 'running' then
        insert into public.watch values (new.id, old.lease_owner, 'end'); end if;
      return new; end $$;
    create trigger note after update on efd_scheduler.latiss for each row execute function public.note()`);
  const all = job("00:00:00", "12:30:00");
  const done: number[] = [];
  const shared = new Database(postgres.url("consdb"), { log, applicationName: "workers", connections: 50 });
  const work = async (_value: unknown, index: number) => {
    const queue = worker(`w${index}`, 60, shared);
    for (let task; (task = await queue.claim(all)); done.push(task.id)) {
      const mine = task;
      await shared.transaction("test", async (connection) => {
        await queue.hold(connection, mine);
        await queue.finish(connection, mine, { status: "completed", exposures: 0, visits: 0, topics: [] });
      });
    }
  };
  await Promise.all(Array.from({ length: 50 }, work));
  await shared.close();
  expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_value, index) => index + 1));
  expect(await table("distinct status, attempt, retries", "1")).toEqual([["completed", 1, 0]]);
  const { rows } = await client.query<object>(`select (select count(*)::int from watch) as events,
    (select count(distinct owner)::int > 1 from watch) as many, (select count(*)::int from watch a join watch b
      on a.id = b.id and a.event = 'begin' and b.event = 'begin' and a.ctid <> b.ctid) as twice`);
  expect(rows).toEqual([{ events: 300, many: true, twice: 0 }]);
  await client.query("drop function public.note cascade; drop table public.watch");
});
