import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { Redis } from "ioredis";
import pino from "pino";
import { type Bucket, clientOf, sendExposures, type SentExposure } from "../../../local/camera";
import { ensureButlerPython } from "../../../local/services/butler";
import { type RunningRedis, startRedis } from "../../../local/services/redis";
import type { Butler } from "../../../workloads/src/lib/butler/butler";
import { ButlerChild } from "../../../workloads/src/lib/butler/butlerChild";
import { Ingester } from "../../../workloads/src/ingest/ingester";
import { ObjectStore } from "../../../workloads/src/lib/objectStore";
import type { IngestSettings } from "../../../workloads/src/ingest/settings";
import { parseObjectPath } from "../../../workloads/src/lib/objectPath";
import { enqueueObjects, LeasedQueue } from "../../../workloads/src/lib/queue";
import { connectRedis } from "../../../workloads/src/lib/redis";
import { testAddress, testFolder } from "../../support/network";
import { startGateway, type TestGateway } from "../../support/gateway";
import { warmPython } from "../../support/warmPython";

export const log = pino({ level: process.env.TEST_LOG ?? "silent" });
export const dayObs = "20260603";

/** Real Redis, RGW and Butler of one test file. */
export interface Stand {
  readonly dir: string;
  readonly gateway: TestGateway;
  readonly redisServer: RunningRedis;
  readonly redis: Redis;
  readonly python: string;
  /** The same for Butler children, quick to start. */
  readonly butlerPython: string;
  stop(): Promise<void>;
}

export async function startStand(name: string): Promise<Stand> {
  const { dir, remove } = testFolder(name);
  const [redisServer, gateway, python, butlerPython] = await Promise.all([
    startRedis({ dir: join(dir, "redis"), address: testAddress(1) }),
    startGateway(join(dir, "rgw"), testAddress(2)),
    ensureButlerPython(),
    warmPython(dir),
  ]);
  const redis = connectRedis({ host: redisServer.host, commandTimeoutMs: 60_000 });
  await redis.ping();
  return {
    dir,
    gateway,
    redisServer,
    redis,
    python,
    butlerPython,
    async stop() {
      redis.disconnect();
      await Promise.all([redisServer.stop(), gateway.rgw.stop()]);
      remove();
    },
  };
}

/** One bucket with its queue, Butler repository and ingester; every test has its own. */
export interface Bench {
  /** `embargo@<bucket>`. */
  readonly bucket: string;
  readonly target: Bucket;
  readonly s3: S3Client;
  readonly store: ObjectStore;
  readonly child: ButlerChild;
  readonly queue: LeasedQueue;
  readonly ingester: Ingester;
  readonly repo: string;
  put(key: string, body: string | Buffer): Promise<void>;
  remove(key: string): Promise<void>;
  send(options?: {
    instrument?: string;
    exposures?: number;
    firstSeqNum?: number;
    detectors?: string[];
  }): Promise<SentExposure[]>;
  /** Queues keys as enqueue does. */
  enqueue(keys: readonly string[], identity?: string): Promise<void>;
  /** Turns until nothing is in hand; a turn that throws is an error. */
  drain(): Promise<number>;
  /** Paths that the Butler has, asked of its SQLite file by another program. */
  stored(): Promise<string[]>;
  sql(query: string): Promise<string[]>;
  close(): Promise<void>;
}

export interface BenchOptions {
  readonly settings?: Partial<IngestSettings>;
  readonly pod?: string;
  readonly leaseMs?: number;
  /** Wraps the Butler, to make it fail. */
  readonly butler?: (child: ButlerChild) => Butler;
  readonly python?: string;
  readonly timeoutMs?: number;
  /** A bucket that is there already (a second pod). */
  readonly same?: Bench;
}

let count = 0;

export async function makeBench(stand: Stand, options: BenchOptions = {}): Promise<Bench> {
  const name = options.same?.target.name ?? `test-${++count}`;
  const bucket = `embargo@${name}`;
  const target = options.same?.target ?? (await stand.gateway.createBucket(name));
  const repo = options.same?.repo ?? join(stand.dir, `repo-${name}`);
  const storeEnv = { BUCKET: bucket, S3_CONCURRENCY: 16, S3_TIMEOUT: 3 };
  const store = new ObjectStore(storeEnv, stand.gateway.env);
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...stand.gateway.env, BUCKET: bucket };
  const child = new ButlerChild({
    python: options.python ?? stand.butlerPython,
    env: { ...env, BUTLER_REPO: repo, BUTLER_CREATE: "true", BUTLER_MODE: "plain" },
    timeoutMs: options.timeoutMs ?? 120_000,
    log,
  });
  const settings: IngestSettings = {
    bucket,
    maxIngests: 50,
    maxFailures: 3,
    guiderWaitMs: 60_000,
    parkLifetimeMs: 3_600_000,
    groupLifetimeSeconds: 86_400,
    retryBaseMs: 50,
    retryMaxMs: 200,
    s3Concurrency: 16,
    callWebhook: false,
    ...options.settings,
  };
  const queue = new LeasedQueue(stand.redis, { bucket, pod: options.pod ?? "pod-0", log, leaseMs: options.leaseMs });
  await queue.open();
  const butler = options.butler?.(child) ?? child;
  const ingester = new Ingester({ queue, redis: stand.redis, store, butler, settings, log });
  const s3 = clientOf(target);
  const sql = async (query: string) => {
    const code = "import sqlite3,sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(row[0])";
    const { stdout } = await promisify(execFile)(stand.python, ["-c", code, join(repo, "gen3.sqlite3"), query]);
    return stdout.split("\n").filter((line) => line !== "");
  };
  return {
    ...{ bucket, target, s3, store, child, queue, ingester, repo, sql },
    put: async (key, body) => void (await s3.send(new PutObjectCommand({ Bucket: name, Key: key, Body: body }))),
    remove: async (key) => void (await s3.send(new DeleteObjectCommand({ Bucket: name, Key: key }))),
    send: async ({ instrument = "LATISS", exposures = 1, firstSeqNum = 1, detectors } = {}) =>
      (await sendExposures({ instrument, bucket: target, exposures, dayObs, firstSeqNum, detectors }))
        .exposures as SentExposure[],
    enqueue: async (keys, identity = "etag") => {
      await enqueueObjects(
        stand.redis,
        keys.map((key) => ({ object: parseObjectPath(`${bucket}/${key}`), identity })),
      );
    },
    drain: async () => {
      let total = 0;
      for (let n = 1; n > 0; total += n) n = await ingester.turn();
      return total;
    },
    stored: () =>
      sql("select path from file_datastore_records order by path").then((rows) => rows.map(decodeURIComponent)),
    close: async () => {
      await queue.close();
      await child.close();
      store.close();
      s3.destroy();
    },
  };
}
