import { ConfigResourceTypes, Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import { backoffMs, sleep } from "../../workloads/src/lib/process";
import type { Controller, KafkaTopic } from "./manifest";

/** Variables that name topics which programs read and a facility has from elsewhere: the observatory, the object store. */
const foreign = new Set(["NEXT_VISIT_TOPIC", "BUCKET_TOPIC"]);

/** Topics of a stack's programs that nothing declares; here there is nobody else to make them. */
export function foreignTopics(controllers: readonly Controller[]): KafkaTopic[] {
  const containers = controllers.flatMap((one) => ("job" in one ? one.job : one).template.spec.containers);
  const names = containers
    .flatMap(({ env = [] }) => env.filter(({ name, value }) => foreign.has(name) && value !== undefined))
    .flatMap(({ value }) => value!.split(","));
  return [...new Set(names)].map((name) => ({ name, partitions: 1, config: {} }));
}

/** Longest wait for one answer of a broker, ms. */
const requestMs = 20_000;

/**
 * Makes the topics of a stack's KafkaTopics: what Strimzi's topic operator does in a cluster. As there, a topic gets more
 * partitions and another configuration, but never fewer partitions, and one that is declared no more stays, with its data.
 * (Listeners, users and rights of Strimzi have no counterpart here: the broker listens on the loopback only, without login.)
 * @returns What was changed, e.g. `topic lsst.example made`.
 */
export async function makeKafkaTopics(brokers: readonly string[], wanted: readonly KafkaTopic[]): Promise<string[]> {
  if (wanted.length === 0) return [];
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: "usdf-runner",
    logLevel: logLevel.NOTHING,
    requestTimeout: requestMs,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const known = new Set(await admin.listTopics());
    const fresh = wanted.filter(({ name }) => !known.has(name));
    const topics = fresh.map(({ name, partitions, config }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: 1, // one broker
      configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
    }));
    if (topics.length > 0)
      await withBroker(() => admin.createTopics({ topics, waitForLeaders: true, timeout: requestMs }));
    const changed = fresh.map(({ name }) => `topic ${name} made`);
    const old = wanted.filter(({ name }) => known.has(name));
    if (old.length === 0) return changed;
    const { topics: found } = await admin.fetchTopicMetadata({ topics: old.map(({ name }) => name) });
    const counts = new Map(found.map(({ name, partitions }) => [name, partitions.length]));
    const grown = old.filter(({ name, partitions }) => partitions > counts.get(name)!);
    if (grown.length > 0)
      await withBroker(() =>
        admin.createPartitions({
          topicPartitions: grown.map(({ name, partitions }) => ({ topic: name, count: partitions })),
          timeout: requestMs,
        }),
      );
    await admin.alterConfigs({
      validateOnly: false,
      resources: old.map(({ name, config }) => ({
        type: ConfigResourceTypes.TOPIC,
        name,
        configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
      })),
    });
    return [...changed, ...grown.map(({ name, partitions }) => `topic ${name}: ${partitions} partitions`)];
  } finally {
    await admin.disconnect();
  }
}

/**
 * A broker that a busy machine kept from its controller for two seconds counts as away until its next heartbeat; for partitions
 * there is then no broker at all, which Kafka calls an invalid replication factor.
 */
async function withBroker<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const { type, errors = [] } = error as { type?: string; errors?: { type?: string }[] };
      const isAway = [type, ...errors.map((one) => one.type)].includes("INVALID_REPLICATION_FACTOR");
      if (!isAway || attempt === 8) throw error;
      await sleep(backoffMs(attempt, 200, 3_000));
    }
  }
}
