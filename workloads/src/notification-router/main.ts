import { ConfigError } from "../lib/contract";
import { GroupConsumer } from "../lib/groupConsumer";
import { type Probe, serveHttp } from "../lib/http";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import { ObjectStore } from "../lib/objectStore";
import { runWorkload, sleep, stopped } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { takeRetries } from "../lib/visits";
import { notificationRouterContract } from "./contract";
import { Exposures } from "./exposures";
import { reportForeignGroups } from "./foreign";
import { Offsets } from "./offsets";
import { Progress } from "./progress";
import { Publisher } from "./publisher";
import { Router } from "./router";

/** Partitions that are taken at the same time: taking is quick, what takes time goes on beside it. */
const concurrency = 4;
/** Bytes of one fetch of a partition, about 500 notifications. */
const partitionBytes = 524_288;
/** Longest wait for Redis at a stop, ms; what is not durable by then comes again. */
const drainMs = 5_000;

runWorkload(notificationRouterContract, async ({ env, log, stop, closers }) => {
  if (env.BUCKET_TOPIC.length === 0)
    throw new ConfigError(notificationRouterContract.name, [
      "BUCKET_TOPIC is empty: give the topic of the bucket's notifications",
    ]);
  const kafka = kafkaClient(kafkaConnection(notificationRouterContract.name, env), log);
  const store = new ObjectStore({ ...env, BUCKET: env.IMAGE_BUCKET }, process.env);
  closers.add("s3", store, (client) => client.close());
  const redis = connectRedis({ ...redisOptions(env), log });
  closers.add("redis", redis, (connection) => connection.disconnect());
  const exposures = new Exposures({
    store,
    waitMs: env.SIDECAR_WAIT * 1000,
    outageMs: env.SIDECAR_OUTAGE_WAIT * 1000,
    cacheSize: env.SIDECAR_CACHE,
    concurrency: env.S3_CONCURRENCY,
    stop,
  });
  const announcedWithinMs = env.FOREIGN_GROUPS ? env.FOREIGN_GROUP_WAIT * 1000 : undefined;
  const publisher = new Publisher({ redis, log, stop, lifetimeSeconds: env.RAWS_LIFETIME, announcedWithinMs });
  const progress = new Progress();
  const router = new Router({
    bucket: store.bucket.slice(store.bucket.indexOf(":") + 1),
    keyEncoding: env.KEY_ENCODING,
    lifetimeMs: env.RAWS_LIFETIME * 1000,
    maxPending: env.MAX_PENDING,
    exposures,
    publisher,
    progress,
    stop,
  });
  const leave = new AbortController();
  const group = new GroupConsumer({
    kafka,
    consumerGroup: env.CONSUMER_GROUP,
    topicPattern: new RegExp(env.BUCKET_TOPIC.map((topic) => topic.replace(/[.]/g, "\\.")).join("|")),
    topicRefreshMs: 30_000,
    concurrency,
    maxBytesPerPartition: partitionBytes,
    sessionTimeoutMs: env.SESSION_SECONDS * 1000,
    taker: router,
    stop: leave.signal,
    log,
  });
  const redisProbe: Probe = { name: "redis", check: async () => void (await redis.ping()) };
  const ready = [redisProbe, group.ready];
  const server = await serveHttp({ host: env.HTTP_HOST, port: env.HTTP_PORT, log, live: [group.live], ready });
  closers.add("http", server, (listening) => listening.close());
  closers.add("kafka", group, (member) => member.close());

  const consuming = group.run();
  const offsets = new Offsets(group, progress, log);
  const committing = offsets.run(stop);
  const retrying = takeRetries(redis, "router", (retry) => router.again(retry), { stop, log });
  const reporting = env.FOREIGN_GROUPS ? reportForeignGroups(redis, log, stop) : undefined;
  await Promise.race([stopped(stop), consuming]);
  server.drain();
  // What is in hand is made durable and committed while the membership lasts, so the next one repeats little.
  await Promise.race([publisher.idle(), sleep(drainMs)]);
  await Promise.all([committing, reporting, retrying]);
  await offsets.commit();
  leave.abort();
  await consuming;
});
