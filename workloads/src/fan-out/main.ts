import { AvroRegistry } from "../lib/avro";
import { messageOf } from "../lib/errors";
import { GroupConsumer } from "../lib/groupConsumer";
import { LoopWatch, type Probe, serveHttp } from "../lib/http";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import { runWorkload, sleep, stopped } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { ensureGroup, takeRetries } from "../lib/visits";
import { readRoutes } from "./config";
import { fanOutContract } from "./contract";
import { FanOut } from "./fanOut";
import { Housekeeping } from "./housekeeping";
import { HttpDelivery } from "./httpDelivery";
import { RedisDelivery } from "./redisDelivery";

/** How long a stop waits for what is in hand, ms. */
const drainMs = 12_000;
const topicRefreshMs = 30_000;

runWorkload(fanOutContract, async ({ env, log, stop, closers }) => {
  const routes = readRoutes(env);
  const kafka = kafkaClient(kafkaConnection(fanOutContract.name, env), log);
  const redis = closers.add("redis", connectRedis({ ...redisOptions(env), log }), (connection) =>
    connection.disconnect(),
  );
  const leave = new AbortController();
  const leaving = leave.signal;
  const expirationSeconds = env.MESSAGE_EXPIRATION;
  const delivery =
    env.DELIVERY === "redis"
      ? new RedisDelivery({ redis, maxEntries: env.STREAM_MAX_ENTRIES, expirationSeconds, stop, log })
      : new HttpDelivery({
          redis,
          maxPosts: env.MAX_FAN_OUT_MESSAGES,
          timeoutMs: env.HTTP_TIMEOUT * 1000,
          retries: env.HTTP_RETRIES,
          maxRetryDelayMs: env.HTTP_MAX_RETRY_DELAY * 1000,
          expirationSeconds,
          stop,
          leaving,
          log,
        });
  const fanOut: FanOut = new FanOut({
    registry: new AvroRegistry(env.REGISTRY_URL, {
      timeoutMs: env.REGISTRY_TIMEOUT * 1000,
      maxSchemas: env.REGISTRY_MAX_SCHEMAS,
      stop,
    }),
    routes,
    delivery,
    redis,
    expirationSeconds,
    maxInHand: env.MAX_VISITS_IN_HAND,
    fromEnd: env.OFFSET === "latest",
    group: {
      commit: (...positions) => group.commit(...positions),
      committed: (topic, partition) => group.committed(topic, partition),
      endOf: (topic, partition) => group.endOf(topic, partition),
    },
    stop,
    leaving,
    log,
  });
  const group = new GroupConsumer({
    kafka,
    consumerGroup: env.CONSUMER_GROUP,
    topicPattern: new RegExp(env.NEXT_VISIT_TOPIC.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")),
    topicRefreshMs,
    concurrency: 4,
    maxBytesPerPartition: 1_048_576,
    sessionTimeoutMs: env.SESSION_SECONDS * 1000,
    taker: fanOut,
    stop: leaving,
    log,
  });
  // The streams are there before the first visit, so that workers find their group.
  const streams = env.DELIVERY === "redis" ? [...routes.values()] : [];
  const housekeeping = new Housekeeping({
    redis,
    streams,
    maxEntries: env.STREAM_MAX_ENTRIES,
    maxPendingMs: env.MAX_PENDING_SECONDS * 1000,
    maxAttempts: env.MAX_ATTEMPTS,
    consumerIdleMs: env.CONSUMER_IDLE_SECONDS * 1000,
    log,
  });
  const clock = new LoopWatch("housekeeping", 10 * env.HOUSEKEEPING_SECONDS * 1000 + 120_000);
  const redisProbe: Probe = { name: "redis", check: async () => void (await redis.ping()) };
  const server = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    live: [group.live, clock],
    ready: [redisProbe, group.ready, fanOut.ready],
  });
  closers.add("http", server, (listening) => listening.close());
  await Promise.all(streams.map((target) => ensureGroup(redis, target))).catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, "Groups of the streams are not made yet; trying again");
  });
  closers.add("kafka", group, (consumer) => consumer.close());
  const running = group.run();
  const keepingHouse = (async () => {
    while (!stop.aborted) {
      clock.turn();
      await housekeeping.turn();
      await sleep(env.HOUSEKEEPING_SECONDS * 1000, stop);
    }
  })();
  const retrying = takeRetries(redis, "fan-out", (retry) => fanOut.again(retry), { stop, log });
  await Promise.race([stopped(stop), running]);
  server.drain();
  await fanOut.drain(drainMs);
  leave.abort();
  await Promise.all([running, keepingHouse, retrying]);
});
