import { AvroRegistry } from "../lib/avro";
import { type Probe, serveHttp } from "../lib/http";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import { runWorkload } from "../lib/process";
import { Consume } from "./consume";
import { connectorContract } from "./contract";
import { DeadLetters } from "./deadLetters";
import { Influx } from "./influx";
import { Stamps } from "./line/stamp";
import { Pipeline } from "./pipeline";
import { Records } from "./records";
import { connectorSettings } from "./settings";
import { Store } from "./store";

runWorkload(connectorContract, async ({ env, log, stop, closers }) => {
  const { topicPattern, batchBytes } = connectorSettings(env);
  const kafka = kafkaClient(kafkaConnection(connectorContract.name, env), log);
  const influx = new Influx({
    url: env.INFLUXDB_URL,
    database: env.INFLUXDB_DATABASE,
    retentionPolicy: env.INFLUXDB_RETENTION_POLICY,
    username: env.INFLUXDB_USERNAME,
    password: env.INFLUXDB_PASSWORD,
    timeoutMs: env.INFLUXDB_TIMEOUT * 1000,
    connections: env.INFLUXDB_CONNECTIONS,
  });
  closers.add("influxdb", influx, (client) => client.close());
  const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 2 } });
  const isAvro = env.FORMAT === "avro";
  const registry = isAvro
    ? new AvroRegistry(env.REGISTRY_URL, { timeoutMs: env.REGISTRY_TIMEOUT * 1000, maxSchemas: env.REGISTRY_MAX_SCHEMAS, stop }) // prettier-ignore
    : undefined;
  const stamps = new Stamps({
    field: env.TIMESTAMP_FIELD,
    unit: env.TIMESTAMP_UNIT,
    minMs: Date.parse(env.TIMESTAMP_MIN),
    aheadMs: env.TIMESTAMP_MAX_AHEAD * 1000,
  });
  const records = new Records({ registry, tags: env.TAGS, stamps, stampField: env.TIMESTAMP_FIELD, removePrefix: env.REMOVE_PREFIX, log }); // prettier-ignore
  const store = new Store({ influx, log, stop });
  const connector = env.CONSUMER_GROUP;
  const deadLetters = new DeadLetters({ producer, topic: env.DEAD_LETTER_TOPIC, connector, isAvro, log, stop });
  const batch = { batchLines: env.BATCH_LINES, batchBytes };
  const pipeline = new Pipeline({ ...batch, store, deadLetters, writes: env.INFLUXDB_CONNECTIONS, lingerMs: env.LINGER_MS }); // prettier-ignore
  const consume = new Consume({
    ...batch,
    kafka,
    consumerGroup: env.CONSUMER_GROUP,
    topicPattern,
    refreshMs: env.TOPIC_REFRESH_SECONDS * 1000,
    records,
    pipeline,
    log,
    stop,
  });
  const limitMs = env.NOT_READY_SECONDS * 1000;
  const ready = [consume.ready, patience("influxdb", store, limitMs), patience("registry", records, limitMs)];
  const server = await serveHttp({ host: env.HTTP_HOST, port: env.HTTP_PORT, log, live: [consume.live], ready });
  closers.add("http", server, (listening) => listening.close());
  closers.add("dead letters", producer, (connected) => connected.disconnect());
  await consume.run();
  server.drain();
});

/** Fails once a dependency has failed for longer than `limitMs`. */
function patience(
  name: string,
  of: { readonly failingSinceMs: number | undefined; readonly failure: string },
  limitMs: number,
): Probe {
  // prettier-ignore
  return {
    name,
    check: () => {
      const failedMs = of.failingSinceMs === undefined ? 0 : Date.now() - of.failingSinceMs;
      if (failedMs > limitMs) throw new Error(`has failed for ${Math.round(failedMs / 1000)} s: ${of.failure}`);
    },
  };
}
