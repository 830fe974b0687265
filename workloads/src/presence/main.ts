import { serveHttp } from "../lib/http";
import { runWorkload, stopped } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { presenceContract } from "./contract";
import { presenceRoutes } from "./routes";

runWorkload(presenceContract, async ({ env, log, stop, closers }) => {
  const commandTimeoutMs = env.REDIS_TIMEOUT * 1000;
  const redis = closers.add("redis", connectRedis({ ...redisOptions(env), commandTimeoutMs, log }), (connection) =>
    connection.disconnect(),
  );
  const server = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    ready: [{ name: "redis", check: async () => void (await redis.ping()) }],
    routes: (app) => presenceRoutes(app, { redis, log, deleteSeen: env.DELETE_SEEN }),
  });
  closers.add("http", server, (http) => http.close());
  await stopped(stop);
  server.drain();
});
