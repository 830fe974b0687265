import { setFlagsFromString } from "node:v8";
import { AvroRegistry } from "../lib/avro";
import { GroupConsumer } from "../lib/groupConsumer";
import { LoopWatch, serveHttp } from "../lib/http";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import { ObjectStore } from "../lib/objectStore";
import { runWorkload, sleep } from "../lib/process";
import { RecordReader } from "../lib/recordReader";
import { parquetSinkContract } from "./contract";
import { FileStore } from "./files";
import { metrics } from "./metrics";
import { ParquetSink } from "./sink";

/** How often the clock is looked at, ms. */
const tickMs = 500;
/** The loop of the clock waits for S3; it hangs only when it stays away for longer. */
const tickLimitMs = 3_600_000;

setFlagsFromString("--max-semi-space-size=16"); // rows live for minutes: a larger nursery would only grow the process

runWorkload(parquetSinkContract, async ({ env, log, stop, closers }) => {
  const topicPattern = new RegExp(env.TOPIC_PATTERN);
  const kafka = kafkaClient(kafkaConnection(parquetSinkContract.name, env), log);
  const producer = closers.add("producer", kafka.producer({ allowAutoTopicCreation: false }), (one) =>
    one.disconnect(),
  );
  const store = closers.add("s3", new ObjectStore(env, process.env), (one) => one.close());
  const registry = new AvroRegistry(env.REGISTRY_URL, {
    timeoutMs: env.REGISTRY_TIMEOUT * 1000,
    maxSchemas: env.REGISTRY_MAX_SCHEMAS,
    stop,
  });
  const { CONSUMER_GROUP: consumerGroup, DEAD_LETTER_TOPIC: deadLetterTopic, CONCURRENCY: concurrency } = env;
  const reader = new RecordReader({
    registry,
    producer,
    deadLetterTopic,
    consumerGroup,
    time: { field: env.TIMESTAMP_FIELD, unit: env.TIMESTAMP_UNIT },
    stop,
    log,
    parked: (code) => metrics.deadLettered.inc({ code }),
  });
  const files = new FileStore({ store, topicsDir: env.TOPICS_DIR.replace(/^\/+|\/+$/g, "") });
  const sink: ParquetSink = new ParquetSink({
    reader,
    files,
    schemaOf: (id) => registry.schema(id),
    group: {
      commit: (position) => group.commit(position),
      endOf: (topic, partition) => group.endOf(topic, partition),
    },
    rotateMs: env.ROTATE_SECONDS * 1000,
    flushRecords: env.FLUSH_RECORDS,
    flushBytes: env.FLUSH_BYTES,
    maxBufferBytes: env.MAX_BUFFER_BYTES,
    maxOpenFiles: env.MAX_OPEN_FILES,
    concurrency,
    log,
  });
  const group = new GroupConsumer({
    kafka,
    consumerGroup,
    topicPattern,
    accepts: (kafkaTopic) => kafkaTopic !== deadLetterTopic,
    topicRefreshMs: env.TOPIC_REFRESH_SECONDS * 1000,
    concurrency,
    maxBytesPerPartition: 1_048_576,
    sessionTimeoutMs: env.SESSION_SECONDS * 1000,
    taker: sink,
    stop,
    log,
  });
  const clock = new LoopWatch("clock", tickLimitMs);
  const server = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    live: [group.live, clock],
    ready: [group.ready, { name: "s3", check: () => store.check() }],
  });
  closers.add("http", server, (listening) => listening.close());
  await reader.persistently("bucket", () => files.checkConditionalPut());
  await reader.connect();
  closers.add("kafka", group, (consumer) => consumer.close());
  const ticking = (async () => {
    while (!stop.aborted) {
      clock.turn();
      await sleep(tickMs, stop);
      await sink.tick();
    }
  })();
  await group.run();
  await ticking;
  server.drain();
});
