import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type RunningProcess, startProcess, waitReady } from "../../../local/process";
import { ensurePrograms } from "../../../local/services";
import { createEfdClient } from "../../../workloads/src/transform-efd/influx";
import type { EfdClient, SeriesQuery } from "../../../workloads/src/transform-efd/model";
import { testAddress, testFolder } from "../../support/network";

/** A real InfluxDB 1.x, as Debian has it; the EFD's Enterprise edition answers questions alike. */
const password = "reader-1";
const admin = new URLSearchParams({ u: "admin", p: "admin-1" });
const beginNs = 1_727_835_300_123_456_789n;
const span = { beginNs, endNs: beginNs + 10_000_000_000n };
const signal = new AbortController().signal;
const rows = 25;

let folder: ReturnType<typeof testFolder>;
let influxd: RunningProcess;
let url: string;
let client: EfdClient;

beforeAll(async () => {
  folder = testFolder("influx1");
  const address = testAddress(53);
  url = `http://${address}:8086`;
  const { influxd: command } = await ensurePrograms({
    what: "InfluxDB 1.x",
    programs: ["influxd"],
    packages: ["influxdb"],
  });
  const { stdout } = await promisify(execFile)(command!, ["version"]);
  if (!stdout.startsWith("InfluxDB v1.")) throw new Error(`${command} is no InfluxDB 1.x: ${stdout}`);
  mkdirSync(folder.dir, { recursive: true });
  const config = join(folder.dir, "influxdb.conf");
  const lines = [
    "reporting-disabled = true",
    `bind-address = "${address}:8088"`,
    `[meta]\ndir = "${folder.dir}/meta"`,
    `[data]\ndir = "${folder.dir}/data"\nwal-dir = "${folder.dir}/wal"\nquery-log-enabled = false`,
    // A limit that a whole answer at once would meet.
    `[http]\nbind-address = "${address}:8086"\nauth-enabled = true\nmax-row-limit = 5\nlog-enabled = false`,
    "[monitor]\nstore-enabled = false",
    "[continuous_queries]\nenabled = false",
  ];
  writeFileSync(config, lines.join("\n"));
  influxd = await startProcess({
    name: "influxdb",
    command: command!,
    args: ["-config", config],
    logFile: join(folder.dir, "log"),
  });
  await waitReady(influxd, async () => (await fetch(`${url}/ping`)).status === 204, { timeoutMs: 120_000, pollMs: 20 });
  await run("CREATE USER admin WITH PASSWORD 'admin-1' WITH ALL PRIVILEGES");
  for (const text of [
    "CREATE DATABASE efd",
    `CREATE USER efdreader WITH PASSWORD '${password}'`,
    "GRANT READ ON efd TO efdreader",
  ])
    await run(text);
  const points = Array.from({ length: rows }, (_, row) => [
    `lsst.x,device=a f=${row / 3},i=${row - 5}i,b=${row % 2 === 0},s="${row}" ${beginNs + BigInt(row)}`,
    `lsst.x,device=b f=${row * 100} ${beginNs + BigInt(row)}`,
    `lsst.y v=${row},t="text" ${beginNs + BigInt(row) * 250_000_000n}`,
  ]).flat();
  const written = await fetch(`${url}/write?db=efd&${admin}`, { method: "POST", body: points.join("\n") });
  expect(written.status).toBe(204);
  client = createEfdClient({ url, username: "efdreader", password });
});

afterAll(async () => {
  await client?.close();
  await influxd?.stop();
  folder?.remove();
});

async function run(q: string): Promise<void> {
  const answer = await fetch(`${url}/query?${admin}`, { method: "POST", body: new URLSearchParams({ q }) });
  const text = await answer.text(); // a statement that fails is told of with 200, too
  if (!answer.ok || text.includes('"error"')) throw new Error(`${q}: ${text}`);
}

test("samples of two devices at the same times, past the server's row limit", async () => {
  const query: SeriesQuery = { topic: "lsst.x", fields: ["f", "i", "b", "s", "never"], span };
  const { timesNs, values, textFields } = await client.query(query, signal);
  const each = Array.from({ length: rows }, (_, row) => row);
  expect([...timesNs]).toEqual(each.flatMap((row) => [row, row]));
  expect(Object.fromEntries([...values].map(([field, column]) => [field, [...column]]))).toEqual({
    f: each.flatMap((row) => [row / 3, row * 100]),
    i: each.flatMap((row) => [row - 5, NaN]),
    b: each.flatMap((row) => [Number(row % 2 === 0), NaN]),
    s: each.flatMap((row) => [row, NaN]),
  });
  expect([...textFields]).toEqual(["s"]);
});

test("means of seconds, beside a text field; names and types; nothing of an unknown topic", async () => {
  const preAggregate = { function: "mean", intervalNs: 1_000_000_000n } as const;
  const { timesNs, values, textFields } = await client.query(
    { topic: "lsst.y", fields: ["v", "t"], span, preAggregate },
    signal,
  );
  const buckets = new Map<bigint, number[]>();
  for (let row = 0; row < rows; row++) {
    const bucket = ((beginNs + BigInt(row) * 250_000_000n) / 1_000_000_000n) * 1_000_000_000n;
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), row]);
  }
  expect([...timesNs]).toEqual([...buckets.keys()].map((bucket) => Number(bucket - beginNs)));
  expect([...values.get("v")!]).toEqual(
    [...buckets.values()].map((list) => list.reduce((a, b) => a + b) / list.length),
  );
  expect([...textFields]).toEqual(["t"]);
  expect(Object.fromEntries(await client.fieldsOf("lsst.x", signal))).toEqual({
    b: "boolean",
    f: "float",
    i: "integer",
    s: "string",
  });
  expect((await client.query({ topic: "lsst.z", fields: ["v"], span }, signal)).timesNs).toHaveLength(0);
});

test("a wrong password and a database that is not there are refused", async () => {
  const wrong = createEfdClient({ url, username: "efdreader", password: "wrong" });
  const query: SeriesQuery = { topic: "lsst.y", fields: ["v"], span };
  await expect(wrong.query(query, signal)).rejects.toThrow(/HTTP 401: authorization failed/);
  const missing = createEfdClient({ url, username: "efdreader", password, database: "other" });
  await expect(missing.query(query, signal)).rejects.toMatchObject({ retryable: false });
  await Promise.all([wrong.close(), missing.close()]);
});
