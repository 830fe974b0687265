import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { clientOf } from "../../../local/camera";
import {
  ensureButlerPython,
  type RunningKafka,
  type RunningRegistry,
  startKafka,
  startRegistry,
} from "../../../local/services";
import { typeOf } from "../../../workloads/src/lib/avro";
import { type Admin, Kafka, logLevel, type Message, type Producer } from "../../../workloads/src/lib/kafkajs";
import { startGateway, type TestGateway, testProfile } from "../../support/gateway";
import { testAddress, testFolder, until } from "../../support/network";
import { buildWorkloads, Pod } from "../../support/pod";
import { registerSchema } from "../../support/registry";

/** A Parquet file in S3, as pyarrow reads it, with the metadata of its object. */
export interface ReadFile {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly codec: string;
  readonly avro: string;
  readonly schema: Readonly<Record<string, string>>;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export const bucket = "efd-parquet";

/** A broker, a registry and a gateway for all tests of a file. */
export class Stand {
  private readonly folder = testFolder("sinks");
  private readonly address = testAddress(30);
  private kafka!: RunningKafka;
  private registry!: RunningRegistry;
  private gateway!: TestGateway;
  private s3!: S3Client;
  private host = 40;
  private readonly pods: Pod[] = [];
  admin!: Admin;
  producer!: Producer;
  client!: Kafka;

  async start(): Promise<void> {
    const { dir } = this.folder;
    [this.kafka, this.registry, this.gateway] = await Promise.all([
      startKafka({ dir: join(dir, "kafka"), address: this.address }),
      startRegistry({ dir: join(dir, "registry"), address: this.address }),
      startGateway(join(dir, "rgw"), this.address),
      buildWorkloads(),
    ]);
    this.s3 = clientOf(await this.gateway.createBucket(bucket));
    this.client = new Kafka({ brokers: [this.kafka.bootstrap], logLevel: logLevel.NOTHING });
    this.admin = this.client.admin();
    this.producer = this.client.producer();
    await Promise.all([this.admin.connect(), this.producer.connect()]);
    await this.kafka.createTopic("dead", 1);
  }

  get bootstrap(): string {
    return this.kafka.bootstrap;
  }

  async stopPods(): Promise<void> {
    await Promise.all(this.pods.splice(0).map((pod) => pod.stop()));
  }

  async stop(): Promise<void> {
    await this.stopPods();
    await Promise.all([this.admin?.disconnect(), this.producer?.disconnect()]);
    this.s3?.destroy();
    await Promise.all([this.registry?.stop(), this.kafka?.stop(), this.gateway?.rgw.stop()]);
    this.folder.remove();
  }

  createTopic(kafkaTopic: string, partitions = 1): Promise<void> {
    return this.kafka.createTopic(kafkaTopic, partitions);
  }

  register(kafkaTopic: string, definition: object): Promise<number> {
    return registerSchema(this.registry.url, `${kafkaTopic}-value`, definition);
  }

  /** Decodes a message by the registry's schema, without the code under test. */
  async decode(message: Buffer): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.registry.url}/schemas/ids/${message.readUInt32BE(1)}`);
    const { schema } = (await response.json()) as { schema: string };
    return typeOf(JSON.parse(schema)).fromBuffer(message.subarray(5)) as Record<string, unknown>;
  }

  restartRegistry(): Promise<void> {
    return this.registry.restart("SIGKILL");
  }

  restartGateway(): Promise<void> {
    return this.gateway.rgw.restart("SIGKILL");
  }

  startPod(
    workload: "parquet-sink" | "aggregator",
    pattern: string,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<Pod> {
    const host = this.host++;
    const store = { ...this.gateway.env, BUCKET: `${testProfile}@${bucket}` };
    return Pod.start({
      workload,
      pod: `${workload}-${host}`,
      address: testAddress(host),
      dir: this.folder.dir,
      env: {
        KAFKA_BROKERS: this.kafka.bootstrap,
        REGISTRY_URL: this.registry.url,
        TOPIC_PATTERN: pattern,
        CONSUMER_GROUP: `${workload}-${pattern}`,
        DEAD_LETTER_TOPIC: "dead",
        TOPIC_REFRESH_SECONDS: "1",
        SESSION_SECONDS: "6",
        ...(workload === "parquet-sink" ? store : {}),
        ...extra,
      },
    }).then((pod) => {
      this.pods.push(pod);
      return pod;
    });
  }

  /** Waits until a group has committed everything that a topic holds. */
  async committedAll(groupId: string, kafkaTopic: string): Promise<void> {
    const missing = async () => {
      const [offsets, ends] = await Promise.all([
        this.admin.fetchOffsets({ groupId, topics: [kafkaTopic] }),
        this.admin.fetchTopicOffsets(kafkaTopic),
      ]);
      const committed = new Map(offsets[0]!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return ends.map(({ partition, high }) => Number(high) - Math.max(0, committed.get(partition) ?? 0));
    };
    await until(`group ${groupId} to commit ${kafkaTopic}`, async () => (await missing()).every((one) => one === 0), {
      state: async () => ({ missing: await missing(), logs: this.pods.map((pod) => pod.tail(6)) }),
    });
  }

  /** All messages of a topic's partitions, in their order. */
  async read(kafkaTopic: string): Promise<Message[]> {
    const ends = await this.admin.fetchTopicOffsets(kafkaTopic);
    const wanted = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
    if (wanted === 0) return [];
    const consumer = this.client.consumer({ groupId: `reader-${this.host++}` });
    const found: Message[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [kafkaTopic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => void found.push(message) });
    await until(`${wanted} messages of ${kafkaTopic}`, () => found.length >= wanted);
    await consumer.disconnect();
    return found;
  }

  /** The files of a topic. */
  async files(kafkaTopic: string): Promise<ReadFile[]> {
    const dir = join(this.folder.dir, "read", kafkaTopic);
    mkdirSync(dir, { recursive: true });
    const answer = await this.s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `topics/${kafkaTopic}/` }));
    const keys = (answer.Contents ?? []).map(({ Key }) => Key!);
    if (answer.IsTruncated) throw new Error("More files than a page.");
    const metadata = new Map<string, Record<string, string>>();
    for (const key of keys) {
      const [object, head] = await Promise.all([
        this.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key })),
        this.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key })),
      ]);
      writeFileSync(join(dir, basename(key)), await object.Body!.transformToByteArray());
      metadata.set(key, head.Metadata ?? {});
    }
    if (keys.length === 0) return [];
    const args = [join(__dirname, "read_parquet.py"), ...keys.map((key) => join(dir, basename(key)))];
    const { stdout } = await promisify(execFile)(await ensureButlerPython(), args, { maxBuffer: 1 << 28 });
    const lines = stdout.trimEnd().split("\n");
    return lines.map((line, index) => {
      const key = keys[index]!;
      return { ...(JSON.parse(line) as Omit<ReadFile, "key" | "metadata">), key, metadata: metadata.get(key)! };
    });
  }
}

/** A message in Confluent's wire format. */
export function encode(schemaId: number, definition: object, value: unknown): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(schemaId, 1);
  return Buffer.concat([head, typeOf(definition).toBuffer(value)]);
}
