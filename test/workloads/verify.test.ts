/** A canary through the real programs: it arrives and leaves nothing; where one of them is broken, that hop is named. */
import { ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import type { Redis } from "ioredis";
import { Client } from "pg";
import { notificationProvider, type RgwAccess, topicProvider } from "../../components/ceph";
import { type Bucket, clientOf, sendExposures } from "../../local/camera";
import { startRelay } from "../../local/relay";
import { type RunningPostgres, type RunningRedis, startKafka, startPostgres, startRedis } from "../../local/services";
import { type Journey, type Place, sendCanary } from "../../local/verify";
import { makeCanary } from "../../local/verify/canary";
import { removeLeftovers } from "../../local/verify/clean";
import { explain } from "../../local/verify/explain";
import { bucketState } from "../../workloads/src/lib/queue";
import { connectRedis } from "../../workloads/src/lib/redis";
import { prepareRegistry, registryRows, whileRefused } from "../support/butler";
import { startGateway, type TestGateway, testProfile } from "../support/gateway";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, Pod } from "../support/pod";
import { warmPython } from "../support/warmPython";

const { dir, remove } = testFolder("verify");
const password = "verify-redis";
const secret = "verify-secret";
const path = `${testProfile}@rubin-summit`;
let redisServer: RunningRedis;
let redis: Redis;
let postgres: RunningPostgres;
let gateway: TestGateway;
let python: string;
let bucket: Bucket;
let rgw: RgwAccess;
let place: Place;
const events = ["s3:ObjectCreated:*"];
const pods = new Map<string, Pod>();

const environments: Record<string, () => Record<string, string>> = {
  enqueue: () => ({ PROFILE: testProfile, DATASET_REGEXP: "\\.fits$", BUCKETS: path, NOTIFICATION_SECRET: secret }),
  ingest: () => ({
    ...gateway.env,
    BUCKET: path,
    BUTLER_REPO: `${dir}/repo`,
    BUTLER_MODE: "plain",
    BUTLER_CREATE: "true",
    BUTLER_REGISTRY_URL: `postgresql://${postgres.user}@${postgres.host}:${postgres.port}/embargo`,
    PGPASSWORD: postgres.password,
    BUTLER_PYTHON: python,
    RETRY_BASE: "0.1",
    RETRY_MAX: "0.5",
  }),
  presence: () => ({}),
};
const addresses: Record<string, string> = {
  enqueue: testAddress(10),
  ingest: testAddress(11),
  presence: testAddress(12),
};

async function start(workload: string, changed: Record<string, string> = {}): Promise<void> {
  const env = { REDIS_HOST: redisServer.host, REDIS_PASSWORD: password, ...environments[workload]!(), ...changed };
  pods.set(workload, await Pod.start({ workload, address: addresses[workload]!, dir, env }));
}

/** Runs `work` while a program does not run, or runs with other variables. */
async function without<T>(workload: string, work: () => Promise<T>, changed?: Record<string, string>): Promise<T> {
  await pods.get(workload)!.stop();
  if (changed) await start(workload, changed);
  try {
    return await work();
  } finally {
    if (changed) await pods.get(workload)!.stop();
    await start(workload);
  }
}

beforeAll(async () => {
  [redisServer, postgres, gateway, python] = await Promise.all([
    startRedis({ dir: `${dir}/redis`, address: testAddress(1), password }),
    startPostgres({ dir: `${dir}/postgres`, address: testAddress(3), password: "verify-pg", databases: ["embargo"] }),
    startGateway(`${dir}/rgw`, testAddress(4)),
    warmPython(dir),
    buildWorkloads(),
  ]);
  await prepareRegistry(postgres.url("embargo"));
  redis = connectRedis({ host: redisServer.host, password });
  bucket = await gateway.createBucket("rubin-summit");
  await Promise.all(["enqueue", "ingest", "presence"].map((workload) => start(workload)));
  const enqueueUrl = `http://${addresses.enqueue}:8000/notify`;
  rgw = { url: bucket.endpoint, accessKeyId: bucket.accessKey, secretAccessKey: bucket.secretKey };
  const topic = { rgw, name: "verify", pushEndpoint: enqueueUrl, opaqueData: secret, persistent: false };
  const { outs } = await topicProvider.create(topic);
  await notificationProvider.create({ rgw, bucket: bucket.name, entryId: "verify", topicArn: outs.arn, events });
  place = {
    ...{ environment: "test", bucket, path, enqueueUrl },
    redis: { host: redisServer.host, password },
    presenceUrl: `http://${addresses.presence}:8000/presence`,
    logCommand: (component) => `log of ${component}`,
    close: async () => {},
  };
  // An ordinary exposure first, so that everything holds something that must not change.
  const sent = await sendExposures({
    instrument: "LSSTComCam",
    bucket,
    exposures: 1,
    dayObs: "20260603",
    firstSeqNum: 1,
  });
  await until("the exposure to be ingested", async () => {
    const ingested = await redis.hget(`INGEST:${path}:LSSTComCam`, "20260603");
    if (ingested !== String(sent.exposures[0]!.keys.length)) return false;
    const { queued, retrying, followUps } = await bucketState(redis, path); // after: a follow-up is due from the step that counts
    return queued + retrying + followUps === 0;
  });
});
afterAll(async () => {
  await Promise.all([...pods.values()].map((pod) => pod.stop()));
  redis?.disconnect();
  await Promise.all([redisServer?.stop(), postgres?.stop(), gateway?.rgw.stop()]);
  remove();
});

const verify = (
  change: Partial<Place> = {},
  timeoutMs = 240_000,
  stop = new AbortController().signal,
): Promise<Journey> => sendCanary({ ...place, ...change }, { timeoutMs, stop });
const hopsOf = ({ hops }: Journey) => hops.map(({ hop }) => hop);

/** All that Redis, bucket and Butler hold; leases come and go by themselves. */
async function everything(): Promise<object> {
  const keys = (await redis.keys("*")).filter((key) => !/^(LEASE|WORKERS)/.test(key)).sort();
  const dumps = await redis.pipeline(keys.map((key) => ["dump", key])).exec();
  const s3 = clientOf(bucket);
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket.name }));
  s3.destroy();
  return {
    redis: Object.fromEntries(keys.map((key, i) => [key, String(dumps![i]![1])])),
    bucket: Contents.map(({ Key, ETag }) => `${Key} ${ETag}`),
    butler: await registryRows(postgres.url("embargo")),
  };
}

describe("usdf verify", () => {
  let before: object;
  beforeAll(async () => (before = await everything()));
  afterEach(async () => expect(await everything()).toEqual(before));

  it("sees every hop of a canary, again and again and two at a time, and leaves nothing", async () => {
    const journeys = [await verify(), ...(await Promise.all([verify(), verify()]))];
    for (const journey of journeys) {
      expect(journey).toMatchObject({ ok: true, environment: "test", leftovers: 0 });
      expect(journey.left).toBeUndefined();
      expect(journey.canary).toMatch(
        /^embargo@rubin-summit\/LSSTCam\/19900101\/MC_V_19900101_\d{6}\/.*_R22_S11\.fits$/,
      );
      expect(hopsOf(journey)).toEqual(["connect", "put", "notify", "claim", "ingest", "present"]);
    }
  });

  it("ends in the Butler where there is no presence", async () => {
    const journey = await verify({ presenceUrl: undefined });
    expect([journey.ok, hopsOf(journey)]).toEqual([true, ["connect", "put", "notify", "claim", "ingest"]]);
  });

  it("goes by way of Kafka as well", async () => {
    const kafka = await startKafka({ dir: `${dir}/kafka`, address: testAddress(5) });
    const relay = await startRelay({ host: testAddress(6), brokers: [kafka.bootstrap] });
    try {
      await kafka.createTopic("verify-kafka", 1);
      const topic = { rgw, name: "verify-kafka", pushEndpoint: relay.pushEndpoint("verify-kafka"), persistent: false };
      const { outs } = await topicProvider.create(topic);
      const entry = { rgw, bucket: bucket.name, entryId: "verify-kafka", topicArn: outs.arn, events };
      const { id } = await notificationProvider.create(entry);
      const variables = { KAFKA_CLUSTER: kafka.bootstrap, KAFKA_TOPIC: "verify-kafka" };
      const journey = await without("enqueue", () => verify({ enqueueUrl: undefined }), variables);
      await notificationProvider.delete(id, entry);
      expect([journey.ok, hopsOf(journey)]).toEqual([true, ["connect", "put", "notify", "claim", "ingest", "present"]]);
    } finally {
      await relay.close();
      await kafka.stop();
    }
  });

  it("names connect when Redis does not answer", async () => {
    const { failed } = await verify({ redis: { host: redisServer.host, port: 1, password } });
    expect(failed).toMatchObject({ hop: "connect" });
    const { host } = redisServer;
    expect(failed!.reason).toBe(`Redis at ${host}:1 does not answer (connect ECONNREFUSED ${host}:1).`);
  });

  it("names connect when the password is wrong, and does not show it", async () => {
    const { failed } = await verify({ redis: { host: redisServer.host, password: "guessed" } });
    expect(failed).toMatchObject({ hop: "connect" });
    expect(failed!.reason).toContain("WRONGPASS");
    expect(failed!.reason).not.toContain("guessed");
  });

  it("names put when the keys of the bucket are wrong", async () => {
    const { failed, left } = await verify({ bucket: { ...bucket, secretKey: "wrong" } });
    expect(failed).toEqual({
      hop: "put",
      reason: expect.stringMatching(
        new RegExp(
          `^Cannot put LSSTCam/19900101/MC_V_19900101_(\\d{6})/MC_V_19900101_\\1_R22_S11.json into bucket rubin-summit ` +
            `at ${bucket.endpoint}: SignatureDoesNotMatch. The secret key does not belong to the access key.$`,
        ),
      ),
    });
    expect(left).toBeUndefined();
  });

  it("names notify when enqueue is down", async () => {
    const { failed } = await without("enqueue", () => verify({}, 3_000));
    expect(failed).toEqual({
      hop: "notify",
      reason: `Not in 3 s. enqueue does not answer at http://${addresses.enqueue}:8000/readyz (ECONNREFUSED). See: log of enqueue`,
    });
  });

  it("names notify when enqueue refuses the topic's secret", async () => {
    const { failed } = await without("enqueue", () => verify({}, 3_000), { NOTIFICATION_SECRET: "another" });
    expect(failed).toEqual({
      hop: "notify",
      reason:
        "Not in 3 s. enqueue is ready, and heard of no notification: compare the bucket's notification, its topic and the " +
        "secret. See: log of enqueue",
    });
  });

  it("names notify when enqueue knows no ingester of the bucket", async () => {
    const { failed } = await without("enqueue", () => verify({}, 3_000), { BUCKETS: "embargo@elsewhere" });
    expect(failed).toMatchObject({ hop: "notify" });
    expect(failed!.reason).toMatch(/^It is a dead letter, UNKNOWN_BUCKET: /);
  });

  it("names claim when no ingest runs", async () => {
    const { failed } = await without("ingest", () => verify({}, 3_000));
    expect(failed).toEqual({
      hop: "claim",
      reason:
        `Not in 3 s. It waits in the queue of ${path} (1 objects); no ingest pod has a lease: none runs, or none can open ` +
        "the Butler. See: log of ingest",
    });
  });

  it("names ingest when the Butler refuses", async () => {
    const { failed } = await whileRefused(postgres.url("embargo"), "read-only for maintenance", () => verify());
    expect(failed).toMatchObject({ hop: "ingest" });
    expect(failed!.reason).toMatch(/^It is a dead letter, INGEST: Cannot ingest "embargo@.*read-only for maintenance/);
  });

  it("names ingest when the registry is lost", async () => {
    const admin = new Client({ connectionString: postgres.url("postgres") });
    await admin.connect();
    try {
      await admin.query("alter database embargo allow_connections false");
      await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'embargo'");
      const { failed } = await verify();
      expect(failed).toMatchObject({ hop: "ingest" });
      expect(failed!.reason).toMatch(/^It is a dead letter, BUTLER_UNAVAILABLE: The Butler is unavailable: /);
    } finally {
      await admin.query("alter database embargo allow_connections true");
      await admin.end();
    }
    await pods.get("ingest")!.ready();
  });

  it("tells what is seen of a canary that an ingest pod has not ended with", async () => {
    const scene = { place, canary: makeCanary(path, 1), redis };
    const seen = { isReceived: true, isQueued: false, isIngested: false, attempts: 0 };
    expect(await explain("ingest", seen, scene)).toBe(
      "An ingest pod took it and has not ended with it (pods with a lease: 1). See: log of ingest",
    );
    expect(await explain("ingest", { ...seen, attempts: 2, fault: "Slow down." }, scene)).toBe(
      "2 attempts failed, the last one: Slow down. See: log of ingest",
    );
    expect(await explain("notify", seen, { ...scene, place: { ...place, enqueueUrl: undefined } })).toBe(
      "enqueue heard of no notification from its Kafka topic: is the bucket's notification there, does enqueue consume? " +
        "See: log of enqueue",
    );
    expect(await explain("claim", { ...seen, isQueued: true }, scene)).toBe(
      `It waits in the queue of ${path} (0 objects); 1 ingest pod works on 0 others. See: log of ingest`,
    );
  });

  it("names present when presence is down", async () => {
    const { failed } = await without("presence", () => verify({}, 15_000));
    const asked = /^Not in 15 s\. http:\/\/[\d.]+:8000\/presence\/LSSTCam\/MC_V_19900101_\d{6}\/0\/R22_S11: presence did not answer \(ECONNREFUSED\)\. See: log of presence$/; // prettier-ignore
    expect(failed).toEqual({ hop: "present", reason: expect.stringMatching(asked) });
  });

  it("takes everything back when it is stopped on the way", async () => {
    const stop = new AbortController();
    const { failed, left } = await without("ingest", async () => {
      const journey = verify({}, 60_000, stop.signal);
      await until("the canary in the queue", async () => (await redis.llen(`QUEUE:${path}`)) === 1);
      stop.abort();
      return journey;
    });
    // It may be in the queue before the gateway has answered its PUT.
    const hop = expect.stringMatching(/^(put|claim)$/);
    expect([failed, left]).toEqual([{ hop, reason: "Stopped." }, undefined]);
  });

  it("removes what a run left that was killed, and nothing of one that goes on", async () => {
    const killed = makeCanary(path, 99_999);
    const s3 = clientOf(bucket);
    try {
      await without("ingest", async () => {
        for (const [Key, Body] of [
          [killed.sidecarKey, killed.sidecar],
          [killed.key, killed.fits],
        ] as const)
          // prettier-ignore
          await s3.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body }));
        await until("the canary in the queue", async () => (await redis.llen(`QUEUE:${path}`)) === 1);
        expect(await removeLeftovers({ place, redis, s3 })).toBe(0);
        expect(await redis.llen(`QUEUE:${path}`)).toBe(1);
        expect(await removeLeftovers({ place, redis, s3 }, 0)).toBe(1);
      });
    } finally {
      s3.destroy();
    }
  });

  it("works again after all that", async () => expect(await verify()).toMatchObject({ ok: true }));
});
