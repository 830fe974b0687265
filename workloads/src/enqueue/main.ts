import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Probe, serveHttp } from "../lib/http";
import { runWorkload, stopped } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { enqueueConfig } from "./config";
import { enqueueContract } from "./contract";
import { Sorter } from "./intake";
import { KafkaEnqueue } from "./kafka";
import { BatchingStore } from "./store";
import { webhookRoutes } from "./webhook";

runWorkload(enqueueContract, async ({ env, log, stop, closers }) => {
  const { datasetRegexp, source } = enqueueConfig(env);
  const redis = closers.add("redis", connectRedis({ ...redisOptions(env), log }), (connection) =>
    connection.disconnect(),
  );
  const sorter = new Sorter({
    profile: env.PROFILE,
    datasetRegexp,
    buckets: env.BUCKETS,
    keyEncoding: env.KEY_ENCODING,
  });
  const storeOptions = { redis, log, dedupeSeconds: env.ENQUEUE_DEDUPE_TTL };
  const redisProbe: Probe = { name: "redis", check: async () => void (await redis.ping()) };
  const http = { host: env.HTTP_HOST, port: env.HTTP_PORT, log };

  if (source.mode === "webhook") {
    const { secret } = source;
    if (secret === "") log.warn("NOTIFICATION_SECRET is empty: anyone who reaches this port can queue paths");
    const store = new BatchingStore(storeOptions);
    const server = await serveHttp({
      ...http,
      bodyLimitBytes: env.BODY_LIMIT,
      ready: [redisProbe],
      routes: (app) => webhookRoutes(app, { secret, sorter, store, log }),
    });
    closers.add("http", server, (listening) => listening.close());
    await stopped(stop);
    server.drain();
    return;
  }
  collectGarbageOnce();
  const kafka = new KafkaEnqueue({ ...storeOptions, source, sorter, stop });
  const server = await serveHttp({ ...http, live: [kafka.live], ready: [redisProbe, kafka.ready] });
  closers.add("http", server, (listening) => listening.close());
  closers.add("kafka", kafka, (consumer) => consumer.close());
  await kafka.run();
  server.drain();
});

/**
 * V8 sizes the heap by what its first whole collection finds alive, and puts that off while it sees the whole machine's
 * memory: a backlog would grow the process by 60 MB before.
 */
function collectGarbageOnce(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
