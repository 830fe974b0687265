import { join } from "node:path";
import { Redis } from "ioredis";
import { type RunningRedis, startRedis } from "../../../local/services";
import { addVisit, countLag, streamState, trimStream } from "../../../workloads/src/lib/visits";
import { testAddress, testFolder } from "../../support/network";
import { target, visitNow } from "./gatewayStand";

const address = testAddress(120);
const folder = testFolder("lag");
let server: RunningRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" });
  redis = new Redis({ host: address, password: "pw", retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});

const read = async (count: number) => {
  const reply = (await redis.xreadgroup("GROUP", target.consumerGroup, "w", "COUNT", count, "STREAMS", target.stream, ">")) as [string, [string][]][]; // prettier-ignore
  await redis.xack(target.stream, target.consumerGroup, ...reply[0]![1].map(([id]) => id));
};
const lag = async () => (await streamState(redis, target)).lag;
const detectors = Array.from({ length: 1_200 }, (_, id) => id);

test("after a restart of Redis in the midst of a stream, the lag by which KEDA scales is known again", async () => {
  await addVisit(redis, target, visitNow(), detectors, 10_000);
  await read(30);
  expect([await lag(), await countLag(redis, target)]).toEqual([1_170, false]);
  await server.restart("SIGKILL");
  expect(await lag()).toBeUndefined();
  expect([await countLag(redis, target), await lag()]).toEqual([true, 1_170]);
  await read(70);
  await addVisit(redis, target, visitNow(), [1, 2], 10_000);
  await trimStream(redis, target.stream);
  expect([await countLag(redis, target), await lag()]).toEqual([false, 1_102]);
  await read(2_000);
  expect(await lag()).toBe(0);
  await server.restart("SIGKILL");
  await countLag(redis, target);
  expect(await lag()).toBe(0);
});
