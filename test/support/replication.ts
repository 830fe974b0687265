import { setTimeout as sleep } from "node:timers/promises";
import {
  type MirrorMakerSpec,
  type RunningKafka,
  type RunningMirrorMaker,
  startKafka,
  startMirrorMaker,
} from "../../local/services";
import { registerCodecs } from "../../workloads/src/lib/kafkaCodecs";
import {
  type Admin,
  ConfigResourceTypes,
  type Consumer,
  Kafka,
  type KafkaMessage,
  logLevel,
  type Producer,
} from "../../workloads/src/lib/kafkajs";
import { testAddress, testFolder, until } from "./network";

export const sites = ["summit", "usdf"] as const;
export type Site = (typeof sites)[number];
export const otherOf = (site: Site): Site => (site === "summit" ? "usdf" : "summit");

/** A record as a reader sees it. */
export interface Received {
  readonly value: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: string;
}

const receivedOf = ({ value, key, headers = {}, timestamp }: KafkaMessage): Received => ({
  value: String(value),
  key: key?.toString() ?? "",
  headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, String(one)])),
  timestamp,
});

/** Two brokers that mirror each other's topics, each with a MirrorMaker 2 of its own beside it. */
export class ReplicationStand {
  readonly folder = testFolder("replication");
  readonly broker = {} as Record<Site, RunningKafka>;
  readonly mirror = {} as Record<Site, RunningMirrorMaker>;
  readonly kafka = {} as Record<Site, Kafka>;
  readonly admin = {} as Record<Site, Admin>;
  /** Values that a broker has acknowledged, by site and topic, in their order. */
  readonly acknowledged = { summit: new Map<string, string[]>(), usdf: new Map<string, string[]>() };
  private readonly producer = {} as Record<Site, Producer>;
  private readonly consumers: Consumer[] = [];
  private sent = 0;

  /** @param declared - The KafkaMirrorMaker2 of a site, by the bootstrap servers of both. */
  constructor(
    private readonly topics: readonly string[],
    private readonly declared: (site: Site, bootstrap: (site: Site) => string) => MirrorMakerSpec,
  ) {}

  /** Starts the brokers; both get the same topics. */
  async startBrokers(): Promise<void> {
    registerCodecs(); // mirrors compress
    await Promise.all(
      sites.map(async (site, index) => {
        const dir = `${this.folder.dir}/kafka-${site}`;
        const broker = (this.broker[site] = await startKafka({ dir, address: testAddress(1 + index) }));
        const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
        this.kafka[site] = kafka;
        this.admin[site] = kafka.admin();
        this.producer[site] = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
        await Promise.all([this.admin[site].connect(), this.producer[site].connect()]);
        await this.createTopics(site, this.topics);
      }),
    );
  }

  async startMirrors(): Promise<void> {
    await Promise.all(
      sites.map(async (site, index) => {
        this.mirror[site] = await startMirrorMaker({
          dir: `${this.folder.dir}/mirror-${site}`,
          address: testAddress(3 + index),
          spec: this.declared(site, (one) => this.broker[one].bootstrap),
        });
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.disconnect()));
    await Promise.all(sites.flatMap((site) => [this.producer[site]?.disconnect(), this.admin[site]?.disconnect()]));
    await Promise.all(sites.map((site) => this.mirror[site]?.stop()));
    await Promise.all(sites.map((site) => this.broker[site]?.stop()));
    this.folder.remove();
  }

  async createTopics(site: Site, topics: readonly string[]): Promise<void> {
    await this.admin[site].createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })) });
  }

  /** Sets all of a topic's own configuration. */
  async configure(site: Site, topic: string, config: Readonly<Record<string, string>>): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await this.admin[site].alterConfigs({ validateOnly: false, resources });
  }

  async configOf(site: Site, topic: string, configNames: string[]): Promise<Record<string, string>> {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames }];
    const { resources: found } = await this.admin[site].describeConfigs({ resources, includeSynonyms: false });
    return Object.fromEntries(found[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]));
  }

  /** Sends one message to each topic; what the broker does not acknowledge is sent again until it does. */
  async send(site: Site, topics: readonly string[]): Promise<void> {
    const topicMessages = topics.map((topic) => ({
      topic,
      messages: [{ key: topic, value: `${topic} ${this.sent++}`, headers: { origin: "test" } }],
    }));
    const send = async () => (await this.producer[site].sendBatch({ topicMessages })).length > 0;
    await until(`${site} to take messages`, send);
    for (const { topic, messages } of topicMessages) {
      const values = this.acknowledged[site].get(topic) ?? [];
      this.acknowledged[site].set(topic, [...values, messages[0]!.value]);
    }
  }

  /** Both sites write on while `work` is done. */
  async whileWriting(topics: readonly string[], work: () => Promise<void>): Promise<void> {
    let writing = true;
    const written = sites.map(async (site) => {
      for (let turn = 0; writing; turn++) {
        const first = turn % topics.length;
        await this.send(site, topics.slice(first, first + 5));
        await sleep(250);
      }
    });
    await work().finally(() => (writing = false));
    await Promise.all(written);
  }

  /** kill -9 of a site: broker and MirrorMaker at once; both start again. */
  async crash(site: Site): Promise<void> {
    this.mirror[site].process.kill("SIGKILL");
    await this.broker[site].restart("SIGKILL");
    await this.mirror[site].restart("SIGKILL");
  }

  /** Waits until every topic of `from` that was written to has its mirror at the other site. */
  async mirrored(from: Site): Promise<void> {
    const site = otherOf(from);
    const states = () => this.mirror[site].states();
    const all = async () => {
      const there = new Set(await this.admin[site].listTopics());
      return [...this.acknowledged[from].keys()].every((topic) => there.has(`${from}.${topic}`));
    };
    await until(`the mirrors of ${from}`, all, { state: states });
  }

  /** Reads every topic of `origin` at a site, up to the last message that was sent; by topic, in the order of each. */
  async readAll(site: Site, origin: Site): Promise<Map<string, Received[]>> {
    const prefix = site === origin ? "" : `${origin}.`;
    const own = [...this.acknowledged[origin].keys()];
    const received = new Map<string, Received[]>(own.map((topic) => [topic, []]));
    const consumer = this.consumer(site, `connector-test-${origin}`);
    await consumer.connect();
    await consumer.subscribe({ topics: own.map((topic) => prefix + topic), fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, message }) =>
        void received.get(topic.slice(prefix.length))!.push(receivedOf(message)),
    });
    const last = (topic: string) => this.acknowledged[origin].get(topic)!.at(-1);
    const missing = () => own.filter((topic) => received.get(topic)!.at(-1)?.value !== last(topic));
    const state = () => `${missing().length} of ${own.length} topics: ${missing().slice(0, 3).join(", ")}`;
    await until(`messages of ${origin} at ${site}`, () => missing().length === 0, { state });
    await consumer.disconnect();
    return received;
  }

  /** The first records of a topic. */
  async read(site: Site, topic: string, count: number): Promise<Received[]> {
    const received: Received[] = [];
    const consumer = this.consumer(site, `connector-test-${topic}`);
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => void received.push(receivedOf(message)),
    });
    await until(`${count} records of ${topic}`, () => received.length >= count);
    await consumer.disconnect();
    return received;
  }

  /** Reads with a group from where it is up to the last message sent at the Summit, commits what was read, and leaves. */
  async readAsGroup(site: Site, group: string, topic: string): Promise<string[]> {
    const values: string[] = [];
    const consumer = this.consumer(site, group);
    const prefix = site === "summit" ? "" : "summit.";
    await consumer.connect();
    await consumer.subscribe({ topics: [prefix + topic], fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message: { value } }) => void values.push(String(value)) });
    const last = this.acknowledged.summit.get(topic)!.at(-1);
    await until(`${group} at ${site}`, () => values.at(-1) === last, { state: () => values.length });
    await consumer.disconnect(); // commits
    return values;
  }

  /** Committed offset of a group's only partition of a topic; -1 where there is none. */
  async committed(site: Site, group: string, topic: string): Promise<number> {
    const [found] = await this.admin[site].fetchOffsets({ groupId: group, topics: [topic] });
    return Number(found?.partitions[0]?.offset ?? -1);
  }

  private consumer(site: Site, groupId: string): Consumer {
    const consumer = this.kafka[site].consumer({ groupId, maxWaitTimeInMs: 200 });
    this.consumers.push(consumer);
    return consumer;
  }
}
