import { messageOf } from "../../lib/errors";
import type { Logger } from "../../lib/log";
import type { Database } from "../../lib/postgres";
import type { DimensionRecord, RecordKind, Summary, TopicOutcome } from "../model";
import { LeaseLostError, type Task, type TaskQueue, type TaskResult } from "../queue";
import type { RecordSource } from "../records";
import { recordKinds, type Secondaries, type Stored, storeSummary } from "../store";
import { LeaseKeeper } from "./lease";
import { recordsTotal, secondaryBehind, taskSeconds, tasksTotal, topicsTotal } from "./metrics";

/** What a worker works with. */
export interface WorkerParts {
  readonly database: Database;
  readonly queue: TaskQueue;
  readonly records: RecordSource;
  readonly secondaries: Secondaries;
  /** Schema of the results. */
  readonly schema: string;
  readonly summarise: (records: readonly DimensionRecord[], signal: AbortSignal) => Promise<Summary>;
  readonly leaseSeconds: number;
  readonly log: Logger;
}

/** How a task ended for this worker. */
export interface TaskEnd {
  readonly result: "completed" | "failed" | "lost" | "released";
  /** Rows stored by kind of record. */
  readonly rows: Readonly<Record<RecordKind, number>>;
  /** What came of the questions: no answer at all is somebody else's fault, most likely, that the next task will meet too. */
  readonly answers: "some" | "none" | "not asked";
}

/** Topics that a task's note names. */
const namedTopics = 10;
const nothing = { rows: { exposure: 0, visit1: 0 }, answers: "not asked" } as const;

/** Does tasks, each under a lease that it keeps alive. */
export class Worker {
  constructor(private readonly parts: WorkerParts) {}

  /**
   * Does a task: its records, their summary, then their rows and its end in one transaction. On `stop` it is handed back.
   * @throws DatabaseError when the end of the task cannot be stored: then its lease runs out and somebody takes it over.
   */
  async run(task: Task, stop: AbortSignal): Promise<TaskEnd> {
    const { queue, leaseSeconds, log } = this.parts;
    const stopTimer = taskSeconds.startTimer();
    const lease = new LeaseKeeper(queue, task, leaseSeconds, log);
    let end: TaskEnd;
    try {
      end = await this.work(task, AbortSignal.any([stop, lease.lost]));
    } catch (error) {
      end = await this.endAfter(error, task, lease.lost.aborted, stop.aborted);
    } finally {
      lease.end();
    }
    stopTimer();
    tasksTotal.inc({ result: end.result });
    return end;
  }

  /** Copies what secondaries lack; a failure of theirs fails nobody. */
  async repair(stop: AbortSignal): Promise<void> {
    const { secondaries, log } = this.parts;
    try {
      await secondaries.repair(stop);
      for (const [target, tasks] of await secondaries.behind()) secondaryBehind.set({ target }, tasks);
    } catch (error) {
      log.error({ error: messageOf(error) }, "secondary_repair_failed");
    }
  }

  private async work(task: Task, signal: AbortSignal): Promise<TaskEnd> {
    const { log } = this.parts;
    const found = await this.parts.records.endingIn(task, signal);
    logScope(log, task, found.records);
    const summary = await this.parts.summarise(found.records, signal);
    signal.throwIfAborted();
    for (const { topic, columns } of summary.topics.filter(({ status }) => status === "no-data"))
      log.warn({ task_id: task.id, topic, columns: columns.length }, "topic_no_data");
    const failed = summary.topics.filter(({ status }) => status === "failed");
    for (const { topic, error } of failed) log.error({ task_id: task.id, topic, error }, "efd_query_failed");
    const stored = await this.store(task, summary, failed, found.notes);
    for (const { status } of summary.topics) topicsTotal.inc({ status });
    for (const kind of recordKinds) recordsTotal.inc({ kind }, stored.rows[kind]);
    return {
      result: failed.length > 0 ? "failed" : "completed",
      rows: stored.rows,
      answers: summary.topics.length === 0 ? "not asked" : failed.length < summary.topics.length ? "some" : "none",
    };
  }

  /** Rows, what secondaries need of them, and the end of the task: all or nothing. */
  private async store(
    task: Task,
    summary: Summary,
    failed: readonly TopicOutcome[],
    notes: readonly string[],
  ): Promise<Pick<Stored, "rows">> {
    const { database, queue, secondaries, schema } = this.parts;
    let stored: Stored | undefined;
    await database.transaction("storing a task", async (client) => {
      if ((await queue.hold(client, task)) === "finished") return;
      stored = await storeSummary(client, schema, summary);
      await secondaries.note(client, task.id, stored.ids);
      await queue.finish(client, task, resultOf(summary, failed, [...notes, ...stored.notes], stored));
    });
    return stored ?? nothing;
  }

  private async endAfter(error: unknown, task: Task, isLost: boolean, isStopped: boolean): Promise<TaskEnd> {
    const { queue, log } = this.parts;
    if (isLost || error instanceof LeaseLostError) {
      log.warn({ task_id: task.id }, "task_lease_lost");
      return { ...nothing, result: "lost" };
    }
    if (isStopped) {
      await queue.release(task);
      log.info({ task_id: task.id }, "task_released");
      return { ...nothing, result: "released" };
    }
    log.error({ task_id: task.id, error: messageOf(error) }, "task_processing_failed");
    const isOurs = await queue.fail(task, messageOf(error));
    return { ...nothing, result: isOurs ? "failed" : "lost", answers: "none" };
  }
}

function resultOf(
  summary: Summary,
  failed: readonly TopicOutcome[],
  notes: readonly string[],
  stored: Stored,
): TaskResult {
  const named = failed
    .slice(0, namedTopics)
    .map(({ topic, columns, error = "no reason given" }) => `${topic} (${columns.length} columns): ${error}`);
  const more = failed.length > namedTopics ? [`and ${failed.length - namedTopics} more`] : [];
  const why = failed.length === 0 ? [] : [`${failed.length} of ${summary.topics.length} questions failed`];
  const lines = [...why, ...named, ...more, ...notes];
  return {
    status: failed.length > 0 ? "failed" : "completed",
    exposures: stored.rows.exposure,
    visits: stored.rows.visit1,
    topics: summary.topics,
    ...(lines.length > 0 ? { note: lines.join("\n") } : {}),
  };
}

function logScope(log: Logger, task: Task, records: readonly DimensionRecord[]): void {
  const range = (kind: RecordKind) => {
    const ids = records.filter((record) => record.kind === kind).map(({ id }) => id);
    return { count: ids.length, min: ids[0], max: ids.at(-1) };
  };
  const [exposures, visits] = recordKinds.map(range) as [ReturnType<typeof range>, ReturnType<typeof range>];
  const days = records.map(({ dayObs }) => dayObs);
  log.info(
    {
      task_id: task.id,
      start_time: isoOf(task.startNs),
      end_time: isoOf(task.endNs),
      ...(days.length > 0 ? { day_obs_min: Math.min(...days), day_obs_max: Math.max(...days) } : {}),
      exposure_id_min: exposures.min,
      exposure_id_max: exposures.max,
      visit_id_min: visits.min,
      visit_id_max: visits.max,
      exposure_count: exposures.count,
      visit_count: visits.count,
    },
    "task_impact_scope",
  );
}

function isoOf(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}
