import { type RunningInfluxdb, startInfluxdb } from "../../../local/services";
import { createEfdClient, EfdError, type EfdOptions, efdUrl } from "../../../workloads/src/transform-efd/influx";
import type { EfdClient, Series, SeriesQuery } from "../../../workloads/src/transform-efd/model";
import { testAddress, testFolder } from "../../support/network";
import { type FaultyProxy, type Fault, startProxy } from "./influxProxy";

const beginNs = 1_727_835_300_123_456_789n;
const span = { beginNs, endNs: beginNs + 10_000_000_000n };
const signal = new AbortController().signal;
const password = "not-for-logs";
const token = "token-not-for-logs";

let folder: ReturnType<typeof testFolder>;
let influxdb: RunningInfluxdb;
let proxy: FaultyProxy;
const clients: EfdClient[] = [];

/** Values of topic `exact`, by row: time after `beginNs` and fields in line protocol. */
const exact: [atNs: bigint, fields: Record<string, string>][] = [
  [-1n, { f: "666" }], // one nanosecond too early
  [0n, { f: "1e308", i: "9007199254740991i", b: "true", s: '"text, \\"quoted\\""', n: '"301"' }],
  [1n, { f: "5e-324", i: "-9007199254740991i" }],
  [2n, { f: "-0", b: "false" }],
  [999_999_999n, { i: "0i", n: '"-1.5e3"' }],
  [10_000_000_000n, { f: "0.30000000000000004" }],
  [10_000_000_001n, { f: "666" }],
];
const wide = Array.from({ length: 250 }, (_, i) => `w${i}`);

beforeAll(async () => {
  folder = testFolder("influx");
  const address = testAddress(51);
  influxdb = await startInfluxdb({ dir: `${folder.dir}/influx`, address, password, token });
  proxy = await startProxy(influxdb.url, testAddress(52));
  const lines = exact.map(([at, fields]) => `exact ${Object.entries(fields).map(([k, v]) => `${k}=${v}`).join(",")} ${beginNs + at}`); // prettier-ignore
  // Two devices that a tag sets apart report at the same times; a field of each row is missing now and then.
  for (let row = 0; row < 20; row++)
    for (const device of ["x", "y"]) {
      const present = wide
        .map((name, i) => [name, i, (i + row) % 3 === 0] as const)
        .filter(([, , missing]) => !missing);
      const values = present.map(([name, i]) => `${name}=${wideValue(row, device, i)}`);
      if (device === "x" || row % 2 === 0)
        lines.push(`wide,device=${device} ${values.join(",")} ${beginNs + BigInt(row)}`);
    }
  for (let row = 0; row < 40; row++)
    lines.push(`buckets a=${row * 1.25},b=${row % 2 ? 1 : -3}i,t="x",c=${row} ${beginNs + BigInt(row) * 250_000_000n}`);
  lines.push(`odd\\ na"m'e\\,b fi'eld\\,\\ 1=5,back\\slash=6 ${beginNs}`);
  await influxdb.write(lines.join("\n"));
});

afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(async () => {
  await proxy?.stop();
  await influxdb?.stop();
  folder?.remove();
});

const wideValue = (row: number, device: string, field: number) => row * 1000 + field + (device === "y" ? 0.5 : 0);

function client(options: Partial<EfdOptions> = {}): EfdClient {
  const access = options.dialect === "flux" ? { token } : { username: influxdb.username, password };
  const made = createEfdClient({ url: influxdb.url, ...access, backoffMs: 1, ...options });
  clients.push(made);
  return made;
}

const plain = ({ originNs, timesNs, values, textFields }: Series) => ({
  originNs,
  timesNs: [...timesNs],
  values: Object.fromEntries([...values].map(([field, column]) => [field, [...column]])),
  textFields: [...textFields].sort(),
});

describe.each(["influxql", "flux"] as const)("%s", (dialect) => {
  test.each([true, false])("values and times are those that were written (gzip: %s)", async (gzip) => {
    const query: SeriesQuery = { topic: "exact", fields: ["n", "f", "i", "b", "s", "never"], span };
    expect(plain(await client({ dialect, gzip }).query(query, signal))).toEqual({
      originNs: beginNs,
      timesNs: [0, 1, 2, 999_999_999, 10_000_000_000],
      values: {
        f: [1e308, 5e-324, -0, NaN, 0.30000000000000004],
        i: [9007199254740991, -9007199254740991, NaN, 0, NaN],
        b: [1, NaN, 0, NaN, NaN],
        n: [301, NaN, NaN, -1500, NaN],
      },
      textFields: ["n", "s"],
    });
  });

  test("fields of several requests meet on their times, each device with itself", async () => {
    const answers = [];
    for (const fieldsPerRequest of [1000, 100, 7]) {
      const made = client({ dialect, fieldsPerRequest });
      answers.push(plain(await made.query({ topic: "wide", fields: wide, span }, signal)));
    }
    const rows = Array.from({ length: 20 }, (_, row) => (row % 2 ? ["x"] : ["x", "y"]).map((device) => ({ row, device }))).flat(); // prettier-ignore
    const values = wide.map((name, i) => [name, rows.map(({ row, device }) => ((i + row) % 3 === 0 ? NaN : wideValue(row, device, i)))]); // prettier-ignore
    const expected = { originNs: beginNs, timesNs: rows.map(({ row }) => row), values: Object.fromEntries(values), textFields: [] }; // prettier-ignore
    for (const answer of answers) expect(answer).toEqual(expected);
  });

  test.each(["mean", "max", "min"] as const)("aggregated on the server: %s", async (name) => {
    const query: SeriesQuery = {
      topic: "buckets",
      fields: ["c", "t", "a", "b"],
      span: { beginNs: beginNs + 500_000_000n, endNs: beginNs + 8_000_000_000n },
      preAggregate: { function: name, intervalNs: 1_000_000_000n },
    };
    const { timesNs, values, textFields } = await client({ dialect }).query(query, signal);
    const secondOf = (row: number) => (beginNs + BigInt(row) * 250_000_000n) / 1_000_000_000n;
    const buckets = new Map<bigint, number[]>();
    for (let row = 2; row <= 32; row++) buckets.set(secondOf(row), [...(buckets.get(secondOf(row)) ?? []), row]);
    const reduce = { mean: (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length, max: (list: number[]) => Math.max(...list), min: (list: number[]) => Math.min(...list) }[name]; // prettier-ignore
    expect([...timesNs]).toEqual(
      [...buckets.keys()].map((second) => Number(second * 1_000_000_000n - query.span.beginNs)),
    );
    expect([...values.keys()]).toEqual(["c", "a", "b"]);
    expect([...values.get("a")!]).toEqual([...buckets.values()].map((rows) => reduce(rows.map((row) => row * 1.25))));
    expect([...values.get("b")!]).toEqual([...buckets.values()].map((rows) => reduce(rows.map((row) => (row % 2 ? 1 : -3))))); // prettier-ignore
    expect([...textFields]).toEqual(["t"]);
  });

  test("what is not there is no data", async () => {
    const made = client({ dialect });
    const none = { originNs: beginNs, timesNs: [], values: {}, textFields: [] };
    expect(plain(await made.query({ topic: "no.such", fields: ["a"], span }, signal))).toEqual(none);
    expect(plain(await made.query({ topic: "exact", fields: ["never"], span }, signal))).toEqual(none);
    const later = { beginNs: span.endNs + 2n, endNs: span.endNs + 3n };
    expect((await made.query({ topic: "exact", fields: wide, span: later }, signal)).timesNs).toHaveLength(0);
    expect(await made.fieldsOf("no.such", signal)).toEqual(new Map());
  });

  test("fields with their types, asked once", async () => {
    proxy.requests = [];
    const made = client({ dialect, url: proxy.url });
    const types = { b: "boolean", f: "float", i: "integer", n: "string", s: "string" };
    for (let i = 0; i < 3; i++)
      expect(Object.fromEntries([...(await made.fieldsOf("exact", signal))].sort())).toEqual(types);
    expect(proxy.requests).toHaveLength(1);
  });

  test("names with quotes, commas and backslashes", async () => {
    const query: SeriesQuery = { topic: `odd na"m'e,b`, fields: ["fi'eld, 1", "back\\slash"], span };
    expect(plain(await client({ dialect }).query(query, signal)).values).toEqual({ "fi'eld, 1": [5], "back\\slash": [6] }); // prettier-ignore
  });

  const faults: [string, Fault, string | RegExp][] = [
    ["no answer", "silent", "no whole answer in 1 s"],
    ["a stop in the middle", "stalls", "the answer stopped for 0.5 s"],
    ["a cut connection", "cut", "aborted"],
    ["a short answer", "short", "cut off"],
    ["a closed connection", "refused", "socket hang up"],
    ["500", { status: 500, body: '{"error":"engine: shard is closed"}' }, "HTTP 500: engine: shard is closed"],
    ["503 of a proxy", { status: 503, body: `<html>${"busy ".repeat(900)}` }, "HTTP 503: <html>busy busy"],
    ["429", { status: 429, headers: { "retry-after": "0" }, body: '{"message":"slow down"}' }, "HTTP 429: slow down"],
    [
      "garbage",
      { status: 200, body: "\u0000\u0001 what?\n" },
      /it is not the (JSON|annotated CSV) that InfluxDB sends/,
    ],
    ["an empty answer", { status: 200, body: "" }, "the answer is empty"],
  ];
  test.each(faults)("%s: asked again; when that is in vain, an error", async (_, fault, message) => {
    // Short only where it is waited for, so that a slow machine is no fault.
    const limits = { timeoutMs: fault === "silent" ? 1000 : 20_000, silenceMs: fault === "stalls" ? 500 : 20_000 };
    const made = client({ dialect, url: proxy.url, attempts: 2, ...limits });
    const query: SeriesQuery = { topic: "exact", fields: ["f", "i"], span };
    proxy.requests = [];
    proxy.faults = [fault];
    expect((await made.query(query, signal)).timesNs).toHaveLength(5);
    expect(proxy.requests).toHaveLength(2);
    proxy.faults = [fault, fault];
    const error = (await made.query(query, signal).catch((thrown) => thrown)) as EfdError;
    expect(error).toBeInstanceOf(EfdError);
    expect(error.retryable).toBe(true);
    expect(error.message).toMatch(/^EFD query for exact \(2 fields from f\): /);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`(${proxy.url}/`);
    expect(error.message).toMatch(/, 2 attempts$/);
    expect(error.message.length).toBeLessThan(400);
    expect(proxy.requests).toHaveLength(4);
  });
});

test("an error in the body, and an answer that a limit made shorter, are errors", async () => {
  const made = client({ url: proxy.url });
  const query: SeriesQuery = { topic: "exact", fields: ["f"], span };
  const row = '{"name":"exact","columns":["time","f"],"values":[[1727835300123456789,1]],"partial":true}';
  for (const [body, message] of [
    ['{"results":[{"statement_id":0,"error":"max-select-point limit exceeded"}]}', "max-select-point limit exceeded"],
    [`{"results":[{"statement_id":0,"series":[${row}],"partial":true}]}`, "partial: true"],
  ] as const) {
    proxy.faults = Array<Fault>(4).fill({ status: 200, body });
    await expect(made.query(query, signal)).rejects.toThrow(message);
    expect(proxy.faults).toEqual([]);
  }
});

test("a refused question is asked once", async () => {
  const made = client({ url: proxy.url });
  const query: SeriesQuery = { topic: "exact", fields: ["f"], span };
  for (const status of [400, 401, 404, 302]) {
    proxy.requests = [];
    proxy.faults = [{ status, body: '{"error":"no"}' }];
    await expect(made.query(query, signal)).rejects.toMatchObject({ retryable: false, message: expect.stringContaining(`HTTP ${status}: no`) }); // prettier-ignore
    expect(proxy.requests).toHaveLength(1);
  }
  const missing = client({ database: "no_such" });
  await expect(missing.query(query, signal)).rejects.toMatchObject({ retryable: false });
});

test("a wrong password is said, never shown", async () => {
  const wrong = "wrong-password-1";
  const query: SeriesQuery = { topic: "exact", fields: ["f"], span };
  const error = await client({ password: wrong }).query(query, signal).catch(String);
  expect(error).toMatch(/HTTP 401/);
  const basic = Buffer.from(`${influxdb.username}:${wrong}`).toString("base64");
  proxy.faults = [{ status: 400, body: `{"error":"you sent ${wrong}, ${basic}"}` }];
  const echoed = await client({ url: proxy.url, password: wrong }).query(query, signal).catch(String);
  expect(echoed).toContain("you sent ***, ***");
});

test("the server's wait is kept, within a bound", async () => {
  const waits: number[] = [];
  const log = { warn: ({ waitMs }: { waitMs: number }) => void waits.push(waitMs) } as unknown as EfdOptions["log"];
  const stop = new AbortController();
  const made = client({ url: proxy.url, log });
  proxy.faults = [{ status: 429, headers: { "retry-after": "3600" } }];
  const asked = made.query({ topic: "exact", fields: ["f"], span }, stop.signal);
  const error = asked.catch((thrown) => thrown);
  while (waits.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(new Error("task is over"));
  expect(((await error) as Error).message).toBe("task is over");
  expect(waits).toEqual([30_000]);
});

test("requests are bounded, and end with the question", async () => {
  proxy.mostAtOnce = 0;
  const made = client({ url: proxy.url, concurrency: 3, fieldsPerRequest: 10 });
  await Promise.all([1, 2].map(() => made.query({ topic: "wide", fields: wide, span }, signal)));
  expect(proxy.mostAtOnce).toBeLessThanOrEqual(3);
  const stop = new AbortController();
  proxy.requests = [];
  proxy.faults = Array<Fault>(25).fill("silent");
  const asked = made.query({ topic: "wide", fields: wide, span }, stop.signal).catch((thrown) => thrown);
  while (proxy.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(new Error("shutting down"));
  expect(((await asked) as Error).message).toBe("shutting down");
  expect(proxy.requests).toHaveLength(3);
  proxy.faults = [];
});

test("questions are sent as they are shown", async () => {
  const made = client({ url: proxy.url, fieldsPerRequest: 2 });
  const query: SeriesQuery = { topic: "lsst.sal.ESS.temperature", fields: ["temperatureItem4", "salIndex"], span };
  const where = `WHERE time >= '2024-10-02T02:15:00.123456789Z' AND time <= '2024-10-02T02:15:10.123456789Z'`;
  const from = `FROM "efd"."autogen"."lsst.sal.ESS.temperature" ${where}`;
  expect(made.textsOf(query)).toEqual([`SELECT "temperatureItem4", "salIndex" ${from} GROUP BY *`]);
  const mean = { function: "mean", intervalNs: 1_000_000_000n } as const;
  expect(made.textsOf({ ...query, preAggregate: mean })).toEqual([
    `SELECT MEAN("temperatureItem4") AS "temperatureItem4", MEAN("salIndex") AS "salIndex" ${from} GROUP BY time(1s) fill(none)`,
  ]);
  expect(made.textsOf({ ...query, fields: ["a", "b", "c"] })).toEqual([
    `SELECT "a", "b" ${from} GROUP BY *`,
    `SELECT "c" ${from} GROUP BY *`,
  ]);
  proxy.requests = [];
  await made.query(query, signal);
  expect(proxy.requests.map(({ body }) => new URLSearchParams(body).get("q"))).toEqual(made.textsOf(query));
});

test("base URLs have one slash between their parts", () => {
  expect(efdUrl("host", 443, "/influxdb-enterprise-data/")).toBe("https://host/influxdb-enterprise-data");
  expect(efdUrl("host", 8443, "influxdb-enterprise-standby-data")).toBe(
    "https://host:8443/influxdb-enterprise-standby-data",
  );
  expect(efdUrl("http://influxdb.usdf.local:8086/", 443, "/ignored/")).toBe("http://influxdb.usdf.local:8086");
});
