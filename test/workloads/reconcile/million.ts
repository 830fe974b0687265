/**
 * Reconciles a listing of `argv[2]` objects against a real Redis at `argv[3]` whose queue holds half of them, and prints the
 * report with the most memory that the process ever held. Run by reconcile.test.ts, in a process of its own.
 */
import { readFileSync } from "node:fs";
import pino from "pino";
import type { ObjectInfo } from "../../../workloads/src/lib/objectStore";
import { connectRedis } from "../../../workloads/src/lib/redis";
import { redisKey } from "../../../workloads/src/lib/redisKeys";
import { reconcile } from "../../../workloads/src/reconcile/reconcile";

const count = Number(process.argv[2]);
const bucket = `embargo@million-${count}`;
const keyOf = (n: number) => {
  const expId = `MC_O_20260603_${String(Math.floor(n / 205)).padStart(6, "0")}`;
  return `LSSTCam/20260603/${expId}/${expId}_R22_S${n % 205}.fits`;
};

async function main(): Promise<void> {
  const redis = connectRedis({ host: process.argv[3] as string });
  for (let first = 0; first < count; first += 10_000) {
    const even = Array.from({ length: 5_000 }, (_, i) => `${bucket}/${keyOf(first + 2 * i)}`);
    await redis.lpush(redisKey.queue(bucket), ...even);
  }
  async function* list(): AsyncGenerator<ObjectInfo[]> {
    for (let first = 0; first < count; first += 1_000) {
      yield Array.from({ length: 1_000 }, (_, i) => ({ key: keyOf(first + i), size: 1, lastModifiedMs: 0, eTag: "e" }));
    }
  }
  const report = await reconcile(
    {
      redis,
      log: pino({ level: "silent" }),
      store: { list, folders: () => Promise.resolve([]) },
      butler: { known: (uris) => Promise.resolve(uris.map((uri) => !uri.includes("R22_S7."))) },
    },
    { bucket, dataset: /\.fits$/, minAgeMs: 0, dryRun: true },
  );
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
  await redis.del(redisKey.queue(bucket));
  redis.disconnect();
  process.stdout.write(JSON.stringify({ report, peakMb: Number(peak?.[1]) / 1024 }));
}

void main();
