import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AvroSchema } from "../../workloads/src/lib/avro";
import { AvroLines } from "../../workloads/src/connector/line/avroLines";
import { LineBuffer } from "../../workloads/src/connector/line/lineBuffer";
import { Stamps } from "../../workloads/src/connector/line/stamp";
import { until } from "../support/network";
import { ConnectorStand, encoded, type Registered, salSchema } from "../workloads/connector/stand";
import { type BenchResult, byTurns, rssMb } from "./harness";

const messages = 200_000;
const rounds = 1;
/** What Telegraf's kafka_consumer was seen to write, as a share of the bare writer beside it (14,000 of 78,000 points/s): it is not run here. */
const telegrafShare = 14 / 78;
const baseS = 1_764_000_000;
const stampS = (n: number) => baseS + n / 1024;

/** 30 fields, as telemetry has them: a third doubles, a third floats, the rest integers and texts. */
const fieldNames = Array.from({ length: 29 }, (_, i) => `telemetryField${i}`);
const fields = fieldNames.map((name, i) => ({
  name,
  type: i === 0 ? "string" : (["double", "float", "int"] as const)[i % 3]!,
}));
const row = (n: number) => ({
  private_efdStamp: stampS(n),
  ...Object.fromEntries(fields.map(({ name, type }, i) => [name, type === "string" ? "MTM1M3" : type === "int" ? (n * i) % 100_000 : Math.sin(n + i) * 100])), // prettier-ignore
});

export async function bench(): Promise<BenchResult[]> {
  const stand = await ConnectorStand.start("bench-connector", 75);
  try {
    return await measure(stand);
  } finally {
    await stand.stop();
  }
}

async function measure(stand: ConnectorStand): Promise<BenchResult[]> {
  let peakRssMb = 0;
  /** CPU of the last run. */
  let cpuSeconds = 0;
  /** Topics are filled before they are read, so that a backlog of that many is what waits. */
  const fill = async (count: number, from = 0) => {
    const topic = `lsst.sal.${stand.unique("Bench")}.telemetry`;
    await stand.createTopic(topic, 4);
    const registered = await stand.register(`${topic}-value`, salSchema(topic, fields));
    await produce(stand, topic, registered, from, count);
    return { topic, registered };
  };
  /** Points a second of the whole process, from its start to the last point that is stored and committed, without its start. */
  const drain = async (topic: string, count: number) => {
    const name = stand.unique("bench");
    const pod = await stand.connector(name, topic, {
      TOPIC_REFRESH_SECONDS: "600",
      LOG_CONFIG: "WARN",
    });
    // Its start is no part of the rate: the clock begins with the first points.
    const first = await until("the first points", async () => (await pod.metric("usdf_connector_points_total")) || undefined, { pollMs: 10 }); // prettier-ignore
    const startMs = performance.now();
    await until("all points", async () => (await pod.metric("usdf_connector_points_total")) >= count, { timeoutMs: 120_000, pollMs: 20 }); // prettier-ignore
    const perSecond = ((count - first) / (performance.now() - startMs)) * 1000;
    await stand.committedBecomes(name, topic, count);
    cpuSeconds = await pod.metric("process_cpu_seconds_total");
    peakRssMb = Math.max(peakRssMb, rssMb(pod.pid, true));
    await pod.stop();
    return perSecond;
  };
  const file = join(stand.folder.dir, "lines");
  const writeLines = async (measurement: string) => {
    const definition = salSchema(measurement, fields);
    const lines = new AvroLines(new AvroSchema(1, definition), [], new Stamps({ field: "private_efdStamp", unit: "s", minMs: 0, aheadMs: 1e12 }), "private_efdStamp"); // prettier-ignore
    const { type } = await stand.register(`${measurement}-value`, definition);
    const stream = createWriteStream(file);
    const into = new LineBuffer();
    for (let n = 0; n < messages; n += 5_000) {
      into.clear();
      for (let i = n; i < n + 5_000; i++) lines.write(encoded({ id: 1, type }, row(i)), 0, into);
      if (!stream.write(Buffer.from(into.whole())))
        await new Promise<void>((resolve) => stream.once("drain", () => resolve()));
    }
    await new Promise<void>((resolve) => stream.end(resolve));
  };
  await writeLines(`lsst.sal.${stand.unique("Bare")}.telemetry`);
  const bare = async () => messages / ((await bareMs(stand, file)) / 1000);
  // Both write the same points in each round, so InfluxDB has the same to do.
  const [large, small] = [await fill(messages), await fill(messages / 10)];
  const ours = () => drain(large.topic, messages);
  const rates = await byTurns(rounds, ours, bare);
  const tenfoldCpuSeconds = cpuSeconds;
  await drain(small.topic, messages / 10);
  const lateMs = await lateness(stand, Math.round(rates.figure / 2));
  const about = `connector, ${messages.toLocaleString("en-US")} Avro records of 30 fields`;
  return [
    {
      name: about,
      unit: "points/s",
      ...rates,
      bareAbout: "the lines made before, 4 connections × 5,000 lines",
      bound: { ratioAtLeast: 0.5 },
    },
    {
      name: `${about}: beside Telegraf`,
      unit: "points/s",
      figure: rates.figure,
      bare: rates.bare * telegrafShare,
      bareAbout: "Telegraf's share of the bare writer, as cited",
      bound: { ratioAtLeast: 2.5 },
    },
    {
      name: "connector, CPU of 10 × the backlog",
      unit: "s",
      figure: tenfoldCpuSeconds,
      bare: 10 * cpuSeconds,
      bareAbout: "10 × that of 1 ×, start included",
      bound: { ratioAtMost: 1.2 },
    },
    { name: "connector, most memory with a backlog", unit: "MB", figure: peakRssMb, bound: { atMost: 300 } },
    {
      name: "connector, producer to queryable at half load, p99",
      unit: "ms",
      figure: lateMs,
      bound: { atMost: 1_000 },
    },
  ];
}

async function produce(
  stand: ConnectorStand,
  topic: string,
  registered: Registered,
  from: number,
  count: number,
): Promise<void> {
  for (let n = from; n < from + count; n += 5_000) {
    const values = Array.from({ length: Math.min(5_000, from + count - n) }, (_, i) => ({
      value: encoded(registered, row(n + i)),
      partition: ((n / 5_000) % 4) | 0,
    }));
    await stand.producer.send({ topic, messages: values });
  }
}

/** 99th percentile of the time from a record's sending until InfluxDB answers it, at `perSecond`. */
async function lateness(stand: ConnectorStand, perSecond: number): Promise<number> {
  const topic = `lsst.sal.${stand.unique("Late")}.telemetry`;
  const probe = `lsst.sal.${stand.unique("Probe")}.t`;
  for (const name of [topic, probe]) await stand.createTopic(name);
  const registered = await stand.register(`${topic}-value`, salSchema(topic, fields));
  const small = await stand.register(`${probe}-value`, salSchema(probe, [{ name: "n", type: "int" }]));
  const pod = await stand.connector(stand.unique("late"), `${topic}|${probe}`, { TOPIC_REFRESH_SECONDS: "600" });
  const tick = Math.round(perSecond / 20);
  const payload = Array.from({ length: tick }, (_, n) => encoded(registered, row(n)));
  const times: number[] = [];
  const load = (async () => {
    const startMs = performance.now();
    for (let sent = 0; sent * 50 < 17_000; sent++) {
      // Made once, but each with a time of its own, as telemetry has: a point that is written twice costs InfluxDB more.
      payload.forEach((value, i) => value.writeDoubleLE(stampS(sent * tick + i), 5));
      await stand.producer.send({ topic, messages: payload.map((value) => ({ value })) });
      await sleep(Math.max(0, startMs + (sent + 1) * 50 - performance.now()));
    }
  })();
  await sleep(2_000); // the start of a process and of a shard is no part of it
  for (let n = 0; n < 120; n++) {
    const startMs = performance.now();
    await stand.producer.send({
      topic: probe,
      messages: [{ value: encoded(small, { private_efdStamp: baseS + n, n }) }],
    });
    await until("the point", async () => (await stand.countOf(probe)) > n, { pollMs: 5 });
    times.push(performance.now() - startMs);
  }
  await load;
  await pod.stop();
  return times.sort((one, other) => one - other)[Math.ceil(times.length * 0.99) - 1]!;
}

function bareMs(stand: ConnectorStand, file: string): Promise<number> {
  const { url, token } = stand.influxdb;
  const task = {
    url: `${url}/write?db=efd&rp=autogen&precision=ns`,
    authorization: `Token ${token}`,
    file,
    lines: 5_000,
  };
  const child = spawn(process.execPath, [join(__dirname, "bare/lines.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(task));
  const output: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => output.push(piece));
  return new Promise((resolve, reject) =>
    child.once("close", (code) =>
      code === 0 ? resolve(Number(Buffer.concat(output))) : reject(new Error(`the bare writer ended with ${code}`)),
    ),
  );
}
