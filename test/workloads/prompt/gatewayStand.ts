import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import pino from "pino";
import type { RunningRedis } from "../../../local/services";
import { type RunningProcess, startProcess } from "../../../local/process";
import { connectRedis } from "../../../workloads/src/lib/redis";
import { publishRaws, type Raw, rawListener } from "../../../workloads/src/lib/raws";
import { addVisit, fieldsOf, type NextVisit, promptKey } from "../../../workloads/src/lib/visits";
import { Gateway, longestBlockMs } from "../../../workloads/src/prompt-gateway/gateway";
import { PipelineChild } from "../../../workloads/src/prompt-gateway/pipelineChild";
import type { Pipeline } from "../../../workloads/src/prompt-gateway/processVisit";
import type { GatewaySettings } from "../../../workloads/src/prompt-gateway/settings";
import type { Fault } from "../../../workloads/src/stand-in-pipeline/settings";
import { quickly, root } from "../../support/pod";

export const log = pino({ level: process.env.TEST_LOG ?? "silent" });
export const instrument = "LSSTCam";
export const target = { stream: promptKey.stream(instrument), consumerGroup: promptKey.consumerGroup(instrument) };

let groups = 0;
/** A visit that was just announced, of a group that no other has. */
export function visitNow(change: Partial<NextVisit> = {}): NextVisit {
  return {
    salIndex: 1,
    scriptSalIndex: 200_123,
    instrument,
    groupId: `2026-01-23T23:33:14.${String(++groups).padStart(6, "0")}`,
    coordinateSystem: 2,
    position: [134.5454, -65.3261],
    startTime: 1_769_211_231.5,
    rotationSystem: 2,
    cameraAngle: 135.5,
    filters: "i_39",
    dome: 2,
    duration: 0,
    nimages: 1,
    survey: "BLOCK-365",
    totalCheckpoints: 1,
    private_sndStamp: Date.now() / 1000 + 37,
    ...change,
  };
}

/** The raw of a snap, as the router publishes it. */
export function rawOf(visit: NextVisit, detector: number, snap = 0): Raw {
  const seqNum = Number(visit.groupId.slice(-6)) * 10 + snap;
  const obsId = `MC_O_20260123_${String(seqNum).padStart(6, "0")}`;
  const key = `LSSTCam/20260123/${obsId}/${obsId}_D${detector}.fits`;
  const exposureId = 2_026_012_300_000 + seqNum;
  return { instrument, group: visit.groupId, detector, snap, exposureId, obsId, bucket: "raws", key, identity: "1" };
}

/** Announces a visit; its raws have come already unless told otherwise. */
export async function announce(
  redis: Redis,
  visit: NextVisit,
  detectors: readonly number[],
  raws = true,
): Promise<void> {
  if (raws) await publishRaws(redis, detectors.map((detector) => rawOf(visit, detector)), { lifetimeSeconds: 600 }); // prettier-ignore
  await addVisit(redis, target, visit, detectors, 1_000_000);
}

/** Where stand-ins commit, and what is there. */
export class CommitFolder {
  constructor(readonly path: string) {
    mkdirSync(path, { recursive: true });
  }
  /** Detectors of a visit that are committed, each with what was written. */
  of(visit: Pick<NextVisit, "groupId">): Map<number, { attempt: number; raws: string[]; pid: number }> {
    const folder = join(this.path, instrument, visit.groupId);
    if (!existsSync(folder)) return new Map();
    return new Map(readdirSync(folder).map((name) => [Number(name), JSON.parse(readFileSync(join(folder, name), "utf8"))])); // prettier-ignore
  }
  /** How many those are. */
  count(groupId: string): number {
    const folder = join(this.path, instrument, groupId);
    return existsSync(folder) ? readdirSync(folder).length : 0;
  }
  /** Commits of what was there already, by someone who was not told that it might be. */
  violations(): string {
    const file = join(this.path, "violations");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
}

export interface StandInOptions {
  readonly faults?: readonly Partial<Fault>[];
  readonly env?: Readonly<Record<string, string>>;
}
export const standInCommand = [process.execPath, ...quickly, join(root, "workloads/dist/stand-in-pipeline.js")] as const; // prettier-ignore
export const standInEnv = (commits: CommitFolder, { faults = [], env = {} }: StandInOptions = {}) => ({
  STAND_IN_COMMITS: commits.path,
  STAND_IN_FAULTS: JSON.stringify(faults),
  ...env,
});

export const settings: GatewaySettings = {
  instrument,
  leaseMs: 30_000,
  workerTimeoutMs: 60_000,
  graceMs: 30_000,
  imageTimeoutMs: 20_000,
  idleTimeoutMs: 60_000,
  expirationSeconds: 3_600,
  maxAttempts: 3,
  maxVisits: 0,
};

/** A worker inside this process, with a pipeline program of its own unless another is given. */
export class LocalWorker {
  readonly ended: Promise<unknown>;
  readonly reader: Redis;
  private readonly stopping = new AbortController();
  private readonly redis: Redis;

  constructor(
    server: Pick<RunningRedis, "host" | "password">,
    readonly name: string,
    readonly pipeline: Pipeline & { close?(): Promise<void> },
    change: Partial<GatewaySettings> = {},
  ) {
    const all = { ...settings, ...change };
    const options = { host: server.host, password: server.password! };
    this.redis = connectRedis(options);
    this.reader = connectRedis({
      ...options,
      commandTimeoutMs: longestBlockMs(all.leaseMs) + 5_000,
      failWhenLost: true,
    });
    const { redis, reader } = this;
    const listener = rawListener(redis);
    const gateway = new Gateway({ target, consumer: name, settings: all, pipeline, redis, reader, listener, log }, this.stopping.signal); // prettier-ignore
    this.ended = gateway
      .run()
      .then(() => undefined, (error: unknown) => error)
      .finally(async () => {
        await pipeline.close?.();
        this.redis.disconnect();
        listener.disconnect();
        this.reader.disconnect();
      }); // prettier-ignore
  }

  /** As SIGTERM would. @returns the error that it ended with, if any. */
  stop(): Promise<unknown> {
    this.stopping.abort("SIGTERM");
    return this.ended;
  }
}

export function standIn(commits: CommitFolder, options: StandInOptions = {}): PipelineChild {
  const env = { ...standInEnv(commits, options), PATH: process.env.PATH };
  return new PipelineChild({ command: standInCommand as never, env, readyTimeoutMs: 20_000, log, output: "ignore" });
}

/** A worker as a process of its own, which can be killed or stopped. */
export function startWorker(
  dir: string,
  server: Pick<RunningRedis, "host" | "password">,
  address: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  return startProcess({
    name,
    command: process.execPath,
    args: [...quickly, join(root, "workloads/dist/prompt-gateway.js")],
    logFile: join(dir, `${name}.log`),
    env: {
      PATH: process.env.PATH,
      HTTP_HOST: address,
      POD_NAME: name,
      REDIS_HOST: server.host,
      REDIS_PASSWORD: server.password!,
      RUBIN_INSTRUMENT: instrument,
      REDIS_STREAM_NAME: target.stream,
      REDIS_STREAM_CONSUMER_GROUP: target.consumerGroup,
      PIPELINE_COMMAND: JSON.stringify(standInCommand),
      ...env,
    },
  });
}

/** Entries that somebody holds. */
export async function pendingOf(redis: Redis): Promise<{ id: string; consumer: string }[]> {
  const found = (await redis.xpending(target.stream, target.consumerGroup, "-", "+", 1_000)) as [string, string][];
  return found.map(([id, consumer]) => ({ id, consumer }));
}

/** Entries that nobody has read. */
export async function unread(redis: Redis): Promise<Record<string, string>[]> {
  const groups = (await redis.xinfo("GROUPS", target.stream)) as string[][];
  const last = fieldsOf(groups[0]!)["last-delivered-id"]!;
  return (await redis.xrange(target.stream, `(${last}`, "+")).map(([, flat]) => fieldsOf(flat));
}

/** Nothing is in hand and nothing unread, seen in one moment. */
export async function isSettled(redis: Redis): Promise<boolean> {
  const replies = await redis
    .multi()
    .xinfo("GROUPS", target.stream)
    .xrevrange(target.stream, "+", "-", "COUNT", 1)
    .exec();
  const [[, groups], [, last]] = replies as [[null, string[][]], [null, [string][]]];
  const group = fieldsOf(groups[0]!);
  return Number(group.pending) === 0 && (last.length === 0 || last[0]![0] === group["last-delivered-id"]);
}

/** Workers that wait for a visit: their reading blocks. */
export async function waiting(redis: Redis): Promise<number> {
  const clients = (await redis.client("LIST")) as string;
  return clients.split("\n").filter((line) => /flags=\w*b/.test(line) && line.includes("cmd=xreadgroup")).length;
}

export async function consumers(redis: Redis): Promise<string[]> {
  const found = (await redis.xinfo("CONSUMERS", target.stream, target.consumerGroup)) as string[][];
  return found.map((flat) => fieldsOf(flat).name!);
}
