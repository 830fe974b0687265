import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { Redis } from "ioredis";
import { clientOf, instrumentNamed } from "../../local/camera";
import { startProcess } from "../../local/process";
import { type RunningKafka, startKafka, startRedis } from "../../local/services";
import { Kafka, logLevel, type Producer } from "../../workloads/src/lib/kafkajs";
import { createLogger } from "../../workloads/src/lib/log";
import { RawArrivals, rawListener } from "../../workloads/src/lib/raws";
import { startGateway, testProfile } from "../support/gateway";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, Pod } from "../support/pod";
import { notificationOf } from "../support/notification";
import { type BenchResult, byTurns, rssMb, timedMs } from "./harness";

const address = testAddress(30);
const bucket = "rubin-summit";
const day = "20260603";
/** Exposures of the backlog: 205 files and as many sidecars each. */
const exposures = 250;
/** Exposures whose files come at their real pace, and the time from the first file to the last, ms. */
const paced = 6;
const spreadMs = 2_000;
const { detectors } = instrumentNamed("LSSTCam");

interface Stand {
  readonly dir: string;
  readonly redis: Redis;
  readonly broker: RunningKafka;
  readonly kafka: Kafka;
  readonly producer: Producer;
  readonly env: Readonly<Record<string, string>>;
}

const groupOf = (seqNum: number) => `2026-06-04T00:00:00.${String(seqNum).padStart(6, "0")}`;
function stemsOf(seqNum: number): string[] {
  const obsId = `MC_O_${day}_${String(seqNum).padStart(6, "0")}`;
  return detectors.map(({ raft, sensor }) => `LSSTCam/${day}/${obsId}/${obsId}_${raft}_${sensor}`);
}

export async function bench(): Promise<BenchResult[]> {
  const folder = testFolder("bench-router");
  const { dir } = folder;
  const [redisServer, broker, gateway] = await Promise.all([
    startRedis({ dir: join(dir, "redis"), address }),
    startKafka({ dir: join(dir, "kafka"), address }),
    startGateway(join(dir, "rgw"), address),
    buildWorkloads(),
  ]);
  const redis = new Redis({ host: address });
  const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  try {
    await producer.connect();
    const s3 = clientOf(await gateway.createBucket(bucket));
    for (let seqNum = 1; seqNum <= exposures + paced; seqNum++) {
      const Body = JSON.stringify({ GROUPID: groupOf(seqNum), CURINDEX: 1 });
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${stemsOf(seqNum)[0]}.json`, Body }));
      await redis.hset(`visit:LSSTCam:${groupOf(seqNum)}`, "nimages", 1);
    }
    s3.destroy();
    const env = {
      ...gateway.env,
      REDIS_HOST: address,
      REDIS_PASSWORD: "none",
      KAFKA_BROKERS: broker.bootstrap,
      IMAGE_BUCKET: `${testProfile}@${bucket}`,
    };
    const stand = { dir, redis, broker, kafka, producer, env };
    return [...(await backlog(stand)), await pace(stand)];
  } finally {
    await producer.disconnect();
    redis.disconnect();
    await Promise.all([redisServer.stop(), broker.stop(), gateway.rgw.stop()]);
    folder.remove();
  }
}

function startRouter({ dir, env }: Stand, kafkaTopic: string, consumerGroup: string): Promise<Pod> {
  const group = { BUCKET_TOPIC: kafkaTopic, CONSUMER_GROUP: consumerGroup };
  return Pod.start({ workload: "notification-router", pod: consumerGroup, address: testAddress(31), dir, env: { ...env, ...group } }); // prettier-ignore
}

/** How fast a backlog is published: from the first raw to the last. */
async function backlog(stand: Stand): Promise<BenchResult[]> {
  const { redis, broker, producer } = stand;
  const kafkaTopic = "backlog";
  await broker.createTopic(kafkaTopic);
  for (let seqNum = 1; seqNum <= exposures; seqNum++) {
    const keys = stemsOf(seqNum).flatMap((stem) => [`${stem}.json`, `${stem}.fits`]);
    await producer.send({ topic: kafkaTopic, messages: keys.map((key) => ({ value: notificationOf(bucket, key) })) });
  }
  const messages = exposures * detectors.length * 2;
  let run = 0;
  let memory = 0;
  const ours = async () => {
    for (let seqNum = 1; seqNum <= exposures; seqNum++) await redis.del(`raws:LSSTCam:${groupOf(seqNum)}`);
    const pod = await startRouter(stand, kafkaTopic, `router-${run++}`);
    try {
      const published = () => pod.metric("usdf_notification_router_published_total");
      let first = 0;
      await until("the first raws", async () => (first = await published()) > 0, {
        pollMs: 5,
        state: () => pod.tail(5),
      });
      const ms = await timedMs(() =>
        until("all raws", async () => (await published()) === messages / 2, { pollMs: 20, timeoutMs: 120_000 }),
      );
      memory = Math.max(memory, rssMb(pod.pid, true));
      return (messages - 2 * first) / (ms / 1000);
    } finally {
      await pod.stop();
    }
  };
  const bare = async () => {
    const args = [join(__dirname, "bare/kafka.mjs"), broker.bootstrap, kafkaTopic, `bare-${run++}`, String(messages), "read"]; // prettier-ignore
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 });
    return Number(stdout);
  };
  const rate = await byTurns(3, ours, bare);
  const kept = await redis.hlen(`raws:LSSTCam:${groupOf(exposures)}`);
  if (kept !== detectors.length) throw new Error(`${kept} raws are kept of the last exposure, not ${detectors.length}`);
  return [
    {
      name: "notification-router, backlog of LSSTCam exposures",
      unit: "notifications/s",
      ...rate,
      bareAbout: "kafkajs alone, reads JSON",
      bound: { atLeast: 20_000 },
    },
    { name: "notification-router, most memory", unit: "MB", figure: memory, bound: { atMost: 350 } },
  ];
}

/** How long a file takes from Kafka's producer to the worker that waits for it, while exposures come at their pace. */
async function pace(stand: Stand): Promise<BenchResult> {
  const [figure, bare] = [await oursPaced(stand), await barePaced(stand)];
  return {
    name: "notification-router, from Kafka to the worker, p99",
    unit: "ms",
    figure,
    bare,
    bareAbout: "kafkajs and PUBLISH alone",
    bound: { atMost: 20 },
  };
}

async function oursPaced(stand: Stand): Promise<number> {
  const { redis, broker } = stand;
  const kafkaTopic = "paced";
  await broker.createTopic(kafkaTopic);
  const pod = await startRouter(stand, kafkaTopic, "router-paced");
  const listener = rawListener(redis);
  const log = createLogger("bench", "ERROR");
  const latencies: number[] = [];
  try {
    for (let index = 0; index < paced; index++) {
      const [seqNum, sentAt] = [exposures + 1 + index, new Map<string, number>()];
      const workers = detectors.map(({ id }) => new RawArrivals(redis, listener, { instrument: "LSSTCam", group: groupOf(seqNum), detector: id }, log)); // prettier-ignore
      // They listen, and have looked for what came before, long before the files come.
      await until("the workers to listen", async () => ((await redis.pubsub("CHANNELS", "raws:*")) as string[]).length === workers.length); // prettier-ignore
      await sleep(1_000);
      const arrived = workers.map(async (worker) => {
        const raw = await worker.next(Date.now() + 30_000);
        if (!raw) throw new Error("A raw did not come within 30 s.");
        if (index > 0) latencies.push(performance.now() - sentAt.get(raw.key)!); // the first exposure warms up
      });
      await spread(stemsOf(seqNum), async (stem) => {
        const send = (key: string) => stand.producer.send({ topic: kafkaTopic, messages: [{ value: notificationOf(bucket, key) }] }); // prettier-ignore
        await send(`${stem}.json`);
        sentAt.set(`${stem}.fits`, performance.now());
        await send(`${stem}.fits`);
      });
      await Promise.all(arrived);
      for (const worker of workers) worker.close();
    }
  } finally {
    listener.disconnect();
    await pod.stop();
  }
  return p99(latencies);
}

async function barePaced({ dir, broker, producer }: Stand): Promise<number> {
  const kafkaTopic = "paced-bare";
  await broker.createTopic(kafkaTopic);
  const logFile = join(dir, "bare.log");
  const bare = await startProcess({
    name: "bare",
    command: process.execPath,
    args: [join(__dirname, "bare/router.mjs"), broker.bootstrap, kafkaTopic, "bare-paced", address],
    logFile,
  });
  const listener = new Redis({ host: address });
  const latencies: number[] = [];
  const sentAt = new Map<string, number>();
  try {
    await until("the bare consumer", () => readFileSync(logFile, "utf8").includes("joined"));
    await listener.psubscribe("bare:*");
    listener.on("pmessage", (_pattern, channel: string) => {
      if (!channel.startsWith(`bare:0:`)) latencies.push(performance.now() - sentAt.get(channel)!);
    });
    for (let index = 0; index < paced; index++)
      await spread(stemsOf(exposures + 1 + index), async (stem) => {
        const key = `bare:${index}:${stem}`;
        await producer.send({ topic: kafkaTopic, messages: [{ value: notificationOf(bucket, `${stem}.json`) }] });
        sentAt.set(key, performance.now());
        await producer.send({ topic: kafkaTopic, messages: [{ key, value: notificationOf(bucket, `${stem}.fits`) }] });
      });
    await until("all messages", () => latencies.length === (paced - 1) * detectors.length);
  } finally {
    listener.disconnect();
    await bare.stop();
  }
  return p99(latencies);
}

/** Begins one piece of work after the other, evenly over {@link spreadMs}. */
async function spread<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const startMs = performance.now();
  const under: Promise<void>[] = [];
  for (const [index, item] of items.entries()) {
    const waitMs = startMs + (index * spreadMs) / items.length - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    under.push(work(item));
  }
  await Promise.all(under);
}

function p99(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length * 0.99)]!;
}
