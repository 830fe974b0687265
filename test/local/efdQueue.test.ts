/** `usdf efd status|gaps|explain|columns` as an operator types them: real PostgreSQL and InfluxDB, data made here. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { requeueRecords } from "../../local/efd/requeue";
import { listHoles, type RecordCoverage } from "../../local/efd/coverage";
import { coverageBetween } from "../../local/efd/gapsReading";
import { type EfdPlace, settingsOf } from "../../local/efd/connection";
import { type RunningInfluxdb, type RunningPostgres, startInfluxdb, startPostgres } from "../../local/services";
import { testAddress, testFolder } from "../support/network";
import { usdf } from "../support/usdf";
import { parseXml } from "../support/xml";

const { dir, remove } = testFolder("efd-queue");
let postgres: RunningPostgres;
let influxdb: RunningInfluxdb;
const clients: Record<"consdb" | "registry", Client> = { consdb: new Client(), registry: new Client() };
const repo = join(dir, "repo");
let shell: NodeJS.ProcessEnv;

/** The queue as the image of today makes it, and the rest as transform-efd adds it. */
const taskTable = (instrument: string) => `
  create table efd_scheduler.${instrument} (id serial primary key, start_time timestamp, end_time timestamp, timewindow integer,
    status char(20) default 'pending', process_start_time timestamp, process_end_time timestamp,
    process_exec_time integer default 0, exposures integer default 0, visits1 integer default 0, retries integer default 0,
    error text, butler_repo text, created_at timestamp default current_timestamp)`;

beforeAll(async () => {
  [postgres, influxdb] = await Promise.all([
    startPostgres({
      dir: join(dir, "postgres"),
      address: testAddress(3),
      password: "s3cret",
      databases: ["consdb", "registry"],
    }),
    startInfluxdb({
      dir: join(dir, "influxdb"),
      address: testAddress(4),
      password: "efd-s3cret",
      token: "token-s3cret",
    }),
  ]);
  for (const database of ["consdb", "registry"] as const) {
    clients[database] = new Client({ connectionString: postgres.url(database), options: "-c TimeZone=UTC" });
    await clients[database].connect();
  }
  mkdirSync(repo);
  writeFileSync(
    join(repo, "butler.yaml"),
    `registry:\n  db: postgresql+psycopg2://${postgres.host}:${postgres.port}/registry\n  namespace: embargo\n`,
  );
  shell = {
    ...{ CONSDB_URL: postgres.url("consdb").replace("postgresql:", "postgresql+psycopg2:"), INSTRUMENT: "LSSTCam" },
    ...{
      BUTLER_REPO: repo,
      PGUSER: postgres.user,
      PGPASSWORD: "s3cret",
      NO_COLOR: "1",
      CONFIG_FILE: "/not/on/this/machine",
    },
    ...{ EFD: influxdb.url, EFD_USERNAME: influxdb.username, EFD_PASSWORD: influxdb.password },
  };
  await makeData();
});
afterAll(async () => {
  await Promise.all(Object.values(clients).map((client) => client.end()));
  await Promise.all([postgres.stop(), influxdb.stop()]);
  remove();
});

const efd = (...words: string[]) => usdf(shell, "efd", ...words, "--env");
const json = async (...words: string[]) => {
  const { code, stdout, stderr } = await efd(...words, "--json");
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as object) };
};

/** docs/efd.md shows what this test sees; only ages may differ. */
const page = readFileSync(join(__dirname, "../../docs/efd.md"), "utf8");
const ageless = (text: string) =>
  text.replace(/\d+ (s|min|h)\b( \d+ (s|min)\b)?/g, "N").replace(/task 106, \S+/, "task 106, then:");

const second = (text: string) => BigInt(Date.parse(`2026-11-20T${text}Z`)) * 1_000_000n;

/** Exposures 1 to 7 of 20261119, one a minute; visits 1 and 2, the first one in two visit systems. */
async function makeData(): Promise<void> {
  const { consdb, registry } = clients;
  await registry.query(`create schema embargo;
    create table embargo.exposure (instrument text, id bigint, day_obs bigint, seq_num bigint, timespan int8range);
    create table embargo.visit (like embargo.exposure)`);
  const span = (seqNum: number) => {
    const beginTaiNs = second(`03:0${seqNum}:00`) + 37_000_000_000n;
    return `[${beginTaiNs},${beginTaiNs + 30_000_000_000n})`;
  };
  const record = (table: string, id: number, seqNum: number) =>
    registry.query(`insert into embargo.${table} values ('LSSTCam', ${id}, 20261119, ${seqNum}, '${span(seqNum)}')`);
  for (let n = 1; n <= 7; n++) await record("exposure", 2026111900000 + n, n);
  await record("visit", 2026111900001, 1);
  await record("visit", 2026111990001, 1);
  await record("visit", 2026111900002, 2);
  await registry.query(`insert into embargo.exposure values ('LATISS', 1, 20261119, 1, '${span(1)}'),
    ('LSSTCam', 2026111900099, 20261119, 99, null)`);

  await consdb.query(`create schema efd_scheduler; create schema efd_lsstcam;
    create table efd_lsstcam.exposure_efd (day_obs int not null, seq_num int, exposure_id bigint not null,
      created_at timestamp default current_timestamp, t_mean float, other float, primary key (day_obs, seq_num));
    create table efd_lsstcam.visit1_efd (day_obs int not null, seq_num int, visit_id bigint not null,
      created_at timestamp default current_timestamp, t_mean float, primary key (day_obs, seq_num));
    create table efd_lsstcam.exposure_efd_unpivoted (day_obs int not null, seq_num int not null, exposure_id bigint not null,
      property varchar(64), field varchar(32), value float, created_at timestamp default current_timestamp,
      primary key (day_obs, seq_num, exposure_id, property, field));
    insert into efd_lsstcam.exposure_efd (day_obs, seq_num, exposure_id, t_mean, other) values
      (20261119, 1, 2026111900001, 2.5, null), (20261119, 2, 2026111900002, null, 0.0), (20261119, 3, 2026111900003, null, null);
    insert into efd_lsstcam.visit1_efd (day_obs, seq_num, visit_id, t_mean) values
      (20261119, 1, 2026111990001, 1), (20261119, 2, 2026111900002, 1);
    insert into efd_lsstcam.exposure_efd_unpivoted (day_obs, seq_num, exposure_id, property, field, value) values
      (20261119, 1, 2026111900001, 'forces', 'f0', 10), (20261119, 1, 2026111900001, 'forces', 'f1', 7);
    ${taskTable("lsstcam")}; ${taskTable("latiss")}`);
  const task = (minute: number, status: string, error: string | null = null) =>
    consdb.query(
      `insert into efd_scheduler.lsstcam (start_time, end_time, status, butler_repo, error, retries, created_at)
       values ($1, $2, $3, $4, $5, 4, now() - interval '1 day')`,
      [`2026-11-20 03:0${minute}:00`, `2026-11-20 03:0${minute + 1}:00`, status, repo, error],
    );
  await task(1, "completed");
  await task(2, "failed", "lsst.sal.ESS.temperature: timed out");
  await task(3, "completed");
  await task(4, "idle");
  await task(5, "completed");
  await consdb.query(`insert into efd_scheduler.lsstcam (start_time, end_time, status, butler_repo) values
    ('2026-11-20 03:00', '2026-11-20 04:00', 'completed', 's3://another/repo')`);
}

describe("columns", () => {
  it("prints both forms: the flat one reads as the same columns, the schema is the released one", async () => {
    const flat = await usdf({}, "efd", "columns", "LATISS");
    const file = join(dir, "flat.yaml");
    writeFileSync(file, flat.stdout);
    expect(await usdf({}, "efd", "columns", "--check", file)).toMatchObject({ code: 0 });
    const { stdout } = await usdf({}, "efd", "columns", "LSSTCam", "--felis");
    // First digits of the SHA-256 of the schema as it is deployed.
    expect(createHash("sha256").update(`${stdout}\n`).digest("hex").slice(0, 16)).toBe("e7270975ec8d9bb8");
  });

  it("reports every fault of a file", async () => {
    const file = join(dir, "faulty.yaml");
    writeFileSync(
      file,
      columnsYaml.replace("function: mean", "function: median").replace("name: forces", "name: for ces"),
    );
    const { code, stdout } = await usdf({ NO_COLOR: "1" }, "efd", "columns", "--check", file);
    expect({ code, lines: stdout.split("\n") }).toEqual({
      code: 78,
      lines: [
        expect.stringContaining(`fault: ${file}: column t_mean: unknown function "median"`),
        expect.stringContaining(`fault: ${file}: column for ces: "for ces" is no property`),
        `${file}: 2 columns can be used, 2 faults, 0 doubts`,
      ],
    });
  });

  it("tells the sizes of both forms: a tenth at most", async () => {
    const { stdout } = await usdf({}, "efd", "columns", "latiss", "--sizes", "--json");
    const { part, instruments } = JSON.parse(stdout) as { part: number; instruments: object[] };
    expect(part).toBeLessThan(0.1); // though all that is shared counts for one instrument alone
    expect(instruments).toMatchObject([{ instrument: "latiss", columns: 267 }]);
  });

  it.each([
    [["nope"], "usdf: No columns for nope. There are: latiss, lsstcam, lsstcomcam."],
    [[], "usdf: Columns of which instrument? There are: latiss, lsstcam, lsstcomcam."],
  ])("refuses %j", async (words, stderr) => {
    expect(await usdf({}, "efd", "columns", ...words)).toEqual({ code: 2, stdout: "", stderr });
  });
});

describe("explain", () => {
  const columns = join(dir, "columns.yaml");
  beforeAll(async () => {
    writeFileSync(columns, columnsYaml);
    const at = (time: string) => String(second(time));
    await influxdb.write(
      [
        `lsst.sal.ESS.temperature item0=1,salIndex=301i ${at("03:01:00")}`,
        `lsst.sal.ESS.temperature item0=4,salIndex=301i ${at("03:01:30")}`,
        `lsst.sal.ESS.temperature item0=100,salIndex=302i ${at("03:01:10")}`,
        `lsst.sal.ESS.temperature item0=100,salIndex=301i ${at("03:01:31")}`,
        `lsst.sal.ESS.temperature label="warm",salIndex=301i ${at("03:01:05")}`,
        `lsst.sal.MTM1M3.forces f0=10,f1=20 ${at("03:01:10")}`,
      ].join("\n"),
    );
  });
  const explain = async (column: string, id = 2026111900001) =>
    efd("explain", column, String(id), "--columns", columns);

  it("shows query, samples and function, and the value now beside the stored one", async () => {
    const { code, stdout } = await explain("t_mean");
    expect(code).toBe(0);
    const [exposure, visit] = stdout.split("\n\n");
    expect(exposure!.split("\n")).toEqual([
      "exposure_efd.t_mean, 2026111900001",
      "  record    exposure, day 20261119, number 1, 2026-11-20T03:01:00Z to 2026-11-20T03:01:30Z",
      "  column    Mean temperature.",
      "  function  mean",
      "  topic     lsst.sal.ESS.temperature: item0",
      "  subset    salIndex = 301",
      expect.stringMatching(
        /^ {2}query {5}SELECT "item0", "salIndex" FROM "efd"\."autogen"\."lsst\.sal\.ESS\.temperature" WHERE time >= /,
      ),
      expect.stringMatching(
        /^ {2}samples {3}\d rows read, 2 counted, from 2026-11-20T03:01:00Z to 2026-11-20T03:01:30Z$/,
      ),
      "  task      1: task completed",
      "  now       2.5",
      "  stored    2.5",
      "  as stored",
    ]);
    expect(page).toContain(exposure);
    expect(visit).toContain("visit1_efd.t_mean, 2026111900001");
    expect(visit).toContain("  stored    no row");
    expect(visit).toContain("why no row: 2026111990001 has the same day and number, and the larger id has the row");
  });

  it.each([
    ["none_mean", 2026111900001, "why NULL: lsst.sal.Nothing gave no data in the time that was read."],
    ["label_mean", 2026111900001, "why NULL: label holds text, which cannot be summarised."],
    ["t_mean", 2026111900003, "why NULL: lsst.sal.ESS.temperature gave no data in the time that was read."],
    ["t_mean", 2026111900002, "task      2: task failed: lsst.sal.ESS.temperature: timed out"],
    ["t_mean", 2026111900006, "why no row: no task was ever made for it; usdf efd gaps --requeue makes one"],
  ])("says why %s of %d is NULL", async (column, id, reason) => {
    expect((await explain(column, id)).stdout).toContain(reason);
  });

  it("lists the fields of an unpivoted column, with those that differ and those that never were", async () => {
    const { stdout } = await explain("forces");
    expect(stdout).toMatch(/ {2}f0 +now 10, stored 10\n {2}f1 +now 20, stored 7\n {2}f2 +now NULL, stored no row\n/);
    expect(stdout).toContain("1 of 3 fields differ: f1");
    expect(stdout).toContain("left out  fields without any value: f2");
  });

  it("refuses what is not there, and names what is", async () => {
    expect(await explain("t_meen")).toEqual({
      code: 2,
      stdout: "",
      stderr: `usdf: No column t_meen in ${columns}. Did you mean t_mean? All of them: usdf efd columns LSSTCam`,
    });
    expect((await explain("t_mean", 2026111900050)).stderr).toBe(
      "usdf: The Butler has no exposure or visit 2026111900050 of LSSTCam, and 10 other records of 20261119.",
    );
    expect((await explain("forces", 2026111990001)).stderr).toBe(
      "usdf: Column forces is for exposure_efd_unpivoted only; 2026111990001 is no such record.",
    );
    expect((await explain("t_mean", 2026112500001)).stderr).toContain("no records of 20261125 at all");
    // Of an image's path that is not on this machine: the columns that come with the program.
    const builtin = await efd("explain", "mt_dewpoint_nope", "2026111900001");
    expect(builtin.stderr).toContain("No column mt_dewpoint_nope in builtin:lsstcam.");
  });
});

describe("gaps", () => {
  const range = ["--since", "20261119", "--until", "20261119"];

  it("finds every hole with its reason, and draws it", async () => {
    const svg = join(dir, "map.svg");
    const found = await json("gaps", ...range, "--svg", svg);
    const hole = (state: string, first: number, last: number, reason: string, task: number | null) =>
      expect.objectContaining({
        ...{
          kind: "exposure",
          state,
          dayObs: 20261119,
          firstSeqNum: first,
          lastSeqNum: last,
          records: last - first + 1,
        },
        ...{ reason, task },
      });
    expect(found).toMatchObject({
      code: 1,
      counts: { filled: 2, partial: 2, empty: 1, missing: 3, waiting: 1 },
      holes: [
        hole("partial", 2, 2, "task failed: lsst.sal.ESS.temperature: timed out", 2),
        hole("empty", 3, 3, "task completed", 3),
        hole("missing", 5, 5, "task completed", 5),
        hole("missing", 6, 7, "no task was ever made for it", null),
        expect.objectContaining({ kind: "visit1", state: "partial", firstId: 2026111900002, records: 1, task: 2 }),
      ],
      notes: ["exposure 2026111900099 has no begin, no end"],
    });
    const text = await efd("gaps", ...range);
    expect(text.stdout).toContain("20261119 ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ░m");
    expect(text.stdout).toContain(
      "2 of 9 exposures and visits have their values; 6 holes: 3 missing, 1 empty, 2 partial; 1 wait.",
    );
    expect(page).toContain(`\`\`\`\n${text.stdout}\n\`\`\``);
    const picture = parseXml(readFileSync(svg, "utf8"));
    const about = picture.children.find(({ name }) => name === "desc")!.text;
    expect(about).toContain("From 20261119 to 20261119: 2 of 9 exposures and visits have their values;");
    expect(await json("gaps", ...range, "--only", "empty")).toMatchObject({ code: 1, holes: [{ state: "empty" }] });
    expect(await json("gaps", "--since", "20261110", "--until", "20261118")).toMatchObject({ code: 0, holes: [] });
  });

  it("queues the windows of the holes; twice is as once", async () => {
    const tasks = async () => {
      const { rows } = await clients.consdb.query<{ text: string }>(`select to_char(start_time, 'HH24:MI') || '-' ||
        to_char(end_time, 'HH24:MI') || ' ' || rtrim(status) || ' ' || retries as text from efd_scheduler.lsstcam
        where butler_repo = '${repo}' order by start_time, end_time`);
      return rows.map(({ text }) => text);
    };
    const place: EfdPlace = { name: "test", instrument: "lsstcam", env: { ...shell, CONSDB_URL: shell.CONSDB_URL! } };
    const settings = settingsOf(place);
    const holes: RecordCoverage[] = [];
    for await (const { coverage } of coverageBetween(
      place,
      settings,
      { since: 20261119, until: 20261119 },
      Date.now(),
    )) {
      holes.push(...listHoles(coverage).flatMap(({ records }) => records));
    }
    // Two operators at the same moment.
    const made = await Promise.all([requeueRecords(place, settings, holes), requeueRecords(place, settings, holes)]);
    expect(made.map(({ windows }) => windows)).toEqual([4, 4]);
    expect(made.reduce((sum, { queued }) => sum + queued, 0)).toBe(4);
    const expected = [
      ...[
        "03:01-03:02 completed 4",
        "03:02-03:03 idle 0",
        "03:03-03:04 idle 0",
        "03:04-03:05 idle 4",
        "03:05-03:06 idle 0",
      ],
      "03:05-03:10 idle 0",
    ];
    expect(await tasks()).toEqual(expected);
    const again = await efd("gaps", ...range, "--requeue");
    expect(again.code).toBe(0);
    expect(again.stdout).toContain(
      "4 of 9 exposures and visits have their values; 0 holes: 0 missing, 0 empty, 0 partial; 5 wait.",
    );
    expect(again.stdout).toContain("There is nothing to queue.");
    expect(await tasks()).toEqual(expected);
    const all = await json("gaps", ...range, "--requeue", "--all");
    expect(all).toMatchObject({ code: 0, requeued: { windows: 5, queued: 1 } });
    expect(await tasks()).toEqual(["03:01-03:02 idle 0", ...expected.slice(1)]);
  });
});

describe("status", () => {
  it("shows queues of both generations: what waits, who works, what failed and why, who is behind", async () => {
    const { consdb } = clients;
    await consdb.query(`delete from efd_scheduler.lsstcam;
      insert into efd_scheduler.lsstcam (id, start_time, end_time, status, mode, butler_repo, lease_owner, lease_until, heartbeat,
        attempt, retries, last_attempt, process_start_time, process_end_time, error, topics, created_at) values
      (101, '2026-11-20 01:00', '2026-11-20 01:05', 'completed', 'cronjob', 'r', null, null, null, 1, 0, now(), now(), now(), null, '[]', now()),
      (102, '2026-11-20 01:05', '2026-11-20 01:10', 'running', 'cronjob', 'r', 'pod-a', now() + interval '50 s', now() - interval '10 s',
        1, 0, now(), now() - interval '70 s', null, null, null, now()),
      (103, '2026-11-20 01:10', '2026-11-20 01:15', 'running', 'job', 'r', 'pod-b', now() - interval '2 h', now() - interval '2 h',
        2, 0, now(), now() - interval '3 h', null, null, null, now()),
      (104, '2026-11-20 01:15', '2026-11-20 01:20', 'pending', 'cronjob', 'r', null, null, null, 0, 0, null, null, null, null, null,
        now() - interval '30 min'),
      (105, '2026-11-20 01:20', '2026-11-20 01:25', 'failed', 'cronjob', 'r', null, null, null, 1, 0, now() - interval '3 h', now(),
        now() - interval '3 h', 'ESS: timed out', '[{"topic": "ESS", "status": "failed", "error": "timed out"}, {"topic": "MTM2", "status": "ok"}]', now()),
      (106, '2026-11-20 01:25', '2026-11-20 01:30', 'failed', 'cronjob', 'r', null, null, null, 2, 1, now() - interval '3 h', now(),
        now() - interval '2 h', 'ESS: 500', '[{"topic": "ESS", "status": "failed", "error": "500"}]', now()),
      (107, '2026-11-20 01:30', '2026-11-20 01:35', 'stale', 'cronjob', 'r', null, null, null, 5, 4, now(), now(),
        now() - interval '1 day', 'gone', null, now());
      insert into efd_scheduler.lsstcam (id, start_time, end_time, status, butler_repo, error, duplicate_of)
        values (108, '2026-11-20 01:05', '2026-11-20 01:10', 'failed', 'r', 'old twin', 102);
      insert into efd_scheduler.lsstcam_secondary (task_id, target, exposures, visits, since, error)
        values (101, 'other:5432/consdb', '{1}', '{}', now() - interval '90 min', 'refused');
      insert into efd_scheduler.latiss (start_time, end_time, status, butler_repo, process_start_time) values
        ('2026-11-20 01:00', '2026-11-20 01:05', 'pending', 'r', null), ('2026-11-20 01:05', '2026-11-20 01:10', 'running', 'r', now())`);
    const { code, stdout } = await efd("status");
    expect(code).toBe(0);
    const part = (name: string) => stdout.split("\n\n").find((text) => text.startsWith(`${name}\n`))!;
    const lines = part("lsstcam").split("\n").slice(1);
    expect(lines.map((line) => line.replace(/ {2,}/g, "  "))).toEqual([
      "made by  pending  idle  running  completed  failed  stale",
      "cronjob  1  0  1  1  2  1",
      "job  0  0  1  0  0  0",
      "completed until 2026-11-20T01:05:00Z",
      expect.stringMatching(/^oldest pending: task 104, window to 2026-11-20T01:20:00Z, waits /),
      expect.stringMatching(
        /^running: task 102 \(2026-11-20T01:05:00Z to 2026-11-20T01:10:00Z\) for \d min( \d+ s)?: pod-a, attempt 1, heartbeat \d+ s ago, lease for \d+ s$/,
      ),
      "running: task 103 (2026-11-20T01:10:00Z to 2026-11-20T01:15:00Z) for 3 h: pod-b, attempt 2, lease over for 2 h: the next worker takes it",
      "failed: 1 due to be tried again, 1 later, 1 given up (put back: usdf efd gaps --requeue)",
      expect.stringMatching(/^last failure: task 106, .*: ESS: 500$/),
      "  ESS: 2 tasks, last 106: 500",
      "behind: other:5432/consdb lacks rows of 1 task for 1 h 30 min: refused",
    ]);
    expect(ageless(page)).toContain(ageless(part("lsstcam")));
    expect(part("latiss")).toContain("a worker without leases");
    expect(stdout).not.toContain("s3cret");
    expect(await json("status", "--instrument", "LATISS")).toMatchObject({
      queues: [{ instrument: "latiss", tasks: { older: { pending: 1, running: 1 } }, behind: [] }],
    });
  });

  it("says what is missing in the shell", async () => {
    const lacking = (env: NodeJS.ProcessEnv) => usdf({ ...shell, ...env }, "efd", "status", "--env");
    expect((await lacking({ CONSDB_URL: "" })).stderr).toBe(
      "usdf: CONSDB_URL is not set in the environment of this shell.",
    );
    expect((await lacking({ INSTRUMENT: "" })).stderr).toBe(
      "usdf: INSTRUMENT is not set in the environment of this shell; or give --instrument.",
    );
    const refused = await lacking({ CONSDB_URL: postgres.url("consdb").replace("s3cret", "wr0ng-s3cret") });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`reading the queue failed in ${postgres.host}:${postgres.port}/consdb`);
    expect(refused.stderr).not.toContain("s3cret");
  });
});

const column = (name: string, about: string, lines: readonly string[]) =>
  [`- name: ${name}`, "  datatype: float", `  description: ${about}`, "  packed_series: false", ...lines.map((line) => `  ${line}`)].join("\n"); // prettier-ignore
const topic = (name: string, ...fields: string[]) => [
  "topics:",
  `- name: lsst.sal.${name}`,
  `  fields: [${fields.map((field) => `{ name: ${field} }`).join(", ")}]`,
];
const columnsYaml = [
  "version: 1.0.0",
  "columns:",
  column("t_mean", "Mean temperature.", [
    "function: mean",
    "subset_field: salIndex",
    "subset_value: 301",
    ...topic("ESS.temperature", "item0", "salIndex"),
  ]),
  column("none_mean", "Mean nothing.", ["function: mean", ...topic("Nothing", "value")]),
  column("label_mean", "Mean label.", ["function: mean", ...topic("ESS.temperature", "label")]),
  column("forces", "Forces.", [
    "function: most_recent_value",
    "store_unpivoted: true",
    "tables: [exposure_efd_unpivoted]",
    ...topic("MTM1M3.forces", "f0", "f1", "f2"),
  ]),
].join("\n");
