import { Redis } from "ioredis";
import type { ScaledStatus } from "./api";
import type { ScaledJob } from "./manifest";
import type { Pod } from "./pod";

/** Entries of a stream that no worker has read yet. */
export interface Lag {
  /** @returns 0 where there is no stream or group yet. */
  read(): Promise<number>;
  close(): void;
}

/** Longest wait for Redis, ms. */
const redisMs = 2_000;

/** The lag of a consumer group, as KEDA asks Redis for it. */
export function streamLag(options: {
  host: string;
  port: number;
  password?: string;
  stream: string;
  group: string;
}): Lag {
  const { host, port, password, stream, group } = options;
  const redis = new Redis({
    ...{ host, port, password, lazyConnect: true, connectTimeout: redisMs, commandTimeout: redisMs },
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null, // the next look at the stream connects again
  });
  redis.on("error", () => {}); // read() tells
  return {
    async read() {
      if (redis.status !== "ready") await redis.connect();
      const groups = (await redis.xinfo("GROUPS", stream).catch((error: Error) => {
        if (/no such key/i.test(error.message)) return [];
        throw error;
      })) as unknown[][];
      const found = groups.map(fieldsOf).find(({ name }) => name === group);
      return Number(found?.lag ?? 0); // null where Redis cannot tell, after entries in the middle were deleted
    },
    close: () => redis.disconnect(),
  };
}

function fieldsOf(list: unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: list.length / 2 }, (_, index) => [list[2 * index], list[2 * index + 1]]),
  );
}

/**
 * Workers of a ScaledJob: so many at all times, and up to the most for as long as more waits than they have taken. As KEDA's
 * eager strategy, a look at the stream starts a worker for each entry that waits, while there is room. Workers end by
 * themselves. Each has a place of its own (name, address, log), which the next one takes over.
 */
export class ScaledRun {
  private readonly places: (Pod | undefined)[];
  private readonly ended = { succeeded: 0, failed: 0 };
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopped = false;
  private waiting: number | undefined;
  private reason: string | undefined;

  /**
   * @param startPod - Makes and starts the pod of a place.
   * @param taken - Places whose pods run already, under an earlier supervisor.
   */
  constructor(
    readonly job: ScaledJob,
    private readonly startPod: (place: number) => Promise<Pod>,
    private readonly lag: Lag,
    private readonly taken: readonly number[],
  ) {
    this.places = new Array<Pod | undefined>(job.max).fill(undefined);
  }

  /** Starts what shall run at all times. */
  async start(): Promise<void> {
    for (const place of this.taken) if (place < this.job.max) await this.fill(place);
    await this.refill(this.job.min - this.running());
    this.plan();
  }

  status(): ScaledStatus {
    const { name, namespace } = this.job.metadata;
    const { min, max } = this.job;
    const { succeeded, failed } = this.ended;
    return { name, namespace, min, max, running: this.running(), waiting: this.waiting, succeeded, failed, reason: this.reason }; // prettier-ignore
  }

  pods(): Pod[] {
    return this.places.filter((pod) => pod !== undefined);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
    await Promise.all(this.pods().map((pod) => pod.stop()));
    this.lag.close();
  }

  private plan(): void {
    if (this.stopped) return;
    this.timer = setTimeout(
      () => (this.looking = this.look().finally(() => this.plan())),
      this.job.pollingSeconds * 1000,
    );
  }

  private async look(): Promise<void> {
    try {
      this.waiting = await this.lag.read();
      this.reason = undefined;
    } catch (error) {
      this.reason = `${this.job.trigger.stream}: ${(error as Error).message}`;
    }
    const { min, max, trigger } = this.job;
    const waiting = this.waiting ?? 0;
    const more = waiting > trigger.activationLag ? Math.ceil(waiting / trigger.lagPerWorker) : 0;
    const running = this.running();
    await this.refill(Math.min(max - running, Math.max(min - running, more)));
  }

  private async refill(wanted: number): Promise<void> {
    const free = [...this.places.keys()].filter((place) => !isRunning(this.places[place]));
    for (const place of free.slice(0, Math.max(0, wanted))) if (!this.stopped) await this.fill(place);
  }

  private async fill(place: number): Promise<void> {
    const pod = await this.startPod(place);
    this.places[place] = pod;
    void pod.ended.then((isWell) => this.ended[isWell ? "succeeded" : "failed"]++);
  }

  private running(): number {
    return this.places.filter(isRunning).length;
  }
}

function isRunning(pod: Pod | undefined): boolean {
  return pod !== undefined && !["Succeeded", "Failed"].includes(pod.status().phase);
}
