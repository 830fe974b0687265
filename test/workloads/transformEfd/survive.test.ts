/**
 * The program as a pod runs it, against a real PostgreSQL and a real InfluxDB: whatever kills it or goes away, at the end each
 * record has each of its values, as a brute-force oracle computes them, and no task ran twice at a time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { Client } from "pg";
import { type RunningInfluxdb, startInfluxdb } from "../../../local/services/influxdb";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import { testAddress, testFolder } from "../../support/network";
import { buildWorkloads, quickly, root } from "../../support/pod";
import { startStatementProxy, type StatementProxy } from "./surviveProxy";

const { dir, remove } = testFolder("efd-survive");
const address = testAddress(3);
const ns = 1_000_000_000n;

/** Windows of 5 minutes over a midnight that has a leap second before it. */
const windows = 130;
const firstMs = Date.parse("2016-12-31T20:00:00Z");
const leapMs = Date.parse("2017-01-01T00:00:00Z");
const windowMs = 5 * 60_000;
const windowBeginMs = (window: number) => firstMs + window * windowMs;

interface Exposure {
  readonly id: number;
  readonly seqNum: number;
  readonly dayObs: number;
  /** UTC. */
  readonly beginMs: number;
  readonly endMs: number;
  /** TAI at the end, when it is not what follows from UTC. */
  readonly endTaiNs?: bigint;
}

/** One exposure of 30 s a window; every seventh is longer than a window, every fifth ends with it and so is the next one's. */
const exposures: Exposure[] = Array.from({ length: windows }, (_value, window): Exposure => {
  const endMs = windowBeginMs(window) + (window % 5 === 4 ? windowMs : 210_000);
  const beginMs = endMs - (window % 7 === 6 ? 1_200_000 : 30_000);
  const seqNum = window === 22 ? 21 : window + 1; // the 21st and the 23rd have one sequence number
  return { id: 2016123100001 + window, seqNum, dayObs: 20161231, beginMs, endMs };
});
exposures.push({
  id: 2016123100500,
  seqNum: 500,
  dayObs: 20161231,
  beginMs: leapMs - 10_000,
  endMs: leapMs, // in UTC, as POSIX counts; it ends within the leap second, half a second before midnight
  endTaiNs: BigInt(leapMs) * 1_000_000n + 36n * ns + ns / 2n,
});
const taiNs = (utcMs: number) => BigInt(utcMs) * 1_000_000n + (utcMs >= leapMs ? 37n : 36n) * ns;
const owners = exposures.filter(({ id }) => id !== 2016123100021); // the larger id has the row

/** Telemetry: two sensors, a value every 5 s; the oracle computes from the same numbers. */
interface Sample {
  readonly ms: number;
  readonly salIndex: number;
  readonly x: number;
  readonly y: number;
}
const samples: Sample[] = [];
for (let ms = firstMs - 1_500_000; ms <= windowBeginMs(windows + 1); ms += 5_000) {
  const seconds = (ms - firstMs) / 1000;
  for (const salIndex of [1, 2]) samples.push({ ms, salIndex, x: Math.sin(seconds * salIndex) * 1e3, y: seconds / 7 });
}
const within = ({ beginMs, endMs }: Exposure, salIndex?: number) =>
  samples.filter(({ ms, salIndex: of }) => ms >= beginMs && ms <= endMs && (salIndex ?? of) === of);
const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const oracle = (exposure: Exposure) => ({
  x_max: Math.max(...within(exposure, 2).map(({ x }) => x)),
  y_mean: meanOf(within(exposure).map(({ y }) => y)),
  forces: {
    x: Math.min(...within(exposure, 1).map(({ x }) => x)),
    y: Math.min(...within(exposure, 1).map(({ y }) => y)),
  },
});

const topic = "lsst.sal.ESS.test";
const common = { datatype: "float", description: "A test", packed_series: false };
const fields = (...names: string[]) => [{ name: topic, fields: names.map((name) => ({ name })) }];
const configuration = {
  version: "1.0.0",
  columns: [
    { name: "x_max", function: "max", ...common, ...subset(2), topics: fields("x", "salIndex") },
    { name: "y_mean", function: "mean", ...common, topics: [{ name: `${topic}2`, fields: [{ name: "y" }] }] },
    {
      name: "forces",
      function: "min",
      tables: ["exposure_efd_unpivoted", "visit1_efd_unpivoted"],
      store_unpivoted: true,
      ...common,
      ...subset(1),
      topics: fields("x", "y", "salIndex"),
    },
  ].map((column) => ({ tables: ["exposure_efd", "visit1_efd"], ...column })),
};
function subset(value: number) {
  return { subset_field: "salIndex", subset_value: value };
}

let postgres: RunningPostgres;
let influxdb: RunningInfluxdb;
let proxy: StatementProxy;
let client: Client;
const configFile = join(dir, "columns.yaml");

beforeAll(async () => {
  const databases = ["consdb", "second", "butler"];
  [postgres, influxdb] = await Promise.all([
    startPostgres({ dir: join(dir, "pg"), address, user: "tester", password: "hush", databases }),
    startInfluxdb({ dir: join(dir, "influx"), address, password: "influx-pass", token: "influx-token" }),
    buildWorkloads(),
  ]);
  proxy = await startStatementProxy(address, postgres.port);
  client = await connected("consdb");
  await makeRegistry();
  await influxdb.write(
    samples
      .flatMap(({ ms, salIndex, x, y }) => [
        `${topic},sensor=s${salIndex} salIndex=${salIndex}i,x=${x},y=${y} ${ms}000000`,
        `${topic}2,sensor=s${salIndex} y=${y} ${ms}000000`,
      ])
      .join("\n"),
  );
  writeFileSync(configFile, JSON.stringify(configuration)); // JSON is YAML
  writeFileSync(
    join(dir, "butler.yaml"),
    JSON.stringify({ registry: { db: `postgresql://tester@${address}:5432/butler`, namespace: "embargo" } }),
  );
});
afterAll(async () => {
  await client?.end();
  await proxy?.close();
  await Promise.all([postgres?.stop(), influxdb?.stop()]);
  remove();
});

async function connected(database: string): Promise<Client> {
  const made = new Client(postgres.url(database));
  made.on("error", () => {}); // the server is restarted
  await made.connect();
  return made;
}

/** Tables of a registry, as far as they are read; a real Butler's are read in records.test.ts. */
async function makeRegistry(): Promise<void> {
  const butler = await connected("butler");
  const columns = "(instrument text, id bigint, day_obs bigint, seq_num bigint, timespan int8range)";
  await butler.query(
    `create schema embargo; create table embargo.exposure ${columns}; create table embargo.visit ${columns}`,
  );
  const spans = exposures.map(({ beginMs, endMs, endTaiNs = taiNs(endMs) }) => `[${taiNs(beginMs)},${endTaiNs})`);
  for (const table of ["exposure", "visit"])
    await butler.query(
      `insert into embargo.${table} select 'LATISS', * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int8range[])`,
      [exposures.map(({ id }) => id), exposures.map(({ dayObs }) => dayObs), exposures.map(({ seqNum }) => seqNum), spans], // prettier-ignore
    );
  await butler.end();
}

/** Runs the program over windows [from, to). */
function start(
  from: number,
  to: number,
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<End> } {
  const url = postgres.url("consdb").replace(`:${postgres.port}/`, `:${proxy.port}/`);
  const child = spawn(
    process.execPath,
    [...quickly, join(root, "workloads/dist/transform-efd.js"), "--mode", "job", "-i", "latiss"],
    {
      env: {
        PATH: process.env.PATH,
        HTTP_HOST: address,
        CONFIG_FILE: configFile,
        BUTLER_REPO: dir,
        PGPASSWORD: "hush",
        CONSDB_URL: `${url} ${postgres.url("second")}`,
        DATETIME_START: new Date(windowBeginMs(from)).toISOString(),
        DATETIME_END: new Date(windowBeginMs(to)).toISOString(),
        EFD: influxdb.url,
        EFD_PASSWORD: influxdb.password,
        LOG_LEVEL: "WARNING",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  let log = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (log += data.toString()));
  const limit = setTimeout(() => child.kill("SIGKILL"), 120_000);
  const ended = new Promise<End>((done) =>
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      done({ end: signal ?? code, output, log });
    }),
  );
  return { child, ended };
}
interface End {
  readonly end: number | NodeJS.Signals | null;
  readonly output: string;
  readonly log: string;
}

async function all<T extends object>(query: string, from = client): Promise<T[]> {
  return (await from.query<T>(query)).rows;
}

async function expectOracle(from: Client): Promise<void> {
  const byId = new Map(owners.map((exposure) => [String(exposure.id), oracle(exposure)]));
  for (const [kind, id] of [
    ["exposure", "exposure_id"],
    ["visit1", "visit_id"],
  ]) {
    // prettier-ignore
    const rows = await all<{ id: string; x_max: number; y_mean: number }>(
      `select ${id}::text as id, x_max, y_mean from efd_latiss.${kind}_efd order by 1`,
      from,
    );
    expect(rows.map((row) => row.id)).toEqual([...byId.keys()].sort());
    for (const row of rows) {
      expect(row.x_max).toBe(byId.get(row.id)!.x_max);
      expect(Math.abs(row.y_mean / byId.get(row.id)!.y_mean - 1)).toBeLessThan(1e-12);
    }
    const long = await all<{ id: string; property: string; forces: object }>(
      `select ${id}::text as id, property, jsonb_object_agg(field, value) as forces from efd_latiss.${kind}_efd_unpivoted
        where ${id} <> 2016123100021 group by 1, 2 order by 1`,
      from,
    );
    expect(long.map((row) => row.id)).toEqual([...byId.keys()].sort());
    for (const { id, property, forces } of long) {
      expect(property).toBe("forces");
      expect(forces).toEqual(byId.get(id)!.forces);
    }
  }
}

it("is killed at each of its statements, meets a dead EFD and a PostgreSQL that restarts, and leaves nothing out", async () => {
  // An EFD that is not there: no row, no task completed; the rest waits.
  const blind = await start(0, 10, { EFD: `http://${address}:1`, EFD_TIMEOUT: "5" }).ended;
  expect({ end: blind.end, output: blind.output }).toEqual({ end: 1, output: "" });
  expect(blind.log).toContain("Nothing could be computed for 5 tasks in a row; the others still wait.");
  expect(await all("select 1 from efd_latiss.exposure_efd union all select 1 from efd_latiss.visit1_efd")).toEqual([]);
  expect(
    await all("select rtrim(status) as status, count(*)::int from efd_scheduler.latiss group by 1 order by 1"),
  ).toEqual([
    { status: "completed", count: 1 }, // the fifth window has no records
    { status: "failed", count: 5 },
    { status: "idle", count: 4 },
  ]);

  // Nobody may take a task whose lease is alive.
  await client.query(`create table watch (id integer, owners text);
      create function watching() returns trigger language plpgsql as $$ begin
        if new.status = 'running' and old.status = 'running' and new.lease_owner <> old.lease_owner
           and old.lease_until > clock_timestamp() then
          insert into watch values (new.id, old.lease_owner || ' and ' || new.lease_owner); end if;
        return new; end $$;
      create trigger watching after update on efd_scheduler.latiss for each row execute function watching()`);

  let lives = 0;
  for (let survived = false; !survived; lives++) {
    const window = 10 + lives + Math.floor(lives / 4); // one with records of its own
    expect(window).toBeLessThan(windows);
    const { child, ended } = start(window, window + 1);
    const last = lives + 1;
    proxy.watch((count) => count === last && child.kill("SIGKILL"));
    const { end, log } = await ended;
    survived = end === 0;
    if (!survived) expect({ end, log }).toEqual({ end: "SIGKILL", log: "" });
  }
  expect(lives).toBeGreaterThan(30);
  proxy.watch(() => {});
  const [dead] = await all<{ count: number }>(
    "select count(*)::int from efd_scheduler.latiss where status = 'running'",
  );
  expect(dead!.count).toBeGreaterThan(10);
  await client.query("update efd_scheduler.latiss set lease_until = clock_timestamp() where status = 'running'");

  // The next life does the rest, though PostgreSQL is killed under it.
  const rest = start(0, windows + 1, { LEASE: "20" });
  let isRestarting = false;
  proxy.watch((count) => (isRestarting ||= count > 60));
  while (!isRestarting && rest.child.exitCode === null) await sleep(20);
  await postgres.restart("SIGQUIT");
  client = await connected("consdb");
  expect(await rest.ended).toMatchObject({ end: 0, log: expect.stringContaining('"msg":"database_retry"') });

  // What ran into the restart without a second try (a lease that was to be renewed, a secondary) is the next run's.
  const again = await start(0, windows + 1).ended;
  expect({ end: again.end, log: again.log }).toEqual({ end: 0, log: "" });
  expect(await all("select rtrim(status) as status, count(*)::int from efd_scheduler.latiss group by 1")).toEqual([
    { status: "completed", count: windows + 1 },
  ]);
  expect(await all("select * from watch")).toEqual([]);
  expect(await all("select * from efd_scheduler.latiss_secondary")).toEqual([]);
  await expectOracle(client);
  const second = await connected("second");
  await expectOracle(second);
  await second.end();
});

it("hands its task back when it is told to stop", async () => {
  await client.query("update efd_scheduler.latiss set status = 'idle', attempt = 0, lease_owner = null");
  const { child, ended } = start(0, windows + 1);
  proxy.watch((count) => count === 60 && child.kill("SIGTERM"));
  expect((await ended).end).toBe(0);
  const states = await all<{ status: string }>(
    "select distinct rtrim(status) as status from efd_scheduler.latiss order by 1",
  );
  expect(states.map(({ status }) => status)).toEqual(["completed", "idle"]);
  expect(await all("select 1 from efd_scheduler.latiss where status = 'idle' and (attempt <> 0 or lease_owner <> '')")).toEqual([]); // prettier-ignore
});

it("shows no password in its log, its arguments, or the tables that it keeps", async () => {
  const { log, output } = await start(0, 1, { EFD: `http://${address}:1`, LOG_LEVEL: "DEBUG", EFD_TIMEOUT: "1" }).ended;
  const kept = await all("select t::text from efd_scheduler.latiss t union all select s::text from efd_scheduler.latiss_secondary s"); // prettier-ignore
  expect(log).toContain("execution_config");
  expect(`${log}${output}${JSON.stringify(kept)}`).not.toMatch(/hush|influx-pass/);
});
