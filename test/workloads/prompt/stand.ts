import { join } from "node:path";
import type { Type } from "avsc";
import { Redis } from "ioredis";
import {
  type RunningKafka,
  type RunningRedis,
  type RunningRegistry,
  startKafka,
  startRedis,
  startRegistry,
} from "../../../local/services";
import type { FanOutDocument } from "../../../workloads/src/fan-out/contract";
import { typeOf } from "../../../workloads/src/lib/avro";
import { type Admin, Kafka, logLevel, type Producer } from "../../../workloads/src/lib/kafkajs";
import { writeFileSync } from "node:fs";
import { testAddress, testFolder, until } from "../../support/network";
import { buildWorkloads, Pod } from "../../support/pod";
import { registerSchema } from "../../support/registry";

const doubles = ["private_efdStamp", "private_kafkaStamp", "private_sndStamp", "private_rcvStamp", "startTime", "cameraAngle", "duration"]; // prettier-ignore
const longs = ["salIndex", "private_seqNum", "private_origin", "scriptSalIndex", "coordinateSystem", "rotationSystem", "dome", "nimages", "totalCheckpoints"]; // prettier-ignore
const strings = ["private_revCode", "private_identity", "groupId", "filters", "instrument", "survey"];

/** Schema of the event at its source: 23 fields, each with a default. `without` gives one of earlier years. */
export function nextVisitSchema(...without: string[]): object {
  const of = (names: string[], type: string, fallback: unknown) => names.map((name) => ({ name, type, default: fallback })); // prettier-ignore
  const position = { name: "position", type: { type: "array", items: "double" }, default: [0, 0] };
  const fields = [...of(doubles, "double", 0), ...of(longs, "long", 0), ...of(strings, "string", ""), position];
  const record = {
    type: "record",
    name: "logevent_nextVisit",
    namespace: "lsst.sal.ScriptQueue",
    sal_version: "7.4.0",
  };
  return { ...record, fields: fields.filter(({ name }) => !without.includes(name)) };
}

/** Active detectors of LSSTCam in production: 172 of 189. */
export const activeDetectors = Array.from({ length: 189 }, (_, id) => id).filter(
  (id) => ![0, 1, 19, 20, 27, 30, 65, 68, 120, 122, 123, 158, 161, 168, 169, 187, 188].includes(id),
);

const defaults = Object.fromEntries((nextVisitSchema() as { fields: { name: string; default: unknown }[] }).fields.map((field) => [field.name, field.default])); // prettier-ignore

export interface Registered {
  readonly id: number;
  readonly type: Type;
}

/** Kafka, a schema registry, Redis, and fan-outs between them. */
export class PromptStand {
  readonly password = "pw";
  private readonly pods: Pod[] = [];
  private number = 0;
  private groups = 0;

  private constructor(
    readonly folder: ReturnType<typeof testFolder>,
    readonly host: number,
    readonly kafka: RunningKafka,
    readonly registry: RunningRegistry,
    readonly redisServer: RunningRedis,
    readonly redis: Redis,
    readonly admin: Admin,
    readonly producer: Producer,
  ) {}

  static async start(name: string, host: number): Promise<PromptStand> {
    const folder = testFolder(name);
    const address = testAddress(host);
    const password = "pw";
    const [kafka, registry, redisServer] = await Promise.all([
      startKafka({ dir: join(folder.dir, "kafka"), address }),
      startRegistry({ dir: join(folder.dir, "registry"), address }),
      startRedis({ dir: join(folder.dir, "redis"), address, password }),
      buildWorkloads(),
    ]);
    const redis = new Redis({ host: address, password, retryStrategy: () => 50 });
    redis.on("error", () => undefined);
    const client = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
    const [admin, producer] = [client.admin(), client.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    return new PromptStand(folder, host, kafka, registry, redisServer, redis, admin, producer);
  }

  /** Name that no other test of the stand has. */
  unique(name: string): string {
    return `${name}-${++this.number}`;
  }

  async topic(name = "nextVisit"): Promise<string> {
    const kafkaTopic = this.unique(name);
    await this.kafka.createTopic(kafkaTopic, 1);
    return kafkaTopic;
  }

  async register(kafkaTopic: string, definition: object = nextVisitSchema()): Promise<Registered> {
    const id = await registerSchema(this.registry.url, `${kafkaTopic}-value`, definition);
    return { id, type: typeOf(definition) };
  }

  /** A visit of LSSTCam as the Summit announces it, sent now, of a group that no other has. */
  visit(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const now = Date.now() / 1000;
    return {
      ...defaults,
      salIndex: 1,
      scriptSalIndex: 200_123,
      instrument: "LSSTCam",
      groupId: `2026-01-23T23:33:14.${String(++this.groups).padStart(6, "0")}`,
      coordinateSystem: 2,
      position: [134.5454, -65.3261],
      startTime: now + 37.5,
      rotationSystem: 2,
      cameraAngle: 135.5,
      filters: "i_39",
      dome: 2,
      duration: 30,
      nimages: 1,
      survey: "BLOCK-365",
      totalCheckpoints: 1,
      private_efdStamp: now,
      private_sndStamp: now + 37,
      ...change,
    };
  }

  async send(kafkaTopic: string, values: readonly (Buffer | null)[]): Promise<void> {
    await this.producer.send({ topic: kafkaTopic, messages: values.map((value) => ({ value })) });
  }

  /** A fan-out of its own consumer group, named as the topic. */
  async fanOut(
    kafkaTopic: string,
    document: FanOutDocument,
    env: Record<string, string> = {},
    host = this.host + 1,
  ): Promise<Pod> {
    // prettier-ignore
    const file = join(this.folder.dir, `${kafkaTopic}.json`);
    writeFileSync(file, JSON.stringify(document));
    const pod = await Pod.start({
      workload: "fan-out",
      pod: `fan-out-${kafkaTopic}-${host}`,
      address: testAddress(host),
      dir: this.folder.dir,
      env: {
        REDIS_HOST: this.redisServer.host,
        REDIS_PASSWORD: this.password,
        KAFKA_BROKERS: this.kafka.bootstrap,
        REGISTRY_URL: this.registry.url,
        NEXT_VISIT_TOPIC: kafkaTopic,
        CONSUMER_GROUP: kafkaTopic,
        OFFSET: "earliest",
        SESSION_SECONDS: "6",
        INSTRUMENT_CONFIG_FILE: file,
        ...env,
      },
    });
    this.pods.push(pod);
    return pod;
  }

  async committed(kafkaTopic: string): Promise<number> {
    const [found] = await this.admin.fetchOffsets({ groupId: kafkaTopic, topics: [kafkaTopic] });
    return Number(found?.partitions[0]?.offset ?? -1);
  }

  committedBecomes(kafkaTopic: string, wanted: number): Promise<boolean> {
    return until(`offset ${wanted} of ${kafkaTopic}`, async () => (await this.committed(kafkaTopic)) === wanted, {
      state: () => this.committed(kafkaTopic),
    });
  }

  /** Fields of all entries of a stream. */
  async entries(stream: string): Promise<Record<string, string>[]> {
    const found = await this.redis.xrange(stream, "-", "+");
    return found.map(([, flat]) =>
      Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]!]]))),
    );
  }

  async stopPods(): Promise<void> {
    await Promise.all(this.pods.splice(0).map((pod) => pod.stop()));
  }

  async stop(): Promise<void> {
    await this.stopPods();
    this.redis.disconnect();
    await Promise.all([this.admin.disconnect(), this.producer.disconnect()]);
    await Promise.all([this.redisServer.stop(), this.registry.stop(), this.kafka.stop()]);
    this.folder.remove();
  }
}

/** A message in Confluent's wire format. */
export function encoded({ id, type }: Registered, value: unknown): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, type.toBuffer(value)]);
}

/** What one stream and its group are called for an instrument, with the detectors given. */
export const routeOf = (slug: string, detectors: readonly number[], url?: string) => ({
  stream: `instrument:${slug}`,
  consumerGroup: `${slug}_consumer_group`,
  detectors: [...detectors],
  ...(url !== undefined && { url }),
});
