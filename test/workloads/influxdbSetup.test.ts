import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import { type RunningProcess, startProcess, waitReady } from "../../local/process";
import { ensurePrograms } from "../../local/services";
import { ensureInfluxdb } from "../../local/services/influxdbBuild";
import type { DesiredState } from "../../workloads/src/influxdb-setup/contract";
import { readEnvironment, setUpInfluxdb } from "../../workloads/src/influxdb-setup/setup";
import { ConfigError } from "../../workloads/src/lib/contract";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, quickly, root } from "../support/pod";

/** The program against a real InfluxDB 2 and a real 1.x, both begun empty. */
const secrets = {
  INFLUXDB_ADMIN_PASSWORD: "admin-secret-1",
  INFLUXDB_ADMIN_TOKEN: "operator-token-1",
  INFLUXDB_PASSWORD_efdreader: "reader-secret-1",
  INFLUXDB_PASSWORD_efd: "writer-secret-1",
};
const dayS = 86_400;
type Input = { -readonly [Key in keyof DesiredState]: DesiredState[Key] };
const bucket = (name: string, retentionSeconds = 0, shardGroupSeconds = 7 * dayS) => ({
  name,
  retentionSeconds,
  shardGroupSeconds,
  allowShorterRetention: false,
});
const buckets = [bucket("efd"), bucket("efd_1m", 1096 * dayS), bucket("efd_1h")];
const users = [
  { name: "efd", reads: [], writes: ["efd"] },
  { name: "efdreader", reads: ["efd", "efd_1m", "efd_1h"], writes: [] },
];
const desired: Input = {
  buckets,
  users,
  rungs: [
    { from: "efd", to: "efd_1m", everySeconds: 60 },
    { from: "efd_1m", to: "efd_1h", everySeconds: 3600 },
  ],
  deadmen: [{ bucket: "efd", afterSeconds: 600 }],
};
const plain: Input = { buckets, users, rungs: [], deadmen: [] };

let folder: ReturnType<typeof testFolder>;
const running: RunningProcess[] = [];
let url2: string;
let url1: string;

beforeAll(async () => {
  folder = testFolder("influxdb-setup");
  url2 = `http://${testAddress(61)}:8086`;
  url1 = `http://${testAddress(62)}:8086`;
  await Promise.all([buildWorkloads(), startInfluxdb2(), startInfluxdb1()]);
});
afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  folder?.remove();
});

async function startInfluxdb2(): Promise<void> {
  const dir = join(folder.dir, "two");
  mkdirSync(dir);
  const args = [
    ...["bolt", "sqlite", "engine"].map((kind) => `--${kind}-path=${join(dir, kind)}`),
    `--http-bind-address=${new URL(url2).host}`,
    ...["--log-level=warn", "--reporting-disabled", "--ui-disabled", "--storage-write-timeout=60s"],
  ];
  const command = await ensureInfluxdb();
  const one = await startProcess({ name: "influxdb", command, args, logFile: join(dir, "log") });
  running.push(one);
  await waitReady(one, async () => (await fetch(`${url2}/health`)).ok, { timeoutMs: 120_000, pollMs: 20 });
}

async function startInfluxdb1(): Promise<void> {
  const dir = join(folder.dir, "one");
  mkdirSync(dir);
  const programs = { what: "InfluxDB 1.x", programs: ["influxd"], packages: ["influxdb"] };
  const { influxd: command } = await ensurePrograms(programs);
  const config = join(dir, "influxdb.conf");
  const { hostname } = new URL(url1);
  writeFileSync(
    config,
    [
      `reporting-disabled = true\nbind-address = "${hostname}:8088"`,
      `[meta]\ndir = "${dir}/meta"`,
      `[data]\ndir = "${dir}/data"\nwal-dir = "${dir}/wal"\nquery-log-enabled = false`,
      `[http]\nbind-address = "${hostname}:8086"\nauth-enabled = true\nlog-enabled = false`,
      "[monitor]\nstore-enabled = false",
    ].join("\n"),
  );
  const one = await startProcess({ name: "influxdb1", command: command!, args: ["-config", config], logFile: join(dir, "log") }); // prettier-ignore
  running.push(one);
  await waitReady(one, async () => (await fetch(`${url1}/ping`)).status === 204, { timeoutMs: 120_000, pollMs: 20 });
}

interface Run {
  readonly code: number;
  readonly changes: string[];
  readonly orphans: string[];
  readonly faults: string[];
  readonly output: string;
}

const environmentOf = (state: unknown, env: Record<string, string>) => ({
  INFLUXDB_URL: url2,
  INFLUXDB_EDITION: "2",
  DESIRED_STATE: JSON.stringify(state),
  WAIT: "5",
  ...secrets,
  ...env,
});

/** One run, in this process; logs hold no secret. */
async function setUp(state: unknown, env: Record<string, string> = {}): Promise<Run> {
  let output = "";
  const log = pino({}, { write: (line: string) => void (output += line) });
  const report = { changes: [], orphans: [], faults: [] };
  let run: Omit<Run, "output">;
  try {
    const made = await setUpInfluxdb(readEnvironment(environmentOf(state, env)), { log });
    run = { code: made.faults.length > 0 ? 1 : 0, ...made };
  } catch (error) {
    output += (error as Error).message;
    run = { code: error instanceof ConfigError ? 78 : 1, ...report };
  }
  expectNoSecret(output, env);
  return { ...run, output };
}

function expectNoSecret(output: string, env: Record<string, string> = {}): void {
  for (const secret of [...Object.values(secrets), ...Object.values(env).filter((value) => value.includes("secret"))])
    expect(output).not.toContain(secret);
}

/** One run of the program as a pod starts it. */
async function program(state: unknown, env: Record<string, string> = {}) {
  const args = [...quickly, join(root, "workloads/dist/influxdb-setup.js")];
  const options = { env: { PATH: process.env.PATH, ...environmentOf(state, env) }, timeout: 60_000 };
  const run = await new Promise<{ code: number; stdout: string; stderr: string }>((done) =>
    execFile(process.execPath, args, options, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    ),
  );
  expectNoSecret(run.stdout + run.stderr, env);
  return run;
}

const admin = { authorization: `Token ${secrets.INFLUXDB_ADMIN_TOKEN}` };

/** A request to InfluxDB 2 as its administrator. */
async function api<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${url2}${path}`, { method, headers: admin, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text ? JSON.parse(text) : undefined) as T;
}

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});
const reader = basic("efdreader", secrets.INFLUXDB_PASSWORD_efdreader);
const writer = basic("efd", secrets.INFLUXDB_PASSWORD_efd);

const write = (url: string, lines: string[], database = "efd", headers = writer) =>
  fetch(`${url}/write?db=${database}&rp=autogen&precision=ns`, { method: "POST", headers, body: lines.join("\n") });

interface Series {
  readonly name: string;
  readonly tags?: Record<string, string>;
  readonly columns: string[];
  readonly values: unknown[][];
}
async function influxql(url: string, q: string, headers: Record<string, string> = reader, database = "efd") {
  const response = await fetch(`${url}/query?db=${database}&epoch=ns`, {
    method: "POST",
    headers,
    body: new URLSearchParams({ q }),
  });
  const { results = [], error } = (await response.json()) as {
    results?: { series?: Series[]; error?: string }[];
    error?: string;
  };
  return { status: response.status, series: results[0]?.series ?? [], error: error ?? results[0]?.error };
}

describe("InfluxDB 2", () => {
  it("says every fault of its environment at once", async () => {
    const bad = { ...plain, users: [{ name: "efd", reads: ["nothing"], writes: [] }] };
    const refused = await setUp(bad, { INFLUXDB_EDITION: "3" });
    expect(refused.code).toBe(78);
    expect(refused.output).toContain("names bucket nothing, not in buckets");
    expect(refused.output).toContain('INFLUXDB_EDITION="3" is refused');
    const short = await setUp(desired, { INFLUXDB_PASSWORD_efd: "short", INFLUXDB_ADMIN_TOKEN: "" });
    expect(short.code).toBe(78);
    const without = await setUp(desired, { INFLUXDB_PASSWORD_efd: "short", INFLUXDB_PASSWORD_efdreader: "" });
    expect(without.output).toBe(
      "influxdb-setup cannot start: 2 faults in its environment.\n" +
        "  - INFLUXDB_PASSWORD_efd has 5 bytes: a password has 8 to 72\n" +
        "  - INFLUXDB_PASSWORD_efdreader has 0 bytes: a password has 8 to 72",
    );
  });

  it("is made from nothing, and then there is nothing to change", async () => {
    const dry = await setUp(desired, { DRY_RUN: "true" });
    expect(dry).toMatchObject({ code: 0, changes: ["organisation efd made, with administrator admin"] });
    expect(await api("GET", "/api/v2/setup")).toEqual({ allowed: true });
    const first = await setUp(desired);
    expect(first).toMatchObject({ code: 0, orphans: [], faults: [] });
    expect(first.changes).toEqual([
      "organisation efd made, with administrator admin",
      "bucket efd_1m made",
      "bucket efd_1h made",
      "database efd with retention policy autogen: bucket efd",
      "database efd_1m with retention policy autogen: bucket efd_1m",
      "database efd_1h with retention policy autogen: bucket efd_1h",
      "user efd made: reads nothing, writes efd",
      "user efdreader made: reads efd, efd_1m, efd_1h, writes nothing",
      "task downsample efd to efd_1m made",
      "task downsample efd_1m to efd_1h made",
      "task deadman efd made",
    ]);
    expect(await setUp(desired)).toMatchObject({ code: 0, changes: [], orphans: [], faults: [] });
  });

  it("answers the EFD clients' queries, to each user what is its own and no more", async () => {
    const at = 1_790_000_000_000_000_000n;
    const line = `lsst.sal.Test.scalars int0=7i,salIndex=1i ${at}`;
    expect((await write(url2, [line])).status).toBe(204);
    const time = `time >= '2026-09-21T00:00:00Z' AND time <= '2026-09-22T00:00:00Z'`;
    const select = `SELECT int0 FROM "efd"."autogen"."lsst.sal.Test.scalars" WHERE ${time} AND salIndex = 1`;
    expect((await influxql(url2, select)).series).toEqual([
      { name: "lsst.sal.Test.scalars", columns: ["time", "int0"], values: [[Number(at), 7]] },
    ]);
    expect((await influxql(url2, "SHOW MEASUREMENTS")).series[0]!.values).toEqual([["lsst.sal.Test.scalars"]]);
    expect((await influxql(url2, select, writer)).series).toEqual([]);
    expect((await write(url2, [line], "efd", reader)).status).toBe(403);
    expect((await write(url2, [line], "efd_1m")).status).toBe(404); // to this user it is not there
    expect((await influxql(url2, select, basic("efdreader", "wrong-password"))).status).toBe(401);
  });

  it("mends what a hand changed, and says so", async () => {
    const { buckets: all } = await api<{ buckets: { id: string; name: string; orgID: string }[] }>(
      "GET",
      "/api/v2/buckets",
    );
    const { id, orgID } = all.find(({ name }) => name === "efd_1m")!;
    const efd = all.find(({ name }) => name === "efd")!;
    await api("PATCH", `/api/v2/buckets/${id}`, {
      retentionRules: [{ type: "expire", everySeconds: 7 * dayS, shardGroupDurationSeconds: dayS }],
    });
    const { content } = await api<{ content: { id: string; database: string; virtual?: boolean }[] }>("GET", `/api/v2/dbrps?orgID=${orgID}`); // prettier-ignore
    const dbrp = content.find((one) => one.database === "efd" && !one.virtual)!;
    await api("DELETE", `/api/v2/dbrps/${dbrp.id}?orgID=${orgID}`);
    // As a tool made it that names the retention policy after the bucket's retention.
    await api("POST", "/api/v2/dbrps", { orgID, bucketID: efd.id, database: "efd", retention_policy: "infinite", default: true }); // prettier-ignore
    const { tasks } = await api<{ tasks: { id: string; name: string }[] }>("GET", "/api/v2/tasks");
    const [task, other] = ["downsample efd to efd_1m", "deadman efd"].map((name) => tasks.find((one) => one.name === name)!); // prettier-ignore
    await api("PATCH", `/api/v2/tasks/${task!.id}`, { status: "inactive" });
    await api("PATCH", `/api/v2/tasks/${other!.id}`, {
      flux: 'option task = {name: "deadman efd", every: 1h}\nfrom(bucket: "efd") |> range(start: -1m)',
    });
    const legacy = "/private/legacy/authorizations";
    const { authorizations } = await api<{ authorizations: { id: string; token: string }[] }>("GET", legacy);
    const wide = authorizations.find(({ token }) => token === "efd")!;
    await api("DELETE", `${legacy}/${wide.id}`);
    const permissions = ["read", "write"].map((action) => ({ action, resource: { type: "buckets", orgID } }));
    await api("POST", legacy, { token: "efd", orgID, permissions });

    const rotated = { INFLUXDB_PASSWORD_efdreader: "reader-secret-2" };
    const expected = [
      `bucket efd_1m: retention ${7 * dayS} s -> ${1096 * dayS} s, shards ${dayS} s -> ${7 * dayS} s`,
      "database efd with retention policy autogen: bucket efd",
      "user efd made anew: reads nothing, writes efd",
      "user efdreader: password set",
      "task downsample efd to efd_1m changed",
      "task deadman efd changed",
    ];
    expect(await setUp(desired, { ...rotated, DRY_RUN: "1" })).toMatchObject({ code: 0, changes: expected });
    expect(await setUp(desired, rotated)).toMatchObject({ code: 0, changes: expected, faults: [] });
    expect(await setUp(desired, rotated)).toMatchObject({ code: 0, changes: [], faults: [] });
    const show = `SHOW FIELD KEYS FROM "efd"."autogen"."lsst.sal.Test.scalars"`;
    expect((await influxql(url2, show, basic("efdreader", "reader-secret-2"))).series[0]!.values).toHaveLength(2);
    expect((await influxql(url2, show, reader)).status).toBe(401);
    expect(await setUp(desired)).toMatchObject({ code: 0, changes: ["user efdreader: password set"] });
  });

  it("deletes no bucket, shortens no retention unasked, and takes away who is declared no more", async () => {
    const more = {
      ...desired,
      buckets: [...buckets, bucket("lsst.dm", 30 * dayS, dayS)],
      users: [...users, { name: "dm", reads: [], writes: ["lsst.dm"] }],
    };
    const dm = { INFLUXDB_PASSWORD_dm: "writer-secret-2" };
    expect((await setUp(more, dm)).changes).toHaveLength(3);
    const kept = { ...bucket("lsst.dm", 7 * dayS, dayS) };
    const shorter = (allowShorterRetention: boolean) => ({
      ...more,
      buckets: [...buckets, { ...kept, allowShorterRetention }],
    });
    const refused = await setUp(shorter(false), dm);
    expect(refused).toMatchObject({
      code: 1,
      changes: [],
      faults: [
        `bucket lsst.dm keeps points for ${30 * dayS} s; ${7 * dayS} s as declared would delete older ones. ` +
          "Set allowShorterRetention for it, or declare what it has",
      ],
    });
    expect(await setUp(shorter(true), dm)).toMatchObject({ code: 0, faults: [] });
    expect(await setUp({ ...desired, deadmen: [] })).toMatchObject({
      code: 0,
      changes: ["user dm removed, which is declared no more", "task deadman efd removed, which is declared no more"],
      orphans: ["bucket lsst.dm"],
    });
    const { code, stdout } = await program(desired);
    expect(code).toBe(0);
    const report = { changes: ["task deadman efd made"], orphans: ["bucket lsst.dm"], faults: [] };
    expect(JSON.parse(stdout)).toEqual(report);
    expect((await program({ ...desired, buckets: [bucket("efd", dayS, 3600), ...buckets.slice(1)] })).code).toBe(1);
    expect((await program(desired, { INFLUXDB_PASSWORD_efd: "" })).code).toBe(78);
  });

  it("keeps statistics of each minute and hour that equal those of the points, late ones and all", async () => {
    // Some minutes of two hours, with points on the edges of windows, and fields of every type.
    const beginMs = Date.parse("2026-10-05T00:00:00Z");
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const points: { ms: number; tag: string; x: number; n: number }[] = [];
    for (const [fromS, count, stepMs] of [
      [0, 240, 500],
      [3_540, 300, 400],
      [5_400, 50, 1000],
    ] as const)
      // prettier-ignore
      for (let row = 0; row < count; row++)
        for (const tag of ["a", "b"])
          // Far above what a sum of 64 bits takes; a power of two, so that all sums are exact.
          points.push({ ms: beginMs + fromS * 1000 + row * stepMs, tag, x: (random() - 0.5) * 1e6, n: 2 ** 62 });
    const isLate = (point: { ms: number }) => point.ms % 7000 === 0;
    const lineOf = ({ ms, tag, x, n }: (typeof points)[number]) =>
      `lsst.sal.MTMount.azimuth,device=${tag} x=${x},n=${BigInt(n)}i,ok=true,text="1.5" ${ms}000000`;
    const event = `lsst.sal.MTMount.logevent_summaryState summaryState=2i ${beginMs}000000`;
    expect((await write(url2, [...points.filter((one) => !isLate(one)).map(lineOf), event])).status).toBe(204);

    const stat = async (database: string) => {
      const { series, error } = await influxql(url2, `SELECT * FROM /.*/ WHERE time < '2026-10-06T00:00:00Z' GROUP BY *`, reader, database); // prettier-ignore
      expect(error).toBeUndefined();
      return series.flatMap(({ name, tags, columns, values }) =>
        values.map((row) => ({
          name,
          tag: tags!.device!,
          ...(Object.fromEntries(columns.map((column, i) => [column, row[i]])) as {
            time: number;
            [name: string]: number;
          }),
        })),
      );
    };
    const oracle = (windowMs: number, of = points) => {
      const windows = new Map<string, typeof points>();
      for (const point of of) {
        const key = `${point.tag} ${Math.floor(point.ms / windowMs) * windowMs}`;
        windows.set(key, [...(windows.get(key) ?? []), point]);
      }
      return windows;
    };
    const check = async (database: string, windowMs: number, of?: typeof points) => {
      const rows = await stat(database);
      const windows = oracle(windowMs, of);
      expect(rows.map(({ tag, time }) => `${tag} ${time / 1e6}`).sort()).toEqual([...windows.keys()].sort());
      for (const row of rows) {
        const members = windows.get(`${row.tag} ${row.time / 1e6}`)!;
        const {
          name,
          tag: _tag,
          time: _time,
          x_sum,
          x_count,
          x_min,
          x_max,
          n_sum,
          n_count,
          n_min,
          n_max,
          ...rest
        } = row as any; // eslint-disable-line @typescript-eslint/no-explicit-any -- a row
        const xs = members.map(({ x }) => x);
        expect(name).toBe("lsst.sal.MTMount.azimuth");
        expect(rest).toEqual({}); // neither text nor booleans
        expect([x_count, x_min, x_max]).toEqual([xs.length, Math.min(...xs), Math.max(...xs)]);
        // The order of additions differs by rung: equal to a rounding of each.
        const mean = xs.reduce((sum, value) => sum + value, 0) / xs.length;
        expect(Math.abs(x_sum / x_count - mean)).toBeLessThanOrEqual(1e6 * xs.length * Number.EPSILON);
        expect([n_count, n_min, n_max, n_sum / n_count]).toEqual([xs.length, 2 ** 62, 2 ** 62, 2 ** 62]);
      }
    };
    const at = (minutes: number) => new Date(beginMs + minutes * 60_000).toISOString();
    for (let minutes = 10; minutes <= 120; minutes += 30) await runTask("downsample efd to efd_1m", at(minutes));
    const inTime = points.filter((one) => !isLate(one));
    await check("efd_1m", 60_000, inTime);
    for (const hours of [1, 2]) await runTask("downsample efd_1m to efd_1h", at(hours * 60));
    await check("efd_1h", 3_600_000, inTime);
    // Late points of the last minutes come; the next runs take them, and write the same windows again.
    const lateFrom = beginMs + 5_400_000;
    const late = points.filter((one) => isLate(one) && one.ms >= lateFrom);
    expect(late.length).toBeGreaterThan(10);
    expect((await write(url2, late.map(lineOf))).status).toBe(204);
    await runTask("downsample efd to efd_1m", at(130));
    await runTask("downsample efd_1m to efd_1h", at(180));
    const known = points.filter((one) => !isLate(one) || one.ms >= lateFrom);
    await check("efd_1m", 60_000, known);
    await check("efd_1h", 3_600_000, known);
    // Those that came later still are taken by runs for the past.
    expect((await write(url2, points.filter(isLate).map(lineOf))).status).toBe(204);
    for (const minutes of [30, 60, 90]) await runTask("downsample efd to efd_1m", at(minutes));
    for (const hours of [1, 2]) await runTask("downsample efd_1m to efd_1h", at(hours * 60));
    await check("efd_1m", 60_000);
    await check("efd_1h", 3_600_000);
  });

  it("tells of telemetry that fell silent, not of events", async () => {
    const now = Math.floor(Date.now() / 1000);
    const lines = [
      ["lsst.sal.ESS.temperature", 60],
      ["lsst.sal.ESS.pressure", 1800],
      ["lsst.sal.ESS.logevent_heartbeat", 1800],
    ].map(([name, agoS]) => `${name} v=1,s="text" ${now - Number(agoS)}000000000`);
    expect((await write(url2, lines)).status).toBe(204);
    await runTask("deadman efd", new Date(now * 1000).toISOString());
    const flux =
      'from(bucket: "_monitoring") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "statuses" and r._field == "_message")' +
      ' |> keep(columns: ["_level", "_value", "_source_measurement", "_check_name", "bucket"]) |> group()';
    const response = await fetch(`${url2}/api/v2/query?org=efd`, {
      method: "POST",
      headers: { ...admin, "content-type": "application/json", accept: "application/csv" },
      body: JSON.stringify({ query: flux, dialect: { header: false } }),
    });
    const rows = (await response.text()).trim().split(/\r?\n/).sort();
    expect(rows.map((row) => row.split(",").slice(3).sort())).toEqual(
      [
        [
          "crit",
          "deadman efd",
          "efd",
          "lsst.sal.ESS.pressure",
          "lsst.sal.ESS.pressure in bucket efd: silent for 600 s",
        ],
        ["ok", "deadman efd", "efd", "lsst.sal.ESS.temperature", "lsst.sal.ESS.temperature in bucket efd: is written"],
      ].map((row) => row.sort()),
    );
  });
});

/** Runs a task for a moment of its schedule, and waits for its end. */
async function runTask(name: string, scheduledFor: string): Promise<void> {
  const { tasks } = await api<{ tasks: { id: string; name: string }[] }>("GET", "/api/v2/tasks");
  const { id } = tasks.find((one) => one.name === name)!;
  const run = await api<{ id: string }>("POST", `/api/v2/tasks/${id}/runs`, { scheduledFor });
  const ended = await until(
    `the run of ${name} for ${scheduledFor}`,
    async () => {
      const { status } = await api<{ status: string }>("GET", `/api/v2/tasks/${id}/runs/${run.id}`);
      return ["success", "failed", "canceled"].includes(status) && status;
    },
    { pollMs: 20 },
  );
  if (ended !== "success") throw new Error(JSON.stringify(await api("GET", `/api/v2/tasks/${id}/runs/${run.id}/logs`)));
}

describe("InfluxDB 1.x", () => {
  const one = { INFLUXDB_EDITION: "1", get INFLUXDB_URL() { return url1; } }; // prettier-ignore
  const asAdmin = basic("admin", secrets.INFLUXDB_ADMIN_PASSWORD);

  it("is made from nothing, mended, and nothing in it is deleted", async () => {
    const tasks = await setUp(desired, one);
    expect(tasks.code).toBe(78);
    expect(tasks.output).toContain("DESIRED_STATE has rungs or deadman checks: those are tasks of InfluxDB 2");
    const first = await setUp(plain, one);
    expect(first).toMatchObject({ code: 0, orphans: [], faults: [] });
    expect(first.changes).toEqual([
      "administrator admin made",
      "database efd made",
      "database efd_1m made",
      "database efd_1h made",
      "user efd made",
      "user efd: WRITE on efd",
      "user efdreader made",
      "user efdreader: READ on efd",
      "user efdreader: READ on efd_1m",
      "user efdreader: READ on efd_1h",
    ]);
    expect(await setUp(plain, one)).toMatchObject({ code: 0, changes: [], orphans: [], faults: [] });
    expect((await write(url1, ["lsst.x v=1 1790000000000000000"])).status).toBe(204);
    expect((await write(url1, ["lsst.x v=1"], "efd_1m")).status).toBe(403);
    expect((await influxql(url1, `SELECT v FROM "efd"."autogen"."lsst.x"`)).series[0]!.values).toHaveLength(1);
    expect((await influxql(url1, `SELECT v FROM "efd"."autogen"."lsst.x"`, writer)).error).toContain("not authorized");

    for (const q of [
      `ALTER RETENTION POLICY autogen ON efd_1m DURATION 7d REPLICATION 1 SHARD DURATION 1d`,
      `GRANT ALL ON efd TO efdreader`,
      `GRANT READ ON efd_1m TO efd`,
      `SET PASSWORD FOR efd = 'another one'`,
      `CREATE DATABASE old`,
      `CREATE USER someone WITH PASSWORD 'who knows'`,
    ])
      expect((await influxql(url1, q, asAdmin)).error).toBeUndefined();
    expect(await setUp(plain, one)).toMatchObject({
      code: 0,
      changes: [
        `database efd_1m: retention policy autogen is now DURATION ${1096 * dayS}s REPLICATION 1 SHARD DURATION ${7 * dayS}s`,
        "user efd: password set",
        "user efd: READ on efd_1m taken away",
        "user efdreader: READ on efd",
      ],
      orphans: ["database old", "user someone"],
    });
    expect(await setUp(plain, one)).toMatchObject({ code: 0, changes: [] });
    expect((await write(url1, ["lsst.x v=1"], "efd", reader)).status).toBe(403);
    const week = { ...plain, buckets: [bucket("efd", 7 * dayS, dayS), ...buckets.slice(1)] };
    expect(await setUp(week, one)).toMatchObject({ code: 1, changes: [] });
  });

  it("says what is wrong with an administrator that it does not know, and with a server that does not answer", async () => {
    const wrong = await setUp(plain, { ...one, INFLUXDB_ADMIN_PASSWORD: "wrong-secret" });
    expect(wrong).toMatchObject({ code: 1, changes: [] });
    expect(wrong.faults).toEqual([
      "administrator admin made: InfluxDB has users, and none is admin with this INFLUXDB_ADMIN_PASSWORD. Correct the secret.",
    ]);
    const away = await setUp(plain, { ...one, INFLUXDB_URL: `http://${testAddress(63)}:8086`, WAIT: "0" });
    expect(away.code).toBe(1);
    expect(away.output).toContain(`connect ECONNREFUSED ${testAddress(63)}:8086. See whether it runs.`);
  });
});
