import { execFile } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import pino from "pino";
import { startProcess, waitReady } from "../../local/process";
import { ensurePrograms } from "../../local/services";
import { type RunningInfluxdb, startInfluxdb } from "../../local/services/influxdb";
import { readEnvironment, runBackup } from "../../workloads/src/influxdb-backup/backup";
import { copyStable } from "../../workloads/src/influxdb-backup/folder";
import { testAddress, testFolder, until } from "../support/network";

/** Backups of a real InfluxDB 2, restored into it and into another one. */
const password = "reader-secret-1";
let folder: ReturnType<typeof testFolder>;
let one: RunningInfluxdb;
let other: RunningInfluxdb;
let root: string;

beforeAll(async () => {
  folder = testFolder("influxdb-backup");
  root = join(folder.dir, "backups");
  const start = (host: number, org: string) =>
    startInfluxdb({ dir: join(folder.dir, org), address: testAddress(host), org, password, token: `token-of-${org}` });
  [one, other] = await Promise.all([start(65, "efd"), start(66, "second")]);
});
afterAll(async () => {
  await Promise.all([one?.stop(), other?.stop()]);
  folder?.remove();
});

const lines: string[] = [];
async function run(
  mode: string,
  server: RunningInfluxdb | undefined,
  env: Record<string, string> = {},
  now = new Date(),
) {
  const access = server && {
    INFLUXDB_URL: server.url,
    INFLUXDB_ORG: server.org,
    INFLUXDB_ADMIN_TOKEN: server.token,
  };
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  return runBackup(readEnvironment({ MODE: mode, BACKUP_DIR: root, WAIT: "0", ...access, ...env }), { log, now });
}

async function pointsOf(server: RunningInfluxdb, bucket: string): Promise<string[]> {
  const response = await fetch(`${server.url}/api/v2/query?org=${server.org}`, {
    method: "POST",
    headers: {
      authorization: `Token ${server.token}`,
      "content-type": "application/vnd.flux",
      accept: "application/csv",
    },
    body: `from(bucket: "${bucket}") |> range(start: 0) |> keep(columns: ["_time", "_measurement", "_field", "_value", "device"])`,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  // Without the numbers of results and tables.
  return text.split("\r\n").flatMap((row) => (/\dZ,/.test(row) ? [row.split(",").slice(3).join(",")] : [])).sort(); // prettier-ignore
}

const api = async (server: RunningInfluxdb, method: string, path: string) => {
  const response = await fetch(`${server.url}${path}`, { method, headers: { authorization: `Token ${server.token}` } });
  const text = await response.text();
  return text === "" ? {} : (JSON.parse(text) as { buckets: { id: string; name: string; retentionRules: object[] }[] });
};
const bucketNames = async (server: RunningInfluxdb) =>
  ((await api(server, "GET", "/api/v2/buckets")) as { buckets: { name: string }[] }).buckets
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("_"))
    .sort();

const first = new Date("2026-11-20T03:00:00Z");
let written: string[];

it("restores, in the same server and another, exactly the points that were there", async () => {
  // Several shards, types and series.
  const points = Array.from({ length: 3000 }, (_, row) => {
    const ms = Date.parse("2026-09-01T00:00:00Z") + row * 1_800_000;
    return `lsst.sal.ESS.temperature,device=${row % 3} x=${Math.sin(row)},n=${row}i,text="t${row % 7}",ok=${row % 2 === 0} ${ms}000000`;
  });
  await one.write(points.join("\n"));
  written = await pointsOf(one, "efd");
  expect(written).toHaveLength(12_000);
  expect(await run("backup", one, {}, first)).toEqual({ backup: "20261120T030000Z", items: ["influxdb"], pruned: [] });
  const shards = readdirSync(join(root, "20261120T030000Z", "influxdb")).filter((name) => name.endsWith(".tar"));
  expect(shards.length).toBeGreaterThanOrEqual(9); // of a week each

  await expect(run("restore", one)).rejects.toThrow(
    "Buckets with points in them: efd. Nothing was changed. Name others by BUCKETS, or set OVERWRITE=true: " +
      "then they are renamed and kept.",
  );
  await expect(run("restore", one, { BUCKETS: "efd,nothing" })).rejects.toThrow(
    "The backup has no bucket nothing. It has: efd. Nothing was changed.",
  );
  // The other server has the bucket already, but empty.
  expect(await pointsOf(other, "efd")).toEqual([]);
  expect(await run("restore", other)).toEqual({ restored: "20261120T030000Z", files: [], buckets: ["efd"] });
  expect(await pointsOf(other, "efd")).toEqual(written);
  expect(await bucketNames(other)).toEqual(["efd"]);

  await one.write("lsst.sal.ESS.temperature,device=9 x=1 1790000000000000000");
  const changed = await pointsOf(one, "efd");
  await run("restore", one, { OVERWRITE: "true" }, new Date("2026-11-21T09:30:00Z"));
  expect(await bucketNames(one)).toEqual(["efd", "efd_before_20261121T093000Z"]);
  expect(await pointsOf(one, "efd")).toEqual(written);
  expect(await pointsOf(one, "efd_before_20261121T093000Z")).toEqual(changed);
  expect(lines.join("")).not.toContain("token-of");
});

it("refuses a damaged backup, names every file, and changes nothing", async () => {
  const dir = join(root, "20261120T030000Z", "influxdb");
  const [cut, other1] = readdirSync(dir).filter((name) => name.endsWith(".tar")) as [string, string];
  const intact = [cut, other1].map((name) => readFileSync(join(dir, name)));
  truncateSync(join(dir, cut), 512);
  const bytes = Buffer.from(intact[1]!);
  bytes[600]! ^= 1;
  writeFileSync(join(dir, other1), bytes);
  await expect(run("restore", other, { OVERWRITE: "true" })).rejects.toThrow(
    `Backup 20261120T030000Z is damaged: influxdb/${cut} has 512 bytes instead of ${intact[0]!.length}; ` +
      `influxdb/${other1} has other contents. Nothing was changed; take another backup.`,
  );
  expect(await bucketNames(other)).toEqual(["efd"]);
  [cut, other1].forEach((name, index) => writeFileSync(join(dir, name), intact[index]!));
  await expect(run("restore", other, { BACKUP: "20261119T030000Z" })).rejects.toThrow(
    `There is no backup "20261119T030000Z" in ${root}. There are: 20261120T030000Z.`,
  );
});

it("makes no backup where one part fails, and then no older one goes", async () => {
  const sealed = () =>
    readdirSync(root)
      .filter((name) => /^\d/.test(name))
      .sort();
  const later = new Date("2027-03-01T03:00:00Z");
  const wrong = { ...one, token: "wrong" } as RunningInfluxdb;
  await expect(run("backup", wrong, {}, later)).rejects.toThrow(/^InfluxDB refuses a backup with 401: /);
  await expect(run("backup", undefined, { INCOMING: "influxdb" }, later)).rejects.toThrow(
    "Backup item influxdb is empty: what should have filled it did not. No backup was made.",
  );
  await expect(run("backup", undefined, { COPIES: "chronograf=/nowhere/chronograf-v1.db" }, later)).rejects.toThrow(
    /^Cannot read \/nowhere\/chronograf-v1\.db: ENOENT.*Mount its volume, or leave it out\.$/,
  );
  expect(sealed()).toEqual(["20261120T030000Z"]);
  expect(() => readEnvironment({ MODE: "restore", BACKUP_DIR: root })).toThrow("INFLUXDB_URL is missing: MODE restore");
  expect(() => readEnvironment({ MODE: "backup", BACKUP_DIR: root })).toThrow("nothing to back up");
});

it("takes what other tools wrote, copies files of one moment, hands out what it checked, and keeps so many days", async () => {
  const incoming = join(root, "incoming", "influxdb");
  mkdirSync(incoming, { recursive: true });
  writeFileSync(join(incoming, "a.manifest"), "{}");
  const bolt = join(folder.dir, "chronograf-v1.db");
  writeFileSync(bolt, Buffer.alloc(100_000, 7));
  const env = { INCOMING: "influxdb", COPIES: `chronograf=${bolt}`, KEEP_DAYS: "7" };
  const second = await run("backup", undefined, env, new Date("2026-11-27T02:59:00Z"));
  expect(second).toEqual({ backup: "20261127T025900Z", items: ["influxdb", "chronograf"], pruned: [] });
  await run("check", undefined);
  expect(readFileSync(join(root, "outgoing", "influxdb", "a.manifest"), "utf8")).toBe("{}");
  expect(readFileSync(join(root, "outgoing", "chronograf", "chronograf-v1.db"))).toEqual(readFileSync(bolt));
  // A day later the first is older than seven days; the newest stays whatever its age.
  mkdirSync(incoming, { recursive: true });
  writeFileSync(join(incoming, "b.manifest"), "{}");
  const third = await run("backup", undefined, env, new Date("2026-11-28T03:00:00Z"));
  expect(third).toMatchObject({ pruned: ["20261120T030000Z"] });
  // Back where it was; the one that is there now is put aside.
  writeFileSync(bolt, "made anew");
  const copies = { COPIES: `chronograf=${bolt}` };
  await expect(run("restore", undefined, copies)).rejects.toThrow(
    `Files that are there already: ${bolt}. Nothing was changed. Set OVERWRITE=true: then they are renamed and kept.`,
  );
  await run("restore", undefined, { ...copies, OVERWRITE: "true" }, new Date("2026-11-29T09:30:00Z"));
  expect(readFileSync(bolt)).toEqual(Buffer.alloc(100_000, 7));
  expect(readFileSync(`${bolt}.before_20261129T093000Z`, "utf8")).toBe("made anew");
  // In each turn of the loop, of which a copy takes some, however fast.
  let grows = true;
  const grow = () => {
    appendFileSync(bolt, "more");
    if (grows) setImmediate(grow);
  };
  grow();
  try {
    await expect(copyStable(bolt, join(folder.dir, "copy"))).rejects.toThrow("changed during each of 5 copies");
  } finally {
    grows = false;
  }
});

it("keeps and gives back what InfluxDB 1.x's own tool dumps, and that tool refuses a database that is there", async () => {
  const programs = { what: "InfluxDB 1.x", programs: ["influxd"], packages: ["influxdb"] };
  const { influxd } = await ensurePrograms(programs);
  const dir = join(folder.dir, "one-x");
  mkdirSync(dir);
  const address = testAddress(67);
  const envOf = (data: string) => ({
    PATH: process.env.PATH,
    HOME: dir,
    INFLUXDB_BIND_ADDRESS: `${address}:8088`,
    INFLUXDB_HTTP_BIND_ADDRESS: `${address}:8086`,
    INFLUXDB_META_DIR: join(dir, data, "meta"),
    INFLUXDB_DATA_DIR: join(dir, data, "data"),
    INFLUXDB_DATA_WAL_DIR: join(dir, data, "wal"),
    INFLUXDB_MONITOR_STORE_ENABLED: "false",
    INFLUXDB_REPORTING_DISABLED: "true",
  });
  const url = `http://${address}:8086`;
  const start = async (data: string) => {
    const logFile = join(dir, `${data}.log`);
    const one = await startProcess({ name: "influxdb1", command: influxd!, args: [], env: envOf(data), logFile });
    await waitReady(one, async () => (await fetch(`${url}/ping`)).status === 204, { timeoutMs: 120_000, pollMs: 20 });
    return one;
  };
  let server = await start("lost");
  const tool = (word: string, at: string) =>
    promisify(execFile)(influxd!, [word, "-portable", "-host", `${address}:8088`, at], {
      env: envOf("lost"),
      timeout: 20_000,
    });
  const query = async (q: string) =>
    (await (
      await fetch(`${url}/query?db=efd&epoch=ns`, { method: "POST", body: new URLSearchParams({ q }) })
    ).json()) as {
      results: { series?: object[] }[];
    };
  try {
    await query("CREATE DATABASE efd");
    const points = Array.from(
      { length: 500 },
      (_, row) => `lsst.x,device=${row % 2} v=${row / 3} ${1_790_000_000 + row * 7200}`,
    );
    expect((await fetch(`${url}/write?db=efd&precision=s`, { method: "POST", body: points.join("\n") })).status).toBe(
      204,
    );
    const before = await query("SELECT * FROM /.*/ GROUP BY *");
    expect(before.results[0]!.series).toHaveLength(2);
    const incoming = join(root, "incoming", "influxdb");
    mkdirSync(incoming, { recursive: true });
    await tool("backup", incoming);
    await run("backup", undefined, { INCOMING: "influxdb" }, new Date("2026-11-30T03:00:00Z"));
    await run("check", undefined);
    const outgoing = join(root, "outgoing", "influxdb");
    await expect(tool("restore", outgoing)).rejects.toThrow("Command failed");
    expect(await query("SELECT * FROM /.*/ GROUP BY *")).toEqual(before);
    // The volume is lost: the next server begins empty.
    await server.stop();
    server = await start("new");
    await tool("restore", outgoing);
    // The server opens the shards that it was given ("shard is disabled" until then) after the tool has ended.
    const all = async () => isDeepStrictEqual(await query("SELECT * FROM /.*/ GROUP BY *"), before);
    await until("all points to be back", all, { pollMs: 50, state: () => query("SELECT count(v) FROM /.*/") });
  } finally {
    await server.stop();
  }
});
