import { hostname } from "node:os";
import { runWorkload } from "../lib/process";
import { rawListener } from "../lib/raws";
import { connectRedis, redisOptions } from "../lib/redis";
import { promptGatewayContract } from "./contract";
import { Gateway, longestBlockMs } from "./gateway";
import { serveMetrics } from "./http";
import { PipelineChild } from "./pipelineChild";

/** Longest wait for an answer beyond the time that a command blocks, ms. */
const answerMs = 5_000;

runWorkload(promptGatewayContract, async ({ env, log, stop, closers }) => {
  const leaseMs = env.LEASE_DURATION * 1000;
  const workerTimeoutMs = env.WORKER_TIMEOUT * 1000;
  const options = { ...redisOptions(env), log };
  const redis = closers.add("redis", connectRedis(options), (r) => r.disconnect());
  const commandTimeoutMs = longestBlockMs(leaseMs) + answerMs;
  const reader = closers.add("reader", connectRedis({ ...options, commandTimeoutMs, failWhenLost: true }), (r) =>
    r.disconnect(),
  );
  const listener = closers.add("listener", rawListener(redis), (r) => r.disconnect());
  const pipeline = new PipelineChild({
    command: env.PIPELINE_COMMAND,
    env: withoutSecrets(process.env),
    readyTimeoutMs: env.PIPELINE_READY_TIMEOUT * 1000,
    log,
  });
  closers.add("pipeline", pipeline, (p) => p.close());
  const http = await serveMetrics(env.HTTP_HOST, env.HTTP_PORT, log, () => pipeline.isReady);
  closers.add("http", http, (h) => h.close());
  const gateway = new Gateway(
    {
      target: { stream: env.REDIS_STREAM_NAME, consumerGroup: env.REDIS_STREAM_CONSUMER_GROUP },
      consumer: env.POD_NAME ?? hostname(),
      settings: {
        instrument: env.RUBIN_INSTRUMENT,
        leaseMs,
        workerTimeoutMs,
        graceMs: (env.WORKER_GRACE_PERIOD ?? env.WORKER_TIMEOUT) * 1000,
        imageTimeoutMs: env.IMAGE_TIMEOUT * 1000,
        idleTimeoutMs: env.FANNED_OUT_MSG_LISTEN_TIMEOUT * 1000,
        expirationSeconds: env.MESSAGE_EXPIRATION,
        maxAttempts: env.MAX_ATTEMPTS,
        maxVisits: env.WORKER_RESTART_FREQ,
      },
      pipeline,
      redis,
      reader,
      listener,
      log,
    },
    stop,
  );
  await gateway.run();
});

/** The pipeline is no business of the gateway's secrets. */
function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secrets = Object.keys(promptGatewayContract.secrets.shape);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secrets.includes(name)));
}
