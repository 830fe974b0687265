import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import { until } from "../support/network";
import { encoded, PromptStand, type Registered, routeOf } from "../workloads/prompt/stand";
import { type BenchResult, byTurns, rssMb } from "./harness";

const detectors = Array.from({ length: 189 }, (_, id) => id);
/** Visits of one run of the backlog. */
const backlog = 1_000;
/** Visits at one a second: the 99th percentile of so many is a single one. */
const paced = 100;
const streamOf = (who: string) => `instrument:${who}`;
const groupOf = (who: string) => `${who}_consumer_group`;

export async function bench(): Promise<BenchResult[]> {
  const stand = await PromptStand.start("bench-fan-out", 90);
  try {
    const schema = await stand.register("nextVisit");
    const { ours, bare } = await latencies(stand, schema);
    let peakRssMb = 0;
    const rates = await byTurns(
      2,
      () => drain(stand, schema, (pidRssMb) => (peakRssMb = Math.max(peakRssMb, pidRssMb))),
      () => drainBare(stand, schema),
    );
    return [
      {
        name: "fan-out: next_visit to 189 messages readable at 1 visit/s, p99",
        unit: "ms",
        figure: percentile(ours, 0.99),
        bare: percentile(bare, 0.99),
        bareAbout: "kafkajs and one pipeline of 189 XADDs",
        bound: { atMost: 50 },
      },
      {
        name: "fan-out: the same, median",
        unit: "ms",
        figure: percentile(ours, 0.5),
        bare: percentile(bare, 0.5),
        bareAbout: "kafkajs and one pipeline of 189 XADDs",
        bound: { atMost: 25 },
      },
      {
        name: `fan-out: LSSTCam visits, a backlog of ${backlog.toLocaleString("en-US")}`,
        unit: "visits/s",
        ...rates,
        bareAbout: "kafkajs and one pipeline of 189 XADDs a visit",
        bound: { atLeast: 100, ratioAtLeast: 1 },
      },
      { name: "fan-out, most memory with a backlog", unit: "MB", figure: peakRssMb, bound: { atMost: 200 } },
    ];
  } finally {
    await stand.stop();
  }
}

const percentile = (values: readonly number[], share: number) => [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1]!; // prettier-ignore
const visits = (stand: PromptStand, schema: Registered, count: number) =>
  Array.from({ length: count }, () => encoded(schema, stand.visit()));

/** Reads a stream as workers do and notes when a visit's last message was there. */
class Readers {
  private readonly redis: Redis;
  private read = 0;
  private reached: (() => void) | undefined;
  private running = true;

  constructor(
    stand: PromptStand,
    private readonly who: string,
  ) {
    this.redis = new Redis({ host: stand.redisServer.host, password: stand.password });
    void this.loop();
  }

  /** Resolves when the next visit has all of its messages. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.reached = resolve));
  }

  stop(): void {
    this.running = false;
    this.redis.disconnect();
  }

  private async loop(): Promise<void> {
    const from = ["GROUP", groupOf(this.who), "reader", "COUNT", 200, "BLOCK", 0, "NOACK", "STREAMS"] as const;
    while (this.running) {
      const found = (await this.redis.xreadgroup(...from, streamOf(this.who), ">").catch(() => null)) as [string, unknown[]][] | null; // prettier-ignore
      this.read += found?.[0]?.[1].length ?? 0;
      if (this.read < detectors.length) continue;
      this.read -= detectors.length;
      this.reached?.();
    }
  }
}

/** Time from sending a visit until all of its messages are read, ms: ours and bare by turns, each at one visit a second. */
async function latencies(stand: PromptStand, schema: Registered): Promise<{ ours: number[]; bare: number[] }> {
  const topics = { ours: await stand.topic(), bare: await stand.topic() };
  await stand.redis.xgroup("CREATE", streamOf("bare"), groupOf("bare"), "0", "MKSTREAM");
  await stand.fanOut(topics.ours, { instruments: { LSSTCam: routeOf("ours", detectors) } });
  const stopBare = await consumeBare(stand, topics.bare);
  const readers = { ours: new Readers(stand, "ours"), bare: new Readers(stand, "bare") };
  const times = { ours: [] as number[], bare: [] as number[] };
  try {
    for (let n = -3; n < paced; n++) {
      for (const who of ["ours", "bare"] as const) {
        const [value] = visits(stand, schema, 1);
        const read = readers[who].next();
        const startMs = performance.now();
        await stand.send(topics[who], [value!]);
        await read;
        const tookMs = performance.now() - startMs;
        if (n >= 0) times[who].push(tookMs); // the first ones warm up
        await sleep(Math.max(0, 500 - tookMs));
      }
    }
  } finally {
    readers.ours.stop();
    readers.bare.stop();
    await stopBare();
    await stand.stopPods();
  }
  return times;
}

/** Visits a second of a backlog: from the first in the stream until the last is committed. */
async function drain(stand: PromptStand, schema: Registered, memory: (mb: number) => void): Promise<number> {
  const topic = await stand.topic();
  await stand.redis.flushdb();
  await stand.send(topic, visits(stand, schema, backlog));
  const pod = await stand.fanOut(
    topic,
    { instruments: { LSSTCam: routeOf("ours", detectors) } },
    { LOG_CONFIG: "WARN" },
  );
  memory(rssMb(pod.pid, true));
  // The start is no part of the rate; what was done by then is none either.
  const done = async () => Number(await pod.metric("usdf_fan_out_visits_total"));
  const first = await done();
  const startMs = performance.now();
  if (first >= backlog / 2) throw new Error(`${first} of ${backlog} visits were done before the clock began`);
  await until("the last commit", async () => (await stand.committed(topic)) === backlog, { pollMs: 20 });
  const perSecond = ((backlog - first) / (performance.now() - startMs)) * 1000;
  if ((await stand.redis.xlen(streamOf("ours"))) !== backlog * detectors.length)
    throw new Error("Messages are missing");
  memory(rssMb(pod.pid, true));
  await stand.stopPods();
  return perSecond;
}

async function drainBare(stand: PromptStand, schema: Registered): Promise<number> {
  const topic = await stand.topic();
  await stand.redis.flushdb();
  await stand.send(topic, visits(stand, schema, backlog));
  let startMs = 0;
  const stop = await consumeBare(stand, topic, () => (startMs ||= performance.now()));
  await until("the last commit", async () => (await stand.committed(topic)) === backlog, { pollMs: 20 });
  const perSecond = (backlog / (performance.now() - startMs)) * 1000;
  await stop();
  return perSecond;
}

/** The bare cost: each record decoded, one pipeline of XADDs, and the offset. */
async function consumeBare(
  stand: PromptStand,
  topic: string,
  begun: () => void = () => undefined,
): Promise<() => Promise<void>> {
  // prettier-ignore
  const redis = new Redis({ host: stand.redisServer.host, password: stand.password });
  const { type } = await stand.register("nextVisit");
  const consumer = new Kafka({ brokers: [stand.kafka.bootstrap], logLevel: logLevel.NOTHING }).consumer({ groupId: topic, maxWaitTimeInMs: 500 }); // prettier-ignore
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      begun();
      for (const { value } of batch.messages) {
        const visit = type.fromBuffer(value!.subarray(5)) as Record<string, unknown>;
        const fields = Object.entries(visit).filter(([name]) => !/^private_(?!snd)/.test(name)).flatMap(([name, one]) => [name, String(one)]); // prettier-ignore
        const pipeline = redis.pipeline();
        for (const detector of detectors) pipeline.xadd(streamOf("bare"), "*", ...fields, "detector", detector);
        await pipeline.exec();
      }
      await consumer.commitOffsets([{ topic, partition: 0, offset: String(Number(batch.lastOffset()) + 1) }]);
    },
  });
  return async () => {
    await consumer.disconnect();
    redis.disconnect();
  };
}
