import { join } from "node:path";
import { Redis } from "ioredis";
import { pino } from "pino";
import { startRedis } from "../../local/services";
import { parseObjectPath } from "../../workloads/src/lib/objectPath";
import { bucketState, enqueueObjects, LeasedQueue } from "../../workloads/src/lib/queue";
import { testAddress, testFolder } from "../support/network";
import { type BenchResult, median, timedMs } from "./harness";

const bucket = "embargo@rubin-summit";
const day = "20260603";
const objects = 50;
const rounds = 40;

/** Fills the queue to a length, inside the server. */
const fill = `
for first = 1, tonumber(ARGV[1]), 1000 do
  local paths = {}
  for i = 0, 999 do paths[i + 1] = KEYS[1]:sub(7) .. '/LSSTCam/${day}/MC_O_${day}_' .. (first + i) .. '/a.fits' end
  redis.call('LPUSH', KEYS[1], unpack(paths))
end`;

interface Times {
  enqueue: number;
  work: number;
  state: number;
}

export async function bench(): Promise<BenchResult[]> {
  const { dir, remove } = testFolder("bench-queue");
  const address = testAddress(34);
  const server = await startRedis({ dir: join(dir, "redis"), address });
  const redis = new Redis({ host: address });
  try {
    await redis.config("SET", "appendfsync", "no"); // the disk is not what is measured
    const short = await measure(redis, 1_000);
    const long = await measure(redis, 1_000_000);
    const about = { unit: "ms", bareAbout: "the same with 1,000 in the queue", bound: { ratioAtMost: 1.5 } };
    return [
      {
        name: `queue: enqueue ${objects}, 1,000,000 in the queue`,
        figure: long.enqueue,
        bare: short.enqueue,
        ...about,
      },
      {
        name: `queue: claim and complete ${objects}, 1,000,000 in the queue`,
        figure: long.work,
        bare: short.work,
        ...about,
      },
      { name: "queue: state of a bucket, 1,000,000 in the queue", figure: long.state, bare: short.state, ...about },
    ];
  } finally {
    redis.disconnect();
    await server.stop();
    remove();
  }
}

async function measure(redis: Redis, length: number): Promise<Times> {
  await redis.flushall();
  await redis.eval(fill, 1, `QUEUE:${bucket}`, length);
  const queue = new LeasedQueue(redis, { bucket, pod: "bench", log: pino({ level: "silent" }) });
  await queue.open();
  const times = { enqueue: [] as number[], work: [] as number[], state: [] as number[] };
  for (let round = -5; round < rounds; round++) {
    const records = Array.from({ length: objects }, (_, i) => {
      const expId = `MC_O_${day}_${round + 5}_`.slice(0, -1);
      return { object: parseObjectPath(`${bucket}/LSSTCam/${day}/${expId}/new_${i}.fits`), identity: "1" };
    });
    const enqueue = await timedMs(() => enqueueObjects(redis, records));
    const work = await timedMs(async () => {
      const paths = await queue.claim(objects);
      await queue.complete(
        paths.map((path) => ({ path, instrument: "LSSTCam", dayObs: day })),
        false,
      );
    });
    const state = await timedMs(() => bucketState(redis, bucket));
    if (round < 0) continue; // warms up
    times.enqueue.push(enqueue);
    times.work.push(work);
    times.state.push(state);
  }
  if ((await redis.llen(`QUEUE:${bucket}`)) !== length) throw new Error("the queue has not kept its length");
  await queue.close();
  return { enqueue: median(times.enqueue), work: median(times.work), state: median(times.state) };
}
