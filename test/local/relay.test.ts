import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type RunningRelay, startRelay } from "../../local/relay";
import { makeKafkaTopics } from "../../local/runner/kafka-topics";
import { type RunningKafka, startKafka } from "../../local/services";
import { ConfigResourceTypes, Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import { testAddress, testFolder, until } from "../support/network";

const kafkaTopic = "rubin-summit-notification";
const folder = testFolder("relay");
let kafka: RunningKafka;
let relay: RunningRelay;

beforeAll(async () => {
  kafka = await startKafka({ dir: `${folder.dir}/kafka`, address: testAddress(1) });
  await kafka.createTopic(kafkaTopic);
  relay = await startRelay({ host: testAddress(2), brokers: [kafka.bootstrap], produceLimitMs: 3_000 });
});

afterAll(async () => {
  await relay?.close();
  await kafka?.stop();
  folder.remove();
});

const post = (url: string, body: Buffer | string, type = "application/json") =>
  fetch(url, { method: "POST", headers: { "content-type": type }, body }).then(({ status }) => status);

describe("the relay from RGW's webhook to Kafka", () => {
  it("passes bodies on byte for byte, in order, and answers for what Kafka took", async () => {
    const bodies = [
      '{"Records":[]}',
      '{ "Records" : [ {"s3":{"object":{"key":"ü#?%+星"}}} ] }\n',
      "\u0000 no JSON at all",
    ];
    for (const body of bodies) expect(await post(relay.pushEndpoint(kafkaTopic), body)).toBe(200);
    expect(relay.produced).toBe(bodies.length);
    const consumer = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).consumer({
      groupId: "test",
    });
    const received: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: kafkaTopic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void received.push(message.value?.toString() ?? "") });
    await until("the messages", () => received.length >= bodies.length);
    await consumer.disconnect();
    expect(received).toEqual(bodies);
  });

  it.each([
    ["an empty body", kafkaTopic, "", 400],
    ["a topic that cannot be", "no%20topic", "x", 404],
  ])("refuses %s", async (_about, topic, body, status) => {
    expect(await post(relay.pushEndpoint(topic), body)).toBe(status);
  });

  it("answers 503 while the broker is away, and works again afterwards", async () => {
    await kafka.stop();
    expect(await post(relay.pushEndpoint(kafkaTopic), "while it is away")).toBe(503);
    kafka = await startKafka({ dir: `${folder.dir}/kafka`, address: testAddress(1) });
    await until("the relay to work again", async () => (await post(relay.pushEndpoint(kafkaTopic), "again")) === 200);
  });
});

describe("topics of KafkaTopics", () => {
  it("are made, get more partitions and another configuration, and stay when they are declared no more", async () => {
    const brokers = [kafka.bootstrap];
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const state = async (topic: string) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ["retention.ms"] }];
      const described = await admin.describeConfigs({ resources, includeSynonyms: false });
      return [topics[0]!.partitions.length, described.resources[0]!.configEntries[0]!.configValue];
    };
    try {
      const one = { name: "lsst.one", partitions: 1, config: { "retention.ms": "3600000" } };
      const two = { name: "lsst.two", partitions: 2, config: {} };
      expect(await makeKafkaTopics(brokers, [one, two])).toEqual(["topic lsst.one made", "topic lsst.two made"]);
      expect(await state("lsst.one")).toEqual([1, "3600000"]);
      const more = { ...one, partitions: 3, config: { "retention.ms": "7200000" } };
      expect(await makeKafkaTopics(brokers, [more])).toEqual(["topic lsst.one: 3 partitions"]);
      // The controller answers before the broker has read what it wrote.
      await until("the configuration", async () => (await state("lsst.one"))[1] === "7200000", {
        state: () => state("lsst.one"),
      });
      expect(await state("lsst.one")).toEqual([3, "7200000"]);
      expect((await state("lsst.two"))[0]).toBe(2);
      expect(await makeKafkaTopics(brokers, [more])).toEqual([]);
    } finally {
      await admin.disconnect();
    }
  });
});
