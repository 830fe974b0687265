import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { startProcess } from "../../local/process";
import { startKafka, startRedis } from "../../local/services";
import { Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import { testAddress, testFolder, until } from "../support/network";
import { recordOf } from "../support/notification";
import { buildWorkloads, Pod } from "../support/pod";
import { type BenchResult, byTurns, rssMb, timedMs } from "./harness";
import { httpRequest, load } from "./load";

const address = testAddress(30);
const bareAddress = testAddress(31);
const secret = "bench";
const day = "20260603";
const bareAbout = "fastify handler with one LPUSH";

/** A notification as Ceph sends it. */
function notification(seqNum: number): string {
  const expId = `MC_O_${day}_${String(seqNum).padStart(6, "0")}`;
  const key = `LSSTCam/${day}/${expId}/${expId}_R22_S11.fits`;
  return JSON.stringify({ Records: [{ ...recordOf("rubin-summit", key), opaqueData: secret }] });
}

export async function bench(): Promise<BenchResult[]> {
  const folder = testFolder("bench-enqueue");
  await buildWorkloads();
  const redisServer = await startRedis({ dir: join(folder.dir, "redis"), address });
  const redis = new Redis({ host: address });
  const env = {
    REDIS_HOST: address,
    REDIS_PASSWORD: "none",
    PROFILE: "embargo",
    DATASET_REGEXP: "\\.fits$",
    LOG_CONFIG: "INFO",
  };
  try {
    return [...(await webhook(folder.dir, redis, env)), ...(await kafka(folder.dir, redis, env))];
  } finally {
    redis.disconnect();
    await redisServer.stop();
    folder.remove();
  }
}

async function webhook(dir: string, redis: Redis, env: Record<string, string>): Promise<BenchResult[]> {
  const pod = await Pod.start({ workload: "enqueue", address, dir, env: { ...env, NOTIFICATION_SECRET: secret } });
  const bare = await startProcess({
    name: "bare",
    command: process.execPath,
    args: [join(__dirname, "bare/http.mjs"), bareAddress, address],
    logFile: join(dir, "bare.log"),
  });
  const bareUrl = `http://${bareAddress}:8000`;
  await until("the bare server", async () => (await fetch(bareUrl)).status === 404);
  try {
    let seqNum = 0;
    const requests = 10_000;
    const send = async (url: string, count: number, connections: number) => {
      const first = seqNum;
      seqNum += count;
      const request = (index: number) => httpRequest("POST", "/notify", "bench", notification(first + index));
      return load({ url, connections, requests: count, request });
    };
    const perSecond = async (url: string) => requests / ((await send(url, requests, 64)) / 1000);
    const rate = await byTurns(
      4,
      () => perSecond(pod.url),
      () => perSecond(bareUrl),
    );
    await redis.flushdb();
    const exposure = await byTurns(
      5,
      () => send(pod.url, 205, 205),
      () => send(bareUrl, 205, 205),
    );
    const queued = await redis.llen("QUEUE:embargo@rubin-summit");
    if (queued !== 6 * 205) throw new Error(`${queued} objects are queued, not ${6 * 205}`);
    return [
      { name: "enqueue webhook, 1 record a POST", unit: "records/s", ...rate, bareAbout, bound: { ratioAtLeast: 0.6 } },
      {
        name: "enqueue webhook, 205 POSTs at once, until all are queued",
        unit: "ms",
        ...exposure,
        bareAbout,
        bound: { atMost: 100 },
      },
      { name: "enqueue webhook, most memory", unit: "MB", figure: rssMb(pod.pid, true), bound: { atMost: 150 } },
    ];
  } finally {
    await pod.stop();
    await bare.stop();
  }
}

async function kafka(dir: string, redis: Redis, env: Record<string, string>): Promise<BenchResult[]> {
  const messages = 100_000;
  const broker = await startKafka({ dir: join(dir, "kafka"), address });
  let memory = 0;
  try {
    const kafkaTopic = "notifications";
    await broker.createTopic(kafkaTopic);
    const producer = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    for (let first = 0; first < messages; first += 500) {
      await producer.send({
        topic: kafkaTopic,
        messages: Array.from({ length: 500 }, (_, i) => ({ value: notification(first + i) })),
      });
    }
    await producer.disconnect();
    let run = 0;
    const alone = async (how: "read" | "touch") => {
      const args = [
        join(__dirname, "bare/kafka.mjs"),
        broker.bootstrap,
        kafkaTopic,
        `bare-${run++}`,
        String(messages),
        how,
      ];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 });
      return Number(stdout);
    };
    const ours = async () => {
      await redis.flushdb();
      const length = () => redis.llen("QUEUE:embargo@rubin-summit");
      const group = { KAFKA_CLUSTER: broker.bootstrap, KAFKA_TOPIC: kafkaTopic, KAFKA_GROUP_ID: `ours-${run++}` };
      const pod = await Pod.start({
        workload: "enqueue",
        pod: `kafka-${run}`,
        address,
        dir,
        env: { ...env, ...group },
      });
      try {
        let first = 0;
        await until("the first objects", async () => (first = await length()) > 0, { pollMs: 2 });
        const ms = await timedMs(() =>
          until("all objects", async () => (await length()) >= messages, { pollMs: 5, timeoutMs: 120_000 }),
        );
        memory = Math.max(memory, rssMb(pod.pid, true));
        return (messages - first) / (ms / 1000);
      } finally {
        await pod.stop();
      }
    };
    const rate = await byTurns(3, ours, () => alone("read"));
    const touched = await alone("touch");
    return [
      {
        name: "enqueue Kafka",
        unit: "messages/s",
        ...rate,
        bareAbout: "kafkajs alone, reads JSON",
        bound: { ratioAtLeast: 0.6 },
      },
      {
        name: "enqueue Kafka, at the least",
        unit: "messages/s",
        figure: rate.figure,
        bare: touched,
        bareAbout: "kafkajs alone, reads nothing",
        bound: { atLeast: 20_000 },
      },
      { name: "enqueue Kafka, most memory", unit: "MB", figure: memory, bound: { atMost: 150 } },
    ];
  } finally {
    await broker.stop();
  }
}
