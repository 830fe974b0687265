import { join } from "node:path";
import type { Type } from "avsc";
import {
  type RunningInfluxdb,
  type RunningKafka,
  type RunningRegistry,
  startInfluxdb,
  startKafka,
  startRegistry,
} from "../../../local/services";
import { typeOf } from "../../../workloads/src/lib/avro";
import {
  type Admin,
  Kafka,
  type KafkaMessage,
  logLevel,
  type Message,
  Partitioners,
  type Producer,
} from "../../../workloads/src/lib/kafkajs";
import { testAddress, testFolder, until } from "../../support/network";
import { buildWorkloads, Pod } from "../../support/pod";
import { registerSchema } from "../../support/registry";

/** A point as InfluxDB gives it: fields by name, nulls left out. */
export interface Point {
  readonly timeNs: bigint;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Registered {
  readonly id: number;
  readonly type: Type;
}

const writer = { username: "connector", password: "writes-points-1" };

/** Kafka, a schema registry, InfluxDB and connectors between them. */
export class ConnectorStand {
  private readonly pods: Pod[] = [];
  private number = 0;

  private constructor(
    readonly folder: ReturnType<typeof testFolder>,
    readonly kafka: RunningKafka,
    readonly registry: RunningRegistry,
    readonly influxdb: RunningInfluxdb,
    readonly admin: Admin,
    private readonly client: Kafka,
    public producer: Producer,
  ) {}

  static async start(name: string, host: number): Promise<ConnectorStand> {
    const folder = testFolder(name);
    const address = testAddress(host);
    const [kafka, registry, influxdb] = await Promise.all([
      startKafka({ dir: join(folder.dir, "kafka"), address }),
      startRegistry({ dir: join(folder.dir, "registry"), address }),
      startInfluxdb({
        dir: join(folder.dir, "influxdb"),
        address,
        password: "reads-points-1",
        token: "operator-token",
      }),
      buildWorkloads(),
    ]);
    const client = new Kafka({
      brokers: [kafka.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, maxRetryTime: 1_000 },
    });
    const [admin, producer] = [client.admin(), client.producer({ createPartitioner: Partitioners.DefaultPartitioner })];
    await Promise.all([admin.connect(), producer.connect()]);
    const stand = new ConnectorStand(folder, kafka, registry, influxdb, admin, client, producer);
    await stand.addWriter();
    return stand;
  }

  /** Name that no other test of the stand has. */
  unique(name: string): string {
    return `${name}${++this.number}`;
  }

  async connector(
    name: string,
    topicPattern: string,
    env: Record<string, string> = {},
    { host = 60, member = "" } = {},
  ): Promise<Pod> {
    await this.createTopic(`dead.${name}`);
    const pod = await Pod.start({
      workload: "connector",
      pod: `connector-${name}${member}`,
      address: testAddress(host),
      dir: this.folder.dir,
      env: {
        KAFKA_BROKERS: this.kafka.bootstrap,
        REGISTRY_URL: this.registry.url,
        CONSUMER_GROUP: name,
        TOPIC_PATTERN: topicPattern,
        TOPIC_REFRESH_SECONDS: "1",
        INFLUXDB_URL: this.influxdb.url,
        INFLUXDB_DATABASE: "efd",
        INFLUXDB_USERNAME: writer.username,
        INFLUXDB_PASSWORD: writer.password,
        DEAD_LETTER_TOPIC: `dead.${name}`,
        ...env,
      },
    });
    this.pods.push(pod);
    return pod;
  }

  async createTopic(topic: string, partitions = 1, config: Record<string, string> = {}): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await this.admin.createTopics({
      topics: [{ topic, numPartitions: partitions, configEntries }],
      waitForLeaders: true,
    });
  }

  /** Deletes a topic; kafkajs' producer knows no end of one, so there is a new one. */
  async deleteTopic(topic: string): Promise<void> {
    await this.admin.deleteTopics({ topics: [topic] });
    await this.producer.disconnect();
    this.producer = this.client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await this.producer.connect();
  }

  async register(subject: string, definition: object): Promise<Registered> {
    return { id: await registerSchema(this.registry.url, subject, definition), type: typeOf(definition) };
  }

  send(topic: string, values: readonly (Buffer | string | null | Message)[]): Promise<unknown> {
    const messages = values.map((value) => (value === null || typeof value === "string" || Buffer.isBuffer(value) ? { value } : value)); // prettier-ignore
    return this.producer.send({ topic, messages });
  }

  /** Points of a measurement, by time. */
  async points(measurement: string): Promise<Point[]> {
    const query = new URLSearchParams({ db: "efd", rp: "autogen", epoch: "ns", q: `SELECT * FROM "${measurement}"` });
    const response = await fetch(`${this.influxdb.url}/query?${query}`, {
      headers: { authorization: `Token ${this.influxdb.token}` },
      signal: AbortSignal.timeout(20_000),
    });
    // Times and long integers are past what a double holds.
    const text = (await response.text()).replace(/([[,])(-?\d{16,})(?=[,\]])/g, '$1"$2"');
    const { results } = JSON.parse(text) as { results: { error?: string; series?: { columns: string[]; values: unknown[][] }[] }[] }; // prettier-ignore
    if (results[0]?.error) throw new Error(results[0].error);
    return (results[0]?.series?.[0]?.values ?? []).map(([time, ...values]) => ({
      timeNs: BigInt(time as string),
      fields: Object.fromEntries(
        values.flatMap((value, i) =>
          value === null ? [] : [[results[0]!.series![0]!.columns[i + 1]!, value] as const],
        ),
      ),
    }));
  }

  /** Waits until InfluxDB has so many points of a measurement. */
  async stored(measurement: string, count: number): Promise<Point[]> {
    const seen = () => this.points(measurement).then((points) => points.length);
    await until(`${count} points of ${measurement}`, async () => (await this.countOf(measurement)) >= count, {
      state: seen,
    });
    return this.points(measurement);
  }

  /** How many points a measurement has, by its field `n`. */
  async countOf(measurement: string): Promise<number> {
    const query = new URLSearchParams({ db: "efd", rp: "autogen", q: `SELECT count("n") FROM "${measurement}"` });
    const response = await fetch(`${this.influxdb.url}/query?${query}`, {
      headers: { authorization: `Token ${this.influxdb.token}` },
      signal: AbortSignal.timeout(10_000),
    });
    const { results } = (await response.json()) as { results: { series?: { values: number[][] }[] }[] };
    return results[0]?.series?.[0]?.values[0]?.[1] ?? 0;
  }

  /** Everything in the dead-letter topic of a connector, once it has `count` different records. */
  async deadLetters(
    name: string,
    count: number,
  ): Promise<Map<string, { headers: Record<string, string>; message: KafkaMessage }>> {
    const found = new Map<string, { headers: Record<string, string>; message: KafkaMessage }>();
    const kafka = new Kafka({ brokers: [this.kafka.bootstrap], logLevel: logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: this.unique("reader"), maxWaitTimeInMs: 100 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [`dead.${name}`], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message }) => {
          const headers = Object.fromEntries(
            Object.entries(message.headers ?? {}).map(([key, value]) => [key, String(value)]),
          );
          found.set(String(message.key), { headers, message });
        },
      });
      await until(`${count} dead letters of ${name}`, () => found.size >= count, { state: () => [...found.keys()] });
      const high = (await this.admin.fetchTopicOffsets(`dead.${name}`))[0]!.high;
      await until("all of them to be read", () => [...found.values()].some(({ message }) => BigInt(message.offset) + 1n >= BigInt(high))); // prettier-ignore
      return found;
    } finally {
      await consumer.disconnect();
    }
  }

  /** Sum of the committed offsets of a topic. */
  async committed(group: string, topic: string): Promise<number> {
    const [found] = await this.admin.fetchOffsets({ groupId: group, topics: [topic] });
    return (found?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  }

  committedBecomes(group: string, topic: string, wanted: number): Promise<boolean> {
    return until(`offset ${wanted} of ${topic}`, async () => (await this.committed(group, topic)) === wanted, {
      state: () => this.committed(group, topic),
    });
  }

  async stopPods(): Promise<void> {
    await Promise.all(this.pods.splice(0).map((pod) => pod.stop()));
  }

  async stop(): Promise<void> {
    await this.stopPods();
    await Promise.all([this.admin.disconnect(), this.producer.disconnect()]);
    await Promise.all([this.influxdb.stop(), this.registry.stop(), this.kafka.stop()]);
    this.folder.remove();
  }

  /** A user of 1.x that may write to the bucket, and nothing else. */
  private async addWriter(): Promise<void> {
    const ask = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Token ${this.influxdb.token}`, "content-type": "application/json" };
      const response = await fetch(this.influxdb.url + path, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`InfluxDB answers ${method} ${path} with ${response.status}: ${text}`);
      return (text ? JSON.parse(text) : {}) as { id: string; buckets: { id: string; orgID: string }[] };
    };
    const { id, orgID } = (await ask("GET", "/api/v2/buckets?name=efd")).buckets[0]!;
    const permissions = [{ action: "write", resource: { type: "buckets", id, orgID } }];
    const made = await ask("POST", "/private/legacy/authorizations", { token: writer.username, orgID, permissions });
    await ask("POST", `/private/legacy/authorizations/${made.id}/password`, { password: writer.password });
    await ask("POST", "/api/v2/dbrps", {
      bucketID: id,
      orgID,
      database: "efd",
      retention_policy: "autogen",
      default: true,
    });
  }
}

/** A message in Confluent's wire format. */
export function encoded({ id, type }: Registered, value: unknown): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, type.toBuffer(value)]);
}

/** A SAL topic's schema: the fields given, and the time. */
export function salSchema(topic: string, fields: readonly object[]): object {
  const dot = topic.lastIndexOf(".");
  const stamp = { name: "private_efdStamp", type: "double" };
  return { type: "record", namespace: topic.slice(0, dot), name: topic.slice(dot + 1), fields: [stamp, ...fields] };
}
