import { isEvent, topicsOf } from "../../local/efd/telemetry";
import { type Column, loadColumns } from "../../workloads/src/transform-efd/columns";
import { createEfdClient } from "../../workloads/src/transform-efd/influx";
import { InfluxqlDecoder } from "../../workloads/src/transform-efd/influx/influxqlAnswer";
import type { DimensionRecord, EfdClient, Series, SeriesQuery } from "../../workloads/src/transform-efd/model";
import { summarise } from "../../workloads/src/transform-efd/window";
import { testAddress } from "../support/network";
import { startProxy } from "../workloads/transformEfd/influxProxy";
import { EfdStand } from "./efdStand";
import { type BenchResult, byTurns, median, timedMs } from "./harness";

const second = 1_000_000_000n;
const window = {
  start: "2025-06-03T02:00:00",
  end: "2025-06-03T02:10:00",
  minutes: 10,
  exposures: 10,
  everySeconds: 58,
};
const windowNs = BigInt(Date.parse(`${window.start}Z`)) * 1_000_000n;
const day = { start: "2025-07-01T00:00:00", end: "2025-07-01T10:00:00", minutes: 5, exposures: 1000, everySeconds: 35 };
const dayNs = BigInt(Date.parse(`${day.start}Z`)) * 1_000_000n;
/** Telemetry of a whole day at its rates is 800 million values, so each topic of the day reports so much more seldom. */
const thinned = 60n;
const rounds = 3;
const workers = 4;
const signal = new AbortController().signal;

export async function bench(): Promise<BenchResult[]> {
  const { columns } = await loadColumns("builtin", "LSSTCam");
  const grown = await linearity(columns);
  const stand = await EfdStand.start();
  try {
    return [...(await oneWindow(stand, columns)), ...(await wholeDay(stand, columns)), ...grown];
  } finally {
    await stand.stop();
  }
}

/** Ten exposures of 30 s and their visits in ten minutes, all columns. */
async function oneWindow(stand: EfdStand, columns: readonly Column[]): Promise<BenchResult[]> {
  const topics = topicsOf(columns);
  const firstNs = windowNs + 5n * second;
  await stand.addRecords(window.exposures, firstNs, window.everySeconds, 20250602);
  // What some columns look back for, up to an hour.
  await stand.write(topics.filter(isEvent), { beginNs: windowNs - 3600n * second, endNs: windowNs - 5n * second });
  await stand.write(topics, { beginNs: windowNs - 5n * second, endNs: windowNs + 605n * second });
  // What is asked is taken from a run, so that the bare client asks for exactly that.
  const proxy = await startProxy(stand.influxdb.url, testAddress(73));
  await stand.job(window, { efd: proxy.url });
  const sent = proxy.requests.map(({ path, body }) => ({ path, body }));
  await proxy.stop();
  const rows = await stand.rows();
  let peakRssMb = 0;
  const ours = async () => {
    await stand.forget();
    const run = await stand.job(window);
    const { completed, exposures, visits } = run.report;
    if (completed !== 1 || exposures !== window.exposures || visits !== window.exposures)
      throw new Error(`the window is not done: ${JSON.stringify(run.report)}`);
    peakRssMb = Math.max(peakRssMb, run.peakRssMb);
    return run.wallMs;
  };
  let bytes = 0;
  const bare = async () => {
    await stand.forget();
    const run = await stand.bare(sent, rows);
    bytes = run.bytes;
    return run.wallMs;
  };
  const times = await byTurns(rounds, ours, bare);
  const about = `the same ${sent.length} requests, ${(bytes / 1e6).toFixed(0)} MB of answers dropped, the same rows by COPY`;
  const records = recordsOf(window.exposures, firstNs, window.everySeconds);
  const aggregationMs = await aggregationCpuMs(stand, columns, records);
  const one = `efd, one LSSTCam window (${columns.length} columns)`;
  return [
    { name: `${one}: whole process`, unit: "ms", ...times, bareAbout: about, bound: { ratioAtMost: 1.5 } },
    { name: `${one}: a twentieth of 76 s`, unit: "ms", figure: times.figure, bound: { atMost: 3800 } },
    { name: `${one}: most memory`, unit: "MB", figure: peakRssMb, bound: { atMost: 400 } },
    { name: `${one}: CPU of aggregation alone`, unit: "ms", figure: aggregationMs, bound: { atMost: 300 } },
  ];
}

/** CPU of the first summary in this process, whose samples are in memory when it begins. */
async function aggregationCpuMs(
  stand: EfdStand,
  columns: readonly Column[],
  records: readonly DimensionRecord[],
): Promise<number> {
  const asked: SeriesQuery[] = [];
  const none = (query: SeriesQuery): Series => ({ originNs: query.span.beginNs, timesNs: new Float64Array(0), values: new Map(), textFields: new Set() }); // prettier-ignore
  await summarise(
    records,
    columns,
    clientOf((query) => (asked.push(query), none(query))),
    { signal },
  );
  const { url, username, password } = stand.influxdb;
  const client = createEfdClient({ url, username, password });
  const answers = new Map<string, Series>();
  for (const query of asked) answers.set(keyOf(query), await client.query(query, signal));
  await client.close();
  const before = process.cpuUsage();
  const summary = await summarise(
    records,
    columns,
    clientOf((query) => answers.get(keyOf(query)) ?? none(query)),
    { signal },
  );
  const { user, system } = process.cpuUsage(before);
  const bad = summary.topics.filter(({ status }) => status !== "ok");
  if (bad.length > 0) throw new Error(`not summarised: ${bad.map(({ topic }) => topic).join(", ")}`);
  return (user + system) / 1000;
}

/** A day of 1,000 exposures, back-filled by processes that know nothing of each other. */
async function wholeDay(stand: EfdStand, columns: readonly Column[]): Promise<BenchResult[]> {
  const topics = topicsOf(columns).map((topic) => ({ ...topic, periodNs: topic.periodNs * thinned }));
  await stand.addRecords(day.exposures, dayNs + 5n * second, day.everySeconds, 20250630);
  await stand.write(topics, { beginNs: dayNs - 3600n * second, endNs: dayNs + 36_100n * second });
  await stand.forget();
  const reports: Awaited<ReturnType<EfdStand["job"]>>["report"][] = [];
  const wallMs = await timedMs(async () => {
    const runs = Array.from({ length: workers }, (_, worker) => stand.job(day, { host: 74 + worker }));
    reports.push(...(await Promise.all(runs)).map(({ report }) => report));
  });
  const { rows } = await stand.pool.query<{ tasks: string; again: string; open: string }>(
    "select count(*) tasks, count(*) filter (where attempt <> 1) again, count(*) filter (where status <> 'completed') open from efd_scheduler.lsstcam",
  );
  const { tasks, again, open } = rows[0]!;
  const sum = (of: (report: (typeof reports)[0]) => number) => reports.reduce((total, report) => total + of(report), 0);
  const counts = await stand.pool.query(
    "select (select count(*) from efd_lsstcam.exposure_efd) + (select count(*) from efd_lsstcam.visit1_efd) n",
  );
  if (open !== "0" || Number(counts.rows[0].n) !== 2 * day.exposures)
    throw new Error(`the day is not done: ${JSON.stringify(rows[0])}`);
  const more = Number(again) + Math.abs(sum(({ completed }) => completed) - Number(tasks));
  const about = `efd, a day of LSSTCam (${day.exposures} exposures) by ${workers} workers`;
  return [
    { name: `${about}, telemetry thinned ${thinned}-fold`, unit: "exposures/s", figure: day.exposures / (wallMs / 1000), bound: { atLeast: 4 } }, // prettier-ignore
    { name: `${about}: tasks of ${tasks} done more than once`, unit: "tasks", figure: more, bound: { atMost: 0 } },
    { name: `${about}: those with work`, unit: "workers", figure: reports.filter(({ completed }) => completed > 0).length, bound: { atLeast: workers } }, // prettier-ignore
  ];
}

const encoder = "lsst.sal.MTMount.encoder";

/** Cost of what grows: bytes of an answer, samples of a record, records. */
async function linearity(columns: readonly Column[]): Promise<BenchResult[]> {
  const ofEncoder = columns.filter(({ topic }) => topic === encoder);
  const fields = [...new Set(ofEncoder.flatMap((column) => column.fields))];
  const summaryMs = (records: DimensionRecord[], rowsPerSecond: number, seconds: number) => {
    const client = clientOf(playing(fields, rowsPerSecond, seconds));
    return () => timedMs(() => summarise(records, ofEncoder, client, { signal }));
  };
  return [
    ...(await scaled("rows decoded", (scale) => decoding(fields, 2000 * scale))),
    ...(await scaled("samples in 10 records", (scale) => summaryMs(recordsOf(10, windowNs, 58), 20 * scale, 600))),
    ...(await scaled("records", (scale) => summaryMs(recordsOf(10 * scale, windowNs, 58), 50, 600 * scale))),
  ];
}

/** Ten and a hundred times as much, against that often the time of once. */
async function scaled(what: string, prepare: (scale: number) => () => Promise<number>): Promise<BenchResult[]> {
  const times = new Map<number, number>();
  for (const scale of [1, 10, 100]) {
    const run = prepare(scale);
    await run(); // warms up
    times.set(scale, median([await run(), await run(), await run()]));
  }
  return [10, 100].map((scale) => ({
    name: `efd, ${scale} × the ${what}`,
    unit: "ms",
    figure: times.get(scale)!,
    bare: scale * times.get(1)!,
    bareAbout: `${scale} × the time of 1 ×`,
    bound: { ratioAtMost: 1.5 },
  }));
}

function decoding(fields: readonly string[], rows: number): () => Promise<number> {
  const row = (at: number) =>
    `[${windowNs + BigInt(at) * 20_000_000n},${fields.map((_, i) => Math.sin(at + i)).join(",")}]`;
  const values = Array.from({ length: rows }, (_, at) => row(at)).join(",");
  const columns = JSON.stringify(["time", ...fields]);
  const answer = Buffer.from(
    `{"results":[{"statement_id":0,"series":[{"columns":${columns},"values":[${values}]}]}]}\n`,
  );
  return async () => {
    let decoded = 0;
    const elapsedMs = await timedMs(() => {
      const decoder = new InfluxqlDecoder(fields, windowNs);
      for (let at = 0; at < answer.length; at += 65_536) decoder.push(answer.subarray(at, at + 65_536));
      decoded = decoder.end().get("")?.rows ?? 0;
      return Promise.resolve();
    });
    if (decoded !== rows) throw new Error(`${decoded} of ${rows} rows were decoded`);
    return elapsedMs;
  };
}

/** Samples at a rate, from memory. */
function playing(fields: readonly string[], rowsPerSecond: number, seconds: number): (query: SeriesQuery) => Series {
  const periodNs = 1e9 / rowsPerSecond;
  const times = Float64Array.from({ length: rowsPerSecond * seconds }, (_, row) => row * periodNs);
  const values = new Map(fields.map((field, i) => [field, times.map((_, row) => Math.sin(row / 100 + i))]));
  return ({ span }) => {
    const from = Math.max(0, Math.ceil(Number(span.beginNs - windowNs) / periodNs));
    const to = Math.min(times.length, Math.floor(Number(span.endNs - windowNs) / periodNs) + 1);
    const part = new Map([...values].map(([field, column]) => [field, column.subarray(from, to)]));
    return { originNs: windowNs, timesNs: times.subarray(from, to), values: part, textFields: new Set() };
  };
}

function clientOf(answer: (query: SeriesQuery) => Series): EfdClient {
  return {
    fieldsOf: () => Promise.resolve(new Map()),
    query: (query) => Promise.resolve(answer(query)),
    textsOf: () => [],
    close: () => Promise.resolve(),
  };
}

function keyOf({ topic, fields, span, preAggregate }: SeriesQuery): string {
  return [topic, fields.join(), span.beginNs, span.endNs, preAggregate?.function].join(" ");
}

/** Exposures of 30 s, and visits of the same spans. */
function recordsOf(count: number, firstNs: bigint, everySeconds: number): DimensionRecord[] {
  return (["exposure", "visit1"] as const).flatMap((kind) =>
    Array.from({ length: count }, (_, i) => {
      const beginNs = firstNs + BigInt(i * everySeconds) * second;
      return { kind, id: i + 1, dayObs: 20250602, seqNum: i + 1, span: { beginNs, endNs: beginNs + 30n * second } };
    }),
  );
}
