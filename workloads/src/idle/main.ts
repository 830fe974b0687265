import { messageOf } from "../lib/errors";
import { LoopWatch, serveHttp } from "../lib/http";
import type { Logger } from "../lib/log";
import { runWorkload, sleep } from "../lib/process";
import { connectRedis, redisOptions } from "../lib/redis";
import { idleContract } from "./contract";
import { publishGauges, publishInfo } from "./gauges";
import { keepHouse } from "./housekeeping";
import { type Census, takeCensus } from "./keys";
import { recoverLeased, recoverUntouched } from "./recover";

/** Time between two walks over all keys, and between two rounds of housekeeping, ms. */
const censusMs = 60_000;
const housekeepingMs = 3_600_000;

runWorkload(idleContract, async ({ env, log, stop, closers }) => {
  const redis = closers.add("redis", connectRedis({ ...redisOptions(env), log }), (connection) =>
    connection.disconnect(),
  );
  const watch = new LoopWatch("loop", 120_000 + env.IDLE_PERIOD * 1000);
  const server = await serveHttp({
    host: env.HTTP_HOST,
    port: env.HTTP_PORT,
    log,
    live: [watch],
    ready: [{ name: "redis", check: async () => void (await redis.ping()) }],
  });
  closers.add("http", server, (http) => http.close());

  let census: Census = { buckets: [], statistics: [] };
  const tasks = [
    new Periodic("recovery of leased work", env.IDLE_PERIOD * 1000, log, () => recoverLeased(redis, log)),
    new Periodic("recovery of untouched work", env.IDLE_MAX * 1000, log, () =>
      recoverUntouched(redis, env.IDLE_MAX, log),
    ),
    new Periodic("census", censusMs, log, async () => void (census = await takeCensus(redis))),
    new Periodic("gauges", env.STATS_PERIOD * 1000, log, async () => {
      await publishGauges(redis, census);
      await publishInfo(redis);
    }),
    new Periodic("housekeeping", housekeepingMs, log, () => keepHouse(redis, env.STATS_LIFETIME)),
  ];
  log.info({ idleMax: env.IDLE_MAX, idlePeriod: env.IDLE_PERIOD }, "Looking after worker lists");
  while (!stop.aborted) {
    watch.turn();
    for (const task of tasks) if (!stop.aborted) await task.runWhenDue();
    await sleep(Math.max(50, Math.min(...tasks.map((task) => task.dueMs)) - Date.now()), stop);
  }
  server.drain();
});

/** A task that is done every so often; a failure is logged, and it is tried again next time. */
class Periodic {
  dueMs = 0;
  constructor(
    private readonly name: string,
    private readonly periodMs: number,
    private readonly log: Logger,
    private readonly task: () => Promise<unknown>,
  ) {}

  async runWhenDue(): Promise<void> {
    if (Date.now() < this.dueMs) return;
    try {
      await this.task();
      this.dueMs = Date.now() + this.periodMs;
    } catch (error) {
      this.dueMs = Date.now() + Math.min(this.periodMs, 5_000);
      this.log.error({ task: this.name, reason: messageOf(error) }, "Task failed; trying again");
    }
  }
}
