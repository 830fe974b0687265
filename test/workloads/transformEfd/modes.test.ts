/** The three modes on a real PostgreSQL; telemetry and registry are functions here, real ones are in survive and records. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Client } from "pg";
import type { Database } from "../../../workloads/src/lib/postgres";
import type { DimensionRecord, RecordKind, Summary, TopicOutcome } from "../../../workloads/src/transform-efd/model";
import type { Mode } from "../../../workloads/src/transform-efd/options";
import { migrateQueue, TaskQueue } from "../../../workloads/src/transform-efd/queue";
import type { RecordSource } from "../../../workloads/src/transform-efd/records";
import { run, type RunParts } from "../../../workloads/src/transform-efd/run";
import { migrateOutput, Secondaries } from "../../../workloads/src/transform-efd/store";
import { type Consdb, log, startConsdb } from "./consdb";

const repo = "/repo";
const schema = "efd_latiss";
const minuteMs = 60_000;
const tables = ["exposure_efd", "visit1_efd"] as const;
const columns = ["a", "b"].map((name) => ({ name, tables, isUnpivoted: false, description: name }));

let consdb: Consdb;
let database: Database;
let client: Client;
beforeAll(async () => {
  consdb = await startConsdb("efd-modes", 20);
  ({ database, client } = consdb);
});
afterAll(() => consdb.stop());

/** Now, as the runs are told: a minute after a window of the grid began, so that it moves into no other while a test runs. */
const gridMs = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs;
const nowMs = gridMs + minuteMs;
const at = (minutesAgo: number) => gridMs - minutesAgo * minuteMs;
const ns = (ms: number) => BigInt(ms) * 1_000_000n;
const dayObs = (ms: number) => Number(new Date(ms - 12 * 60 * minuteMs).toISOString().slice(0, 10).replaceAll("-", ""));
const job = (fromMinutesAgo: number, toMinutesAgo: number, resume = false): Mode => ({
  name: "job",
  startMs: at(fromMinutesAgo),
  endMs: at(toMinutesAgo),
  resume,
});

let records: DimensionRecord[];
/** What the EFD answers for each of the two topics, `t_a` for column a and `t_b` for column b. */
let efd: { a: TopicOutcome["status"]; b: TopicOutcome["status"] };
let asked: number[];
beforeEach(async () => {
  await client.query(`drop schema if exists ${schema}, efd_scheduler cascade`);
  await migrateQueue(database, "latiss");
  await migrateOutput(database, schema, columns);
  records = [];
  efd = { a: "ok", b: "ok" };
  asked = [];
});

function add(id: number, endMinutesAgo: number, given: Partial<DimensionRecord> = {}): void {
  const endMs = at(endMinutesAgo);
  const span = { beginNs: ns(endMs - 30_000), endNs: ns(endMs) };
  for (const kind of ["exposure", "visit1"] as RecordKind[])
    records.push({ kind, id, dayObs: dayObs(endMs), seqNum: id, span, ...given });
}
const source: RecordSource = {
  endingIn: async ({ startNs, endNs }) => ({
    records: records.filter(({ span }) => span.endNs >= startNs && span.endNs < endNs),
    notes: [],
  }),
  ofDays: async (first, last) => ({
    records: records.filter((it) => it.dayObs >= first && it.dayObs <= last),
    notes: [],
  }),
  close: async () => {},
};

async function summarise(found: readonly DimensionRecord[]): Promise<Summary> {
  asked.push(...found.map(({ id }) => id));
  const names = (["a", "b"] as const).filter((name) => efd[name] === "ok");
  const rows = (kind: RecordKind) => ({
    columns: names,
    rows: found
      .filter((record) => record.kind === kind)
      .map((record) => ({ record, values: names.map((name) => record.id + (name === "a" ? 0.25 : 0.5)) })),
  });
  const topics = (["a", "b"] as const).map((name): TopicOutcome => {
    const error = efd[name] === "failed" ? { error: "no answer" } : {};
    return { topic: `t_${name}`, status: efd[name], columns: [name], samples: 1, ...error };
  });
  return {
    records: found,
    pivoted: { exposure_efd: rows("exposure"), visit1_efd: rows("visit1") },
    unpivoted: { exposure_efd_unpivoted: [], visit1_efd_unpivoted: [] },
    topics: found.length === 0 ? [] : topics,
  };
}

let runs = 0;
function partsOf(change: Partial<RunParts> = {}): RunParts {
  const marginSeconds = 300;
  const owner = `run${++runs}`;
  return {
    database,
    queue: new TaskQueue(database, { instrument: "latiss", repo, owner, leaseSeconds: 30, marginSeconds }),
    records: source,
    secondaries: new Secondaries(database, [], { instrument: "latiss", schema, columns, log }),
    schema,
    summarise,
    leaseSeconds: 30,
    marginSeconds,
    monitorDays: 2,
    windows: { instrument: "latiss", repo, intervalMinutes: 5, timewindowMinutes: 1 },
    log,
    clock: () => nowMs,
    ...change,
  };
}
const go = (mode: Mode, change: Partial<RunParts> = {}, stop = new AbortController().signal) =>
  run(mode, partsOf(change), stop);
async function all(query: string): Promise<unknown[][]> {
  return (await client.query<unknown[]>({ text: query, rowMode: "array" })).rows;
}
const rows = () => all(`select exposure_id::int, a, b from ${schema}.exposure_efd order by 1`);
const tasks = (columns = "rtrim(status)") => all(`select ${columns} from efd_scheduler.latiss order by start_time`);

describe("a job", () => {
  it("does its range, each record once, in the window that holds its end", async () => {
    add(1, 60);
    add(2, 57);
    add(3, 50, { span: { beginNs: ns(at(75)), endNs: ns(at(50)) } }); // longer than windows
    add(4, 45); // ends with the range, so it is of the window after it
    const sum = { created: 3, completed: 3, failed: 0, left: 0, exposures: 3, visits: 3, stale: 0 };
    expect(await go(job(60, 45))).toEqual(sum);
    expect(await rows()).toEqual([[1, 1.25, 1.5], [2, 2.25, 2.5], [3, 3.25, 3.5]]); // prettier-ignore
    expect(asked.sort()).toEqual([1, 1, 2, 2, 3, 3]);
    expect(await tasks("rtrim(status), exposures, visits1, error")).toEqual([
      ["completed", 2, 2, null],
      ["completed", 0, 0, null],
      ["completed", 1, 1, null],
    ]);
  });

  it("does what is done no second time, and by --resume makes no tasks", async () => {
    add(1, 58);
    await go(job(60, 50));
    expect(await go(job(60, 50))).toMatchObject({ created: 0, completed: 0 });
    expect(await go(job(60, 40, true))).toMatchObject({ created: 0, completed: 0 });
  });

  it("stores the columns whose topic answered, fails the task for the others, and repeats it in its next run", async () => {
    add(1, 58);
    efd.b = "failed";
    await expect(go(job(60, 55))).rejects.toThrow("Failed tasks: 1. See error and topics of the tasks.");
    expect(await rows()).toEqual([[1, 1.25, null]]);
    expect(await tasks("rtrim(status), exposures, error, topics")).toEqual([
      [
        "failed",
        1,
        "1 of 2 questions failed\nt_b (1 columns): no answer",
        [
          { topic: "t_a", status: "ok", columns: 1, samples: 1 },
          { topic: "t_b", status: "failed", columns: 1, samples: 1, error: "no answer" },
        ],
      ],
    ]);
    efd = { a: "failed", b: "ok" };
    await expect(go(job(60, 55))).rejects.toThrow("Failed tasks: 1.");
    expect(await rows()).toEqual([[1, 1.25, 1.5]]); // a failure takes nothing away
    efd.a = "ok";
    expect(await go(job(60, 55))).toMatchObject({ completed: 1 });
    expect(await tasks("rtrim(status), retries, attempt, error")).toEqual([["completed", 2, 3, null]]);
  });

  it("completes a window whose topic had nothing to tell, and keeps what is stored", async () => {
    add(1, 58);
    await go(job(60, 55));
    await client.query("update efd_scheduler.latiss set status = 'idle'");
    efd.b = "no-data";
    expect(await go(job(60, 55))).toMatchObject({ completed: 1 });
    expect(await rows()).toEqual([[1, 1.25, 1.5]]);
    expect(await tasks("rtrim(status), topics -> 1 ->> 'status'")).toEqual([["completed", "no-data"]]);
  });

  it("stops asking when nothing answers five times in a row, and leaves the rest for later", async () => {
    for (let id = 1; id <= 12; id++) add(id, 121 - id * 5);
    efd = { a: "failed", b: "failed" };
    await expect(go(job(120, 60))).rejects.toThrow(
      "Failed tasks: 5. Nothing could be computed for 5 tasks in a row; the others still wait.",
    );
    expect(await rows()).toEqual([]);
    expect(await all("select rtrim(status), count(*)::int from efd_scheduler.latiss group by 1 order by 1")).toEqual([
      ["failed", 5],
      ["idle", 7],
    ]);
  });

  it("names a record that has no row because of another with its sequence number", async () => {
    add(1, 58);
    add(9, 57, { seqNum: 1 });
    expect(await go(job(60, 55))).toMatchObject({ completed: 1, exposures: 1 });
    const day = dayObs(at(58));
    expect(await tasks("rtrim(status), error")).toEqual([
      [
        "completed",
        ["exposure", "visit"]
          .map((kind) => `${kind} 1 has no row: one with a larger id has day_obs ${day}, seq_num 1 too`)
          .join("\n"),
      ],
    ]);
  });

  it("is shared by many workers, no task done by two", async () => {
    for (let id = 1; id <= 60; id++) add(id, 301 - id * 5);
    const reports = await Promise.all(Array.from({ length: 8 }, () => go(job(300, 0))));
    expect(reports.reduce((sum, { completed }) => sum + completed, 0)).toBe(60);
    expect(asked.length).toBe(120);
    expect(await rows()).toHaveLength(60);
  });

  it("waits for a lease of its range and takes over, when the worker that had it died", async () => {
    add(1, 58);
    await go(job(60, 55));
    await client.query(`update efd_scheduler.latiss set status = 'running', lease_owner = 'dead',
      lease_until = clock_timestamp() + interval '300 ms'`);
    expect(await go(job(60, 55))).toMatchObject({ completed: 1 });
    expect(await tasks("rtrim(status), attempt, lease_owner")).toEqual([["completed", 2, `run${runs}`]]);
  });

  it("drops what it computed when its lease was lost meanwhile", async () => {
    add(1, 58);
    const slow = async (found: readonly DimensionRecord[]) => {
      await client.query("update efd_scheduler.latiss set lease_owner = 'other'");
      return summarise(found);
    };
    expect(await go(job(60, 55), { summarise: slow, leaseSeconds: 1 })).toMatchObject({ completed: 0, left: 1 });
    expect(await rows()).toEqual([]);
    expect(await tasks("rtrim(status), lease_owner")).toEqual([["running", "other"]]);
  });

  it("keeps its lease alive while a task lasts longer than it", async () => {
    add(1, 58);
    const parts = partsOf({ leaseSeconds: 1 });
    const { queue: _unused, ...rest } = parts;
    const queue = new TaskQueue(database, { instrument: "latiss", repo, owner: "slow", leaseSeconds: 1 });
    const untilRenewed = async (found: readonly DimensionRecord[]) => {
      const begun = await all("select lease_until from efd_scheduler.latiss");
      const isRenewed = async () => String(await all("select lease_until from efd_scheduler.latiss")) !== String(begun);
      while (!(await isRenewed())) await new Promise((resolve) => setTimeout(resolve, 50));
      return summarise(found);
    };
    const report = await run(job(60, 55), { ...rest, queue, summarise: untilRenewed }, new AbortController().signal);
    expect(report).toMatchObject({ completed: 1, left: 0 });
  });

  it("hands its task back when it is told to stop in the middle of it", async () => {
    add(1, 58);
    const stop = new AbortController();
    const stopping = async (_found: readonly DimensionRecord[], signal: AbortSignal) => {
      stop.abort();
      signal.throwIfAborted();
      throw new Error("The signal did not arrive.");
    };
    expect(await go(job(60, 50), { summarise: stopping }, stop.signal)).toMatchObject({ completed: 0, left: 1 });
    expect(await tasks("rtrim(status), attempt, error")).toEqual([["idle", 0, null], ["idle", 0, null]]); // prettier-ignore
  });
});

describe("a cronjob", () => {
  it("does the windows that are due, goes on where it was, and leaves the newest minutes alone", async () => {
    add(1, 8);
    await go({ name: "cronjob" });
    const [first] = await all(
      "select max(end_time) <= localtimestamp - interval '5 minutes', count(*)::int from efd_scheduler.latiss",
    );
    expect(first).toEqual([true, 1]);
    await client.query("update efd_scheduler.latiss set start_time = start_time - interval '30 minutes', end_time = end_time - interval '30 minutes'"); // prettier-ignore
    add(2, 22);
    expect(await go({ name: "cronjob" })).toMatchObject({ created: 6, completed: 6, failed: 0 });
    expect((await rows()).map(([id]) => id)).toContain(2);
    expect(await go({ name: "cronjob" })).toMatchObject({ created: 0, completed: 0 });
  });

  it("leaves a failed window to the failure monitor, which repeats it when it is time", async () => {
    efd.b = "failed";
    for (let minute = 5; minute <= 15; minute++) add(minute, minute);
    expect(await go({ name: "cronjob" })).toMatchObject({ created: 1, failed: 1 });
    expect(await go({ name: "cronjob" })).toMatchObject({ created: 0, failed: 0 });
    efd.b = "ok";
    expect(await go({ name: "failure-monitor" })).toMatchObject({ completed: expect.any(Number) });
    expect(await all("select rtrim(status) from efd_scheduler.latiss where mode = 'cronjob'")).toEqual([["failed"]]);
    await client.query("update efd_scheduler.latiss set last_attempt = clock_timestamp() - interval '3 hours' where mode = 'cronjob'"); // prettier-ignore
    await go({ name: "failure-monitor" });
    expect(await all("select rtrim(status), retries from efd_scheduler.latiss where mode = 'cronjob'")).toEqual([
      ["completed", 1],
    ]);
  });
});

describe("the failure monitor", () => {
  it("finds records that came to the Butler after their window was done, and those of no window", async () => {
    add(1, 58);
    await go(job(60, 50));
    add(2, 57);
    add(3, 30);
    add(4, 0); // too young: a cronjob's
    expect(await go({ name: "failure-monitor" })).toMatchObject({ created: 2, completed: 2, exposures: 3 });
    expect(await rows()).toEqual([[1, 1.25, 1.5], [2, 2.25, 2.5], [3, 3.25, 3.5]]); // prettier-ignore
    expect(await go({ name: "failure-monitor" })).toMatchObject({ created: 0, completed: 0 });
  });

  it("does not queue what waits, failed, or can have no row", async () => {
    add(1, 58);
    add(9, 57, { seqNum: 1 }); // has the row of the two
    await go(job(60, 55));
    add(2, 53);
    efd.b = "failed";
    await expect(go(job(55, 50))).rejects.toThrow("Failed tasks: 1.");
    await client.query(`delete from ${schema}.exposure_efd where exposure_id = 2`);
    expect(await go({ name: "failure-monitor" })).toMatchObject({ created: 0, completed: 0, failed: 0 });
  });

  it("fails itself when a task is given up, so that somebody looks", async () => {
    add(1, 58);
    efd.b = "failed";
    await expect(go(job(60, 55))).rejects.toThrow("Failed tasks: 1.");
    await client.query("update efd_scheduler.latiss set created_at = created_at - interval '73 hours'");
    await expect(go({ name: "failure-monitor" })).rejects.toThrow(
      "Tasks given up for good, stale now: 1. See error and topics of the tasks.",
    );
    expect(await go({ name: "failure-monitor" })).toMatchObject({ stale: 0, created: 0 });
  });

  it("fails itself when a secondary database lacks rows for more than an hour", async () => {
    add(1, 58);
    await go(job(60, 55));
    const lacks = (age: string) =>
      client.query(
        `insert into efd_scheduler.latiss_secondary (task_id, target, exposures, visits, since)
         values (1, 'away:5432/consdb', '{1}', '{}', now() - $1::interval)
         on conflict (target, task_id) do update set since = excluded.since`,
        [age],
      );
    await lacks("50 minutes");
    expect(await go({ name: "failure-monitor" })).toMatchObject({ created: 0, completed: 0 });
    await lacks("70 minutes");
    await expect(go({ name: "failure-monitor" })).rejects.toThrow("away:5432/consdb lacks rows of 1 tasks.");
    await client.query("delete from efd_scheduler.latiss_secondary");
  });
});
