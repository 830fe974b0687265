import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../support/network";
import { encode, Stand } from "../workloads/sinks/stand";
import { type BenchResult, rssMb } from "./harness";

const messages = 100_000;
const hourS = 3600;
const begin = 1_780_002_000; // the beginning of an hour
const topic = "lsst.sal.Bench.telemetry";

/** 30 fields, as telemetry has them. */
const fields = Array.from({ length: 29 }, (_, i) => ({ name: `field${i}`, type: (["double", "float", "int"] as const)[i % 3]! })); // prettier-ignore
const stamp = { name: "private_efdStamp", type: "double" };
const schema = { type: "record", namespace: "lsst.sal.Bench", name: "telemetry", fields: [stamp, ...fields] };

/** A backlog of three hours of a topic: stored as hourly Parquet files, and told as statistics of windows of a second. */
export async function bench(): Promise<BenchResult[]> {
  const stand = new Stand();
  try {
    await stand.start();
    await stand.createTopic(topic); // one partition: the aggregator takes no other
    const id = await stand.register(topic, schema);
    for (let n = 0; n < messages; n += 5_000) await stand.producer.send({ topic, messages: batch(id, n) });
    const bare = await readAlone(stand);
    const parquet = await backlog(stand, "parquet-sink", { FLUSH_RECORDS: "20000" });
    const files = await stand.files(topic);
    const rows = files.reduce((sum, file) => sum + file.rows.length, 0);
    const aggregator = await backlog(stand, "aggregator", { WINDOW_SECONDS: "1" });
    const about = `${messages.toLocaleString("en-US")} Avro records of 30 fields`;
    const rate = (name: string, { perSecond }: Backlog) => ({
      ...{ name: `${name}, ${about}`, unit: "records/s", figure: perSecond, bare },
      bareAbout: "kafkajs alone, reads nothing",
      bound: { ratioAtLeast: 0.05 },
    });
    return [
      rate("parquet-sink", parquet),
      { name: `parquet-sink, rows too many or too few in ${files.length} files`, unit: "rows", figure: Math.abs(rows - messages), bound: { atMost: 0 } }, // prettier-ignore
      { name: "parquet-sink, most memory with a backlog", unit: "MB", figure: parquet.peakMb, bound: { atMost: 512 } },
      rate("aggregator", aggregator),
      { name: "aggregator, most memory with a backlog", unit: "MB", figure: aggregator.peakMb, bound: { atMost: 300 } },
    ];
  } finally {
    await stand.stop();
  }
}

function batch(id: number, from: number) {
  return Array.from({ length: 5_000 }, (_, i) => {
    const n = from + i;
    const values = fields.map(({ name, type }, index) => [name, type === "int" ? (n * index) % 100_000 : Math.sin(n + index)]); // prettier-ignore
    const value = { private_efdStamp: begin + (n * 3 * hourS) / messages, ...Object.fromEntries(values) };
    return { value: encode(id, schema, value) };
  });
}

interface Backlog {
  /** From its start, which is a part of it, to the last commit. */
  readonly perSecond: number;
  readonly peakMb: number;
}

async function backlog(
  stand: Stand,
  workload: "parquet-sink" | "aggregator",
  env: Readonly<Record<string, string>>,
): Promise<Backlog> {
  const pattern = topic.replaceAll(".", "\\.");
  const idle = { ROTATE_SECONDS: "1", IDLE_SECONDS: "2.5", GRACE_SECONDS: "2" };
  const startMs = performance.now();
  const pod = await stand.startPod(workload, pattern, { ...idle, ...env, LOG_CONFIG: "WARN" });
  await stand.committedAll(`${workload}-${pattern}`, topic);
  const seconds = (performance.now() - startMs) / 1000;
  const peakMb = rssMb(pod.pid, true);
  await until(`${workload} to end`, async () => (await pod.stop()) === 0);
  return { perSecond: messages / seconds, peakMb };
}

async function readAlone(stand: Stand): Promise<number> {
  const args = [join(__dirname, "bare/kafka.mjs"), stand.bootstrap, topic, "bare", String(messages), "touch"];
  return Number((await promisify(execFile)(process.execPath, args, { timeout: 120_000 })).stdout);
}
