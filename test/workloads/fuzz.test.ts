import { Agent, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Redis } from "ioredis";
import { type RunningKafka, type RunningRedis, startKafka, startRedis } from "../../local/services";
import { Kafka, logLevel, Partitioners } from "../../workloads/src/lib/kafkajs";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, Pod } from "../support/pod";

const malformed = 10_000;
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const secret = "the right secret";
const bucket = "embargo@rubin-summit";
/** One good record rides with each so many bad messages. */
const goodEvery = 5;

/** Parts of object keys that have broken readers of keys. */
const oddPart = fc.oneof(
  fc.constantFrom(
    "#",
    "?",
    "%",
    "%zz",
    "%2",
    "%E2%82",
    "%00",
    "+",
    " ",
    "&",
    "ü",
    "星",
    "🔭",
    "\u0000",
    "\ud800",
    "\\",
    '"',
  ),
  fc.fullUnicodeString({ maxLength: 8 }),
);
const oddKey = fc.array(oddPart, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));

/** A record of the right shape whose key breaks the path grammar, though the regexp lets it pass. */
const offGrammar = oddKey.map((key) => ({
  eventName: "ObjectCreated:Put",
  s3: { bucket: { name: "rubin-summit" }, object: { key: `LSSTCam/20260603/${key}.fits`, eTag: "e" } },
}));

/** A record with one of its parts missing or of another type. */
const brokenRecord = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      eventName: fc.jsonValue(),
      opaqueData: fc.oneof(fc.constant(secret), fc.jsonValue()),
      s3: fc.record(
        {
          bucket: fc.oneof(fc.jsonValue(), fc.constant({ name: 7 })),
          object: fc.oneof(fc.jsonValue(), fc.constant({})),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  ),
);

/** Bodies that are no S3 event at all. */
const brokenBody = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .tuple(fc.array(offGrammar, { minLength: 1, maxLength: 3 }), fc.double({ min: 0, max: 0.99, noNaN: true }))
    .map(([Records, cut]) => {
      const text = JSON.stringify({ Records });
      return Buffer.from(text.slice(0, Math.floor(text.length * cut)));
    }),
  fc
    .constantFrom('{"Records":null}', '{"Records":{}}', "[]", "null", '{"__proto__":{"Records":[]}}', "[".repeat(9999))
    .map((text) => Buffer.from(text)),
);

const message = (Records: unknown[]) => Buffer.from(JSON.stringify({ Records }));

/** A good record whose key holds what readers of keys trip over, as Ceph sends it: unencoded. Each is a file of its own. */
function good(index: number): { record: object; path: string } {
  const odd = ["plain", "a#b", "a?b=c", "100%", "a+b", "a b", "ü", "星🔭", "%41", "'\"\\"][index % 10] as string;
  const expId = `MC_O_20260603_${String(index).padStart(6, "0")}`;
  const key = `LSSTCam/20260603/${expId}/${expId}_${odd}.fits`;
  const s3 = { bucket: { name: "rubin-summit" }, object: { key, eTag: `e${index}` } };
  return { record: { eventName: "ObjectCreated:Put", opaqueData: secret, s3 }, path: `${bucket}/${key}` };
}

/** Drawn once: both ways in are sent the same. */
let drawn: ReturnType<typeof draw> | undefined;
const draw = () => ({
  bodies: fc.sample(brokenBody, { numRuns: malformed / 2, seed }),
  records: fc.sample(fc.array(brokenRecord, { minLength: 1, maxLength: 4 }), { numRuns: malformed / 4, seed }),
  keys: fc.sample(fc.array(offGrammar, { minLength: 1, maxLength: 3 }), { numRuns: malformed / 4, seed }),
});

/** Bad messages with the good ones among them; of each the statuses that a sender may see. */
function* traffic(withSecrets: boolean): Generator<{ body: Buffer; good: string[]; allowed: number[] }> {
  const { bodies, records, keys } = (drawn ??= draw());
  let index = 0;
  for (let turn = 0; turn < malformed; turn++) {
    const withGood = turn % goodEvery === 0 ? good(++index) : undefined;
    const riders = withGood ? [withGood.record] : [];
    const paths = withGood ? [withGood.path] : [];
    if (turn % 4 < 2) {
      yield { body: bodies[turn >> 1] as Buffer, good: [], allowed: [200, 400, 401] };
      if (withGood) yield { body: message(riders), good: paths, allowed: [200] };
    } else if (turn % 4 === 2) {
      const broken = records[turn >> 2] as unknown[];
      yield { body: message([...broken, ...riders]), good: paths, allowed: withGood ? [200] : [200, 401] };
    } else {
      const wrong = withSecrets && turn % 8 === 3;
      const given = wrong ? `${secret}!` : secret;
      const marked = (keys[turn >> 2] as object[]).map((record) => ({ ...record, opaqueData: given }));
      yield { body: message([...riders, ...marked]), good: paths, allowed: wrong && !withGood ? [401] : [200] };
    }
  }
}

let redis: RunningRedis;
let kafka: RunningKafka;
let client: Redis;
const folder = testFolder("fuzz");

beforeAll(async () => {
  await buildWorkloads();
  const { dir } = folder;
  [redis, kafka] = await Promise.all([
    startRedis({ dir: `${dir}/redis`, address: testAddress(1), password: "fuzz" }),
    startKafka({ dir: `${dir}/kafka`, address: testAddress(2) }),
  ]);
  client = new Redis({ host: redis.host, port: redis.port, password: redis.password });
});

afterAll(async () => {
  client?.disconnect();
  await Promise.all([redis?.stop(), kafka?.stop()]);
  folder.remove();
});

const enqueue = (pod: string, address: string, env: Record<string, string>) =>
  Pod.start({
    workload: "enqueue",
    pod,
    address,
    dir: folder.dir,
    env: { REDIS_HOST: redis.host, REDIS_PASSWORD: "fuzz", DATASET_REGEXP: "\\.fits$", PROFILE: "embargo", ...env },
  });

/** The queue holds the good records, each once, and nothing else; the process is the one that was started. */
async function expectOnlyGood(pod: Pod, sent: string[]): Promise<void> {
  const queued = await client.lrange(redisKey.queue(bucket), 0, -1);
  expect(queued.length).toBe(sent.length);
  expect(new Set(queued)).toEqual(new Set(sent));
  expect(await client.llen(redisKey.rejected)).toBeLessThanOrEqual(1_000);
  expect(pod.restarts).toBe(0);
  expect(await pod.answers("/healthz")).toBe(true);
  expect(await pod.answers("/readyz")).toBe(true);
  expect(pod.log()).not.toContain(secret);
}

describe(`${malformed} malformed notifications (FUZZ_SEED=${seed})`, () => {
  it("by webhook: crash nothing and cost no good record", async () => {
    await client.flushall();
    const pod = await enqueue("enqueue-webhook", testAddress(3), { NOTIFICATION_SECRET: secret });
    try {
      const sent: string[] = [];
      const surprises: string[] = [];
      // fetch costs the test more than the notification costs the server.
      const agent = new Agent({ keepAlive: true, maxSockets: 16 });
      const postOnce = (body: Buffer | string, allowed: number[], type: string) =>
        new Promise<number>((resolve, reject) => {
          const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
          const sent = request(`${pod.url}/notify`, { method: "POST", agent, headers }, (reply) => {
            reply.resume().once("close", () => resolve(reply.statusCode ?? 0));
          });
          sent.once("error", (error: NodeJS.ErrnoException) => {
            // The server answers 413 and closes while a huge body is still being written: not every client sees the answer.
            if (allowed.includes(413) && /EPIPE|ECONNRESET/.test(error.code ?? "")) resolve(413);
            else reject(error);
          });
          sent.end(body);
        });
      const post = async (body: Buffer | string, allowed: number[], type = "application/json") => {
        let status = await postOnce(body, allowed, type);
        // Redis did not answer in time, on a busy machine: a gateway sends it again.
        for (let turn = 0; status === 503 && turn < 100; turn++) {
          await new Promise((done) => setTimeout(done, 200));
          status = await postOnce(body, allowed, type);
        }
        if (!allowed.includes(status)) surprises.push(`${status} for ${body.toString().slice(0, 200)}`);
      };
      const messages = traffic(true);
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          for (const { body, good: paths, allowed } of messages) {
            sent.push(...paths);
            await post(body, allowed);
          }
        }),
      );
      for (let turn = 0; turn < 8; turn++) {
        await post(Buffer.alloc(5 * 1024 * 1024, "a"), [413]);
        await post(JSON.stringify({ Records: [{ s3: "x".repeat(5 * 1024 * 1024) }] }), [413]);
        await post(message([good(1).record]), [415], "text/plain");
      }
      agent.destroy();
      expect(surprises).toEqual([]);
      expect(sent.length).toBe(malformed / goodEvery);
      await expectOnlyGood(pod, sent);
    } finally {
      expect(await pod.stop()).toBe(0);
    }
  });

  it("by Kafka: crash nothing and cost no good record", async () => {
    await client.flushall();
    const kafkaTopic = "rubin-summit-notification";
    await kafka.createTopic(kafkaTopic);
    const pod = await enqueue("enqueue-kafka", testAddress(4), {
      KAFKA_CLUSTER: kafka.bootstrap,
      KAFKA_TOPIC: kafkaTopic,
    });
    const producer = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    try {
      await producer.connect();
      const all = [...traffic(false)];
      const sent = all.flatMap(({ good: paths }) => paths);
      const values: (Buffer | null)[] = all.flatMap(({ body }, index) => (index % 100 ? [body] : [null, body]));
      for (let at = 0; at < values.length; at += 500) {
        const messages = values.slice(at, at + 500).map((value) => ({ value }));
        await producer.send({ topic: kafkaTopic, acks: -1, messages });
      }
      await until("every good record to be queued", async () => {
        return (await client.llen(redisKey.queue(bucket))) >= sent.length;
      });
      await expectOnlyGood(pod, sent);
    } finally {
      await producer.disconnect();
      expect(await pod.stop()).toBe(0);
    }
  });
});
