import { join } from "node:path";
import { Redis } from "ioredis";
import { startProcess } from "../../local/process";
import { startRedis } from "../../local/services";
import { testAddress, testFolder, until } from "../support/network";
import { buildWorkloads, Pod } from "../support/pod";
import { type BenchResult, byTurns, rssMb } from "./harness";
import { httpRequest, load } from "./load";

export async function bench(): Promise<BenchResult[]> {
  const [address, bareAddress] = [testAddress(32), testAddress(33)];
  const { dir, remove } = testFolder("bench-presence");
  await buildWorkloads();
  const redisServer = await startRedis({ dir: join(dir, "redis"), address });
  const redis = new Redis({ host: address });
  const groups = 200;
  for (let group = 0; group < groups; group += 2) {
    // every second group is there, the others are asked for in vain
    await redis.set(
      `GROUP:LSSTCam:2026-06-03T12:00:${group}:0:R22_S11`,
      `s3://embargo@rubin-summit/LSSTCam/20260603/${group}.fits`,
    );
  }
  const env = { REDIS_HOST: address, REDIS_PASSWORD: "none" };
  const pod = await Pod.start({ workload: "presence", address, dir, env });
  const bare = await startProcess({
    name: "bare",
    command: process.execPath,
    args: [join(__dirname, "bare/http.mjs"), bareAddress, address],
    logFile: join(dir, "bare.log"),
  });
  const bareUrl = `http://${bareAddress}:8000`;
  try {
    await until("the bare server", async () => (await fetch(bareUrl)).status === 404);
    const requests = 15_000;
    const request = (i: number) =>
      httpRequest("GET", `/presence/LSSTCam/2026-06-03T12:00:${i % groups}/0/R22_S11`, "bench");
    const perSecond = async (url: string) =>
      requests / ((await load({ url, connections: 64, requests, request })) / 1000);
    const rate = await byTurns(
      4,
      () => perSecond(pod.url),
      () => perSecond(bareUrl),
    );
    return [
      {
        name: "presence",
        unit: "answers/s",
        ...rate,
        bareAbout: "fastify handler with one GET",
        bound: { ratioAtLeast: 0.6 },
      },
      { name: "presence, most memory", unit: "MB", figure: rssMb(pod.pid, true), bound: { atMost: 150 } },
    ];
  } finally {
    await pod.stop();
    await bare.stop();
    redis.disconnect();
    await redisServer.stop();
    remove();
  }
}
