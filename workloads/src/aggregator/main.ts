import { AvroRegistry } from "../lib/avro";
import { ConfigError } from "../lib/contract";
import { GroupConsumer } from "../lib/groupConsumer";
import { serveHttp } from "../lib/http";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import { runWorkload, sleep } from "../lib/process";
import { RecordReader } from "../lib/recordReader";
import { kindOf } from "../lib/topicSelector";
import { Aggregator } from "./aggregator";
import { aggregatedSuffix, aggregatorContract, type AggregatorEnv } from "./contract";
import { metrics } from "./metrics";
import { Outputs } from "./outputs";
import { readFilters, type ShapeOptions } from "./shape";
import { type Operation, operations as known } from "./statistics";

const tickMs = 500;

runWorkload(aggregatorContract, async ({ env, log, stop, closers }) => {
  const shape = shapeOptions(env);
  const topicPattern = new RegExp(env.TOPIC_PATTERN);
  const kafka = kafkaClient(kafkaConnection(aggregatorContract.name, env), log);
  const producer = closers.add("producer", kafka.producer({ allowAutoTopicCreation: false }), (one) =>
    one.disconnect(),
  );
  const admin = closers.add("admin", kafka.admin(), (one) => one.disconnect());
  const registryTimeoutMs = env.REGISTRY_TIMEOUT * 1000;
  const { CONSUMER_GROUP: consumerGroup, DEAD_LETTER_TOPIC: deadLetterTopic, CONCURRENCY: concurrency } = env;
  const reader = new RecordReader({
    registry: new AvroRegistry(env.REGISTRY_URL, {
      timeoutMs: registryTimeoutMs,
      maxSchemas: env.REGISTRY_MAX_SCHEMAS,
      stop,
    }),
    producer,
    deadLetterTopic,
    consumerGroup,
    time: shape.time,
    stop,
    log,
    parked: (code) => metrics.deadLettered.inc({ code }),
  });
  const windowMs = env.WINDOW_SECONDS * 1000;
  const aggregator: Aggregator = new Aggregator({
    reader,
    outputs: new Outputs({
      producer,
      admin,
      registryUrl: env.OUTPUT_REGISTRY_URL || env.REGISTRY_URL,
      registryTimeoutMs,
      partitions: env.OUTPUT_PARTITIONS,
      windowMs,
      minSamples: env.MIN_SAMPLES,
      operations: shape.operations,
      removePrefix: env.REMOVE_PREFIX,
      time: shape.time,
    }),
    shape,
    window: { windowMs, graceMs: env.GRACE_SECONDS * 1000, maxOpen: env.MAX_OPEN_WINDOWS },
    idleMs: env.IDLE_SECONDS * 1000,
    group: {
      commit: (...positions) => group.commit(...positions),
      committed: (topic, partition) => group.committed(topic, partition),
      partitionsOf: (topic) => group.partitionsOf(topic),
    },
    log,
  });
  const group = new GroupConsumer({
    kafka,
    consumerGroup,
    topicPattern,
    // Statistics of commands, acks and events say nothing; statistics of statistics are none.
    accepts: (topic) => kindOf(topic) === "telemetry" && !topic.endsWith(aggregatedSuffix) && topic !== deadLetterTopic,
    topicRefreshMs: env.TOPIC_REFRESH_SECONDS * 1000,
    concurrency,
    maxBytesPerPartition: 1_048_576,
    sessionTimeoutMs: env.SESSION_SECONDS * 1000,
    taker: aggregator,
    stop,
    log,
  });
  const server = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    live: [group.live],
    ready: [group.ready],
  });
  closers.add("http", server, (listening) => listening.close());
  await reader.connect();
  closers.add("kafka", group, (consumer) => consumer.close());
  const ticking = (async () => {
    while (!stop.aborted) {
      await sleep(tickMs, stop);
      await aggregator.tick();
    }
  })();
  await group.run();
  await ticking;
  server.drain();
});

/** @throws {@link ConfigError} */
function shapeOptions(env: AggregatorEnv): ShapeOptions {
  const { filters, faults } = readFilters(env.FILTERS);
  const unknown = env.OPERATIONS.filter((one) => !(known as readonly string[]).includes(one));
  for (const one of unknown) faults.push(`OPERATIONS has "${one}", which is none of ${known.join(", ")}`);
  if (env.OPERATIONS.length === 0) faults.push("OPERATIONS is empty");
  if (faults.length > 0) throw new ConfigError(aggregatorContract.name, faults);
  const time = { field: env.TIMESTAMP_FIELD, unit: env.TIMESTAMP_UNIT };
  return { keys: env.KEY_FIELDS, time, operations: env.OPERATIONS as Operation[], filters };
}
