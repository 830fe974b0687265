import { setTimeout as sleep } from "node:timers/promises";
import type { CronStatus } from "./api";
import { parseSchedule } from "./cron";
import type { CronJob, JobTemplate } from "./manifest";
import type { Pod } from "./pod";

/** Makes and starts a pod of a job. */
export type StartPod = (job: JobTemplate) => Promise<Pod>;

/** A job: a pod, and another after it while it fails and the limits allow. */
export class JobRun {
  private pod: Pod | undefined;
  private stopped = false;
  /** Settles with `Succeeded`, or with why it did not. Never rejects. */
  readonly ended: Promise<string>;

  constructor(
    private readonly job: JobTemplate,
    private readonly startPod: StartPod,
  ) {
    this.ended = this.run().catch((error: Error) => `Failed: ${error.message}`);
  }

  current(): Pod | undefined {
    return this.pod;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.pod?.stop();
    await this.ended;
  }

  private async run(): Promise<string> {
    const { backoffLimit, activeDeadlineSeconds } = this.job;
    const overdue = new AbortController();
    const deadline = activeDeadlineSeconds
      ? setTimeout(() => {
          overdue.abort();
          void this.pod?.stop();
        }, activeDeadlineSeconds * 1000)
      : undefined;
    try {
      for (let attempt = 0; ; attempt++) {
        this.pod = await this.startPod(this.job);
        if (this.stopped) await this.pod.stop();
        if (await this.pod.ended) return "Succeeded";
        if (overdue.signal.aborted) return `Failed: not done after ${activeDeadlineSeconds} s`;
        if (this.stopped) return "Stopped";
        if (attempt >= backoffLimit) return `Failed: ${attempt + 1} attempts, see its log`;
        await sleep(Math.min(1000 * 2 ** attempt, 60_000), undefined, { signal: overdue.signal }).catch(() => {});
      }
    } finally {
      clearTimeout(deadline);
    }
  }
}

/** Starts a job whenever its schedule names the minute (UTC). */
export class CronRun {
  private readonly runs = new Set<JobRun>();
  private timer: NodeJS.Timeout | undefined;
  private lastStartMs: number | undefined;
  private lastResult: string | undefined;

  /**
   * @param isDue - Whether the schedule counts now. What `runNow` starts does not ask.
   * @throws Error for a schedule that cannot be read.
   */
  constructor(
    readonly cron: CronJob,
    private readonly startPod: StartPod,
    isDue: () => boolean = () => true,
  ) {
    const schedule = parseSchedule(cron.schedule);
    const wait = (minuteMs: number) => {
      this.timer = setTimeout(() => {
        // The minute that was waited for, not the clock: a timer may come a moment early, and would be of the last minute.
        if (!cron.suspend && isDue() && schedule.matches(new Date(minuteMs))) void this.startOnTime();
        wait(Math.max(minuteMs, thisMinute()) + 60_000);
      }, minuteMs - Date.now());
    };
    wait(thisMinute() + 60_000);
  }

  status(): CronStatus {
    const { cron, lastStartMs, lastResult } = this;
    const { name, namespace } = cron.metadata;
    return { name, namespace, schedule: cron.schedule, suspended: cron.suspend, lastStartMs, lastResult };
  }

  /** Starts a job now, after the one that runs: they would share an address. @returns How it ended. */
  async runNow(): Promise<string> {
    while (this.runs.size > 0) await Promise.all([...this.runs].map((run) => run.ended));
    return this.start();
  }

  pods(): Pod[] {
    return [...this.runs].flatMap((run) => run.current() ?? []);
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    await Promise.all([...this.runs].map((run) => run.stop()));
  }

  private async startOnTime(): Promise<void> {
    const { concurrencyPolicy } = this.cron;
    if (this.runs.size > 0 && concurrencyPolicy === "Forbid") return;
    if (concurrencyPolicy === "Replace") await Promise.all([...this.runs].map((run) => run.stop()));
    await this.start();
  }

  private async start(): Promise<string> {
    const run = new JobRun(this.cron.job, this.startPod);
    this.runs.add(run);
    this.lastStartMs = Date.now();
    this.lastResult = "Running";
    const result = await run.ended;
    this.lastResult = result;
    this.runs.delete(run);
    return result;
  }
}

function thisMinute(): number {
  return Math.floor(Date.now() / 60_000) * 60_000;
}
