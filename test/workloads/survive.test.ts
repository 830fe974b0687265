import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import {
  type Bucket,
  clientOf,
  exposureOf,
  filesOf,
  instrumentNamed,
  sendExposures,
  sidecarKey,
} from "../../local/camera";
import { type RunningRelay, startRelay } from "../../local/relay";
import {
  type RunningKafka,
  type RunningPostgres,
  type RunningRedis,
  startKafka,
  startPostgres,
  startRedis,
} from "../../local/services";
import { bucketState } from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { type FaultyPython, faultyPython, prepareRegistry, registryContents } from "../support/butler";
import { startGateway, type TestGateway, testProfile } from "../support/gateway";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, Pod, runJob } from "../support/pod";

/** What is sent to each of the two buckets: 1,250 FITS files, each with a sidecar; together 5,000 objects. */
const night = [
  { instrument: "LSSTCam", exposures: 6, files: 6 * 205 },
  { instrument: "LSSTComCam", exposures: 2, files: 2 * 9 },
  { instrument: "LATISS", exposures: 2, files: 2 },
];
/** With the file of an odd name, an exposure of LATISS too. */
const filesPerBucket = 1_251;
/** Exposures of LSSTCam a second in each bucket: the PUTs last as long as the disturbances. */
const ratePerSecond = 0.1;
const leaseSeconds = 5;
/** How long a gateway that was restarted may tell nothing: locks of 90 s, then some for what has gathered. */
const gatewayStandsMs = 100_000;
let gatewayRestartedMs = 0;
const butlerFaultRate = 0.1;
const secret = "survive";
const redisPassword = "survive-redis";

/** Two ways into the same system: RGW calls enqueue, or fills a Kafka topic (through the relay) that enqueue reads. */
const flavours = [
  { name: "webhook", bucket: "rubin-summit", dayObs: "20260603" },
  { name: "kafka", bucket: "rubin-summit-kafka", dayObs: "20260604" },
] as const;
type Flavour = (typeof flavours)[number];
const queueName = ({ bucket }: Flavour) => `${testProfile}@${bucket}`;

const folder = testFolder("survive");
let redis: RunningRedis;
let kafka: RunningKafka;
let postgres: RunningPostgres;
let gateway: TestGateway;
let relay: RunningRelay;
let python: FaultyPython;
let client: Redis;
const pods = new Map<string, Pod>();
const pod = (name: string): Pod => pods.get(name) as Pod;

const redisEnv = () => ({ REDIS_HOST: redis.host, REDIS_PASSWORD: redisPassword });
const storeEnv = (flavour: Flavour) => ({
  ...redisEnv(),
  ...gateway.env,
  BUCKET: queueName(flavour),
  BUTLER_REPO: `${folder.dir}/repo`,
  BUTLER_MODE: "plain",
  BUTLER_CREATE: "true",
  BUTLER_REGISTRY_URL: `postgresql://${postgres.user}@${postgres.host}:${postgres.port}/embargo`,
  PGPASSWORD: postgres.password,
  BUTLER_PYTHON: python.path,
});

async function startPod(host: number, name: string, workload: string, env: Record<string, string>): Promise<void> {
  pods.set(name, await Pod.start({ workload, pod: name, address: testAddress(host), dir: folder.dir, env }));
}

const ingestEnv = (flavour: Flavour) => ({
  ...storeEnv(flavour),
  MAX_INGESTS: "50",
  LEASE_DURATION: String(leaseSeconds),
  RETRY_MAX: "5",
});

beforeAll(async () => {
  const { dir } = folder;
  [redis, kafka, postgres, gateway, python] = await Promise.all([
    startRedis({ dir: `${dir}/redis`, address: testAddress(1), password: redisPassword }),
    startKafka({ dir: `${dir}/kafka`, address: testAddress(2) }),
    startPostgres({ dir: `${dir}/postgres`, address: testAddress(3), password: "survive-pg", databases: ["embargo"] }),
    startGateway(`${dir}/rgw`, testAddress(4)),
    faultyPython(dir, butlerFaultRate),
    buildWorkloads(),
  ]);
  await prepareRegistry(postgres.url("embargo"));
  client = new Redis({ host: redis.host, port: redis.port, password: redisPassword, maxRetriesPerRequest: null });
  client.on("error", () => {}); // it is restarted on purpose; ioredis connects again by itself
  relay = await startRelay({ host: testAddress(5), brokers: [kafka.bootstrap] });
  await kafka.createTopic("rubin-summit-notification", 2);
  const enqueueEnv = {
    ...redisEnv(),
    PROFILE: testProfile,
    DATASET_REGEXP: "\\.fits$",
    BUCKETS: flavours.map(queueName).join(","),
  };
  const [webhook, viaKafka] = flavours;
  await Promise.all([
    startPod(10, "enqueue-webhook", "enqueue", { ...enqueueEnv, NOTIFICATION_SECRET: secret }),
    startPod(11, "enqueue-kafka", "enqueue", {
      ...enqueueEnv,
      KAFKA_CLUSTER: kafka.bootstrap,
      KAFKA_TOPIC: "rubin-summit-notification",
    }),
    startPod(12, "idle", "idle", { ...redisEnv(), IDLE_PERIOD: "1" }),
    startPod(13, "presence", "presence", redisEnv()),
    startPod(14, "ingest-0", "ingest", ingestEnv(webhook)).then(() =>
      Promise.all([
        startPod(15, "ingest-slow", "ingest", ingestEnv(webhook)),
        startPod(16, "ingest-kafka", "ingest", ingestEnv(viaKafka)),
      ]),
    ),
    ...flavours.map(({ bucket }) => gateway.createBucket(bucket)),
  ]);
  await gateway.notify(webhook.bucket, "rubin-summit-webhook", `${pod("enqueue-webhook").url}/notify`, secret);
  await gateway.notify(viaKafka.bucket, "rubin-summit-notification", relay.pushEndpoint("rubin-summit-notification"));
});

afterAll(async () => {
  over = true;
  client?.disconnect();
  await Promise.all([...pods.values()].map((running) => running.stop(5_000)));
  await relay?.close();
  await Promise.all([redis?.stop(), kafka?.stop(), postgres?.stop(), gateway?.rgw.stop()]);
  if (!process.env.KEEP_TEST_FOLDER) folder.remove();
});

/** Set when the test has ended, however: nothing is killed or started again after that. */
let over = false;

let beganMs = Date.now();
/** A line of progress: this test takes minutes, and says where it is. */
function tell(what: string): void {
  process.stderr.write(`survive ${((Date.now() - beganMs) / 1000).toFixed(0).padStart(3)} s: ${what}\n`);
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function put(bucket: Bucket, objects: Record<string, string | Buffer>): Promise<void> {
  const s3 = clientOf(bucket);
  for (const [key, body] of Object.entries(objects)) {
    await s3.send(new PutObjectCommand({ Bucket: bucket.name, Key: key, Body: body }));
  }
  s3.destroy();
}

/** Objects that can never be ingested; the values are what the dead letters must say. */
async function sendBad(bucket: Bucket, dayObs: string): Promise<Map<string, string>> {
  const latiss = instrumentNamed("LATISS");
  const file = (seqNum: number) => {
    const expId = `AT_O_${dayObs}_${String(seqNum).padStart(6, "0")}`;
    return `LATISS/${dayObs}/${expId}/${expId}_R00_S00.fits`;
  };
  const { fits, sidecar } = filesOf(exposureOf(latiss, dayObs, 90_000), latiss.detectors[0]!);
  const edited = (seqNum: number, change: object) =>
    JSON.stringify({ ...JSON.parse(sidecar.toString()), OBSID: file(seqNum).split("/")[2], SEQNUM: seqNum, ...change });
  const bad: [key: string, code: string, sidecar?: string][] = [
    [`LATISS/${dayObs}/stray.fits`, "OBJECT_PATH"],
    [file(90_001), "METADATA", edited(90_001, { RAFTBAY: "R99" })],
    [file(90_002), "METADATA", edited(90_002, { INSTRUME: "HSC" })],
    [file(90_003), "METADATA", edited(90_003, { DAYOBS: "yesterday" })],
  ];
  for (const [key, , json] of bad) await put(bucket, { ...(json ? { [sidecarKey(key)]: json } : {}), [key]: fits });
  return new Map(bad.map(([key, code]) => [key, code]));
}

/** A good file under a key that has every character which naive readers of keys trip over. */
async function sendOdd(bucket: Bucket, dayObs: string): Promise<string> {
  const latiss = instrumentNamed("LATISS");
  const exposure = exposureOf(latiss, dayObs, 80_000);
  const key = `LATISS/${dayObs}/${exposure.obsId}/${exposure.obsId}_R00_S00 a+b%41#1?ü星.fits`;
  const { fits, sidecar } = filesOf(exposure, latiss.detectors[0]!);
  await put(bucket, { [sidecarKey(key)]: sidecar, [key]: fits });
  return key;
}

/** Every disturbance of the issue, one after the other; gives what was done, for the log. */
async function disturb(puttingEnds: Promise<unknown>): Promise<string[]> {
  const done: string[] = [];
  const step = async (what: string, pauseMs: number, body: () => unknown) => {
    if (over) return;
    await body();
    done.push(what);
    tell(what);
    await wait(pauseMs);
  };
  const killed = ["enqueue-webhook", "ingest-0", "enqueue-kafka", "ingest-kafka", "idle", "presence"];
  await wait(2_000);
  for (const name of killed) await step(`kill -9 ${name}`, 2_000, () => pod(name).kill("SIGKILL"));
  await step("stop ingest-slow past its lease", 0, async () => {
    pod("ingest-slow").kill("SIGSTOP");
    await wait((leaseSeconds + 3) * 1000);
    pod("ingest-slow").kill("SIGCONT");
  });
  await step("kill -9 redis", 3_000, () => redis.restart("SIGKILL"));
  await step("kill -9 kafka", 3_000, () => kafka.restart("SIGKILL"));
  await step("restart rgw", 3_000, () => gateway.rgw.restart());
  gatewayRestartedMs = Date.now();
  let putting = true;
  const ended = puttingEnds.finally(() => (putting = false));
  for (let turn = 0; putting && !over; turn++) {
    const name = killed[turn % killed.length] as string;
    await Promise.race([ended, wait(8_000)]);
    if (putting) await step(`kill -9 ${name}`, 0, () => pod(name).kill("SIGKILL"));
  }
  return done;
}

/** Objects of a bucket that are counted as ingested, by instrument. */
async function ingestedCounts(flavour: Flavour): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { instrument } of night) {
    const days = await client.hgetall(redisKey.ingested(queueName(flavour), instrument));
    counts[instrument] = Object.values(days).reduce((sum, count) => sum + Number(count), 0);
  }
  return counts;
}
const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Waits until every object of each bucket is ingested, and nothing is queued, held, retried or left to follow up. */
async function settled(all: number): Promise<void> {
  let seen = "";
  await until(
    "all objects to be ingested and the queues to be empty",
    async () => {
      const states = await Promise.all(flavours.map((flavour) => bucketState(client, queueName(flavour))));
      const counts = (await Promise.all(flavours.map(ingestedCounts))).map(total);
      seen = JSON.stringify([states, counts]);
      const empty = states.every(
        ({ queued, retrying, followUps, workers }) =>
          queued + retrying + followUps === 0 && workers.every(({ held }) => held === 0),
      );
      return empty && counts.every((count) => count >= all);
    },
    { pollMs: 300, state: () => seen },
  );
}

describe("embargo ingest survives", () => {
  it("kills, restarts, a slow pod and a failing Butler while 5,000 objects are PUT, by webhook and by Kafka", async () => {
    beganMs = Date.now();
    const expected = new Map<Flavour, string[]>();
    const bad = new Map<Flavour, Map<string, string>>();
    const send = async (flavour: Flavour) => {
      const bucket = gateway.bucket(flavour.bucket);
      const keys: string[] = [];
      for (const { instrument, exposures } of [...night].reverse()) {
        const rate = instrument === "LSSTCam" ? ratePerSecond : undefined;
        const sent = await sendExposures({
          instrument,
          bucket,
          exposures,
          ratePerSecond: rate,
          dayObs: flavour.dayObs,
          firstSeqNum: 1,
          concurrency: 16,
        });
        keys.push(...sent.exposures.flatMap((exposure) => exposure.keys));
        if (instrument === "LATISS") keys.push(await sendOdd(bucket, flavour.dayObs));
        if (instrument === "LATISS") bad.set(flavour, await sendBad(bucket, flavour.dayObs));
      }
      expected.set(flavour, keys);
    };
    const putting = Promise.all(flavours.map(send));
    const [disturbances] = await Promise.all([disturb(putting), putting]);
    tell("all PUTs are done");
    await Promise.all([...pods.values()].map((running) => running.ready()));
    // The CronJob looks for what no notification told of. After its restart the gateway tells nothing until the locks of
    // the old one on the notification queues expire, so most of what it tells then has been found already.
    await Promise.all(
      flavours.map(async (flavour, index) => {
        const env = { ...storeEnv(flavour), DATASET_REGEXP: "\\.fits$", MIN_AGE: "0" };
        const name = `reconcile-${flavour.name}`;
        await runJob({ workload: "reconcile", pod: name, address: testAddress(20 + index), dir: folder.dir, env });
      }),
    );
    tell(`reconciled; ingested ${(await Promise.all(flavours.map(ingestedCounts))).map(total).join(" + ")}`);
    await settled(filesPerBucket);
    tell("all is ingested; waiting for what the gateway tells late");
    await wait(Math.max(0, gatewayRestartedMs + gatewayStandsMs - Date.now()));
    await settled(filesPerBucket);
    tell("settled");

    const registry = await registryContents(postgres.url("embargo"));
    const wanted = flavours.flatMap((flavour) =>
      (expected.get(flavour) as string[]).map((key) => `s3://${queueName(flavour)}/${key}`),
    );
    expect(wanted.length).toBe(flavours.length * filesPerBucket);
    expect([...registry.paths].sort()).toEqual([...wanted].sort());
    expect(registry.datasets).toBe(wanted.length);
    const exposures = night.reduce((sum, sent) => sum + sent.exposures, 0);
    expect(registry.visits).toBe(flavours.length * (exposures + 1));
    const files = Object.fromEntries(night.map((sent) => [sent.instrument, sent.files]));
    for (const flavour of flavours) {
      expect(await ingestedCounts(flavour)).toEqual({ ...files, LATISS: files.LATISS! + 1 });
      const dead = await client.hgetall(redisKey.dead(queueName(flavour)));
      const codes = Object.entries(dead).map(([path, json]) => [path, (JSON.parse(json) as { code: string }).code]);
      const prefix = `${queueName(flavour)}/`;
      const wantedDead = [...(bad.get(flavour) as Map<string, string>)].map(([key, code]) => [prefix + key, code]);
      expect(Object.fromEntries(codes)).toEqual(Object.fromEntries(wantedDead));
    }
    expect(await client.llen(redisKey.rejected)).toBe(0);
    // The test itself must have bitten: each fault was there.
    const faults = python.faults();
    expect(Object.keys(faults).sort()).toEqual(["died after", "died before", "lost after", "lost before"]);
    for (const name of ["enqueue-webhook", "enqueue-kafka", "ingest-0", "ingest-kafka", "idle", "presence"]) {
      expect([name, pod(name).restarts]).not.toEqual([name, 0]);
    }
    tell(`held through ${disturbances.length} disturbances; the Butler failed: ${JSON.stringify(faults)}`);
  });
});
