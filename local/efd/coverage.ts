import type { DimensionRecord, RecordKind } from "../../workloads/src/transform-efd/model";

/**
 * What the consolidated database has of a record of the Butler.
 * `filled`: a row with values. `partial`: a row with values whose task failed, so that columns are missing. `empty`: a row without
 * any value. `missing`: no row. `waiting`: no value yet, but a task will bring it, or the record is too young to have one.
 */
export type RecordState = "filled" | "partial" | "empty" | "missing" | "waiting";

/** States that somebody should look at, the worst first. */
export const holeStates = ["missing", "empty", "partial"] as const satisfies readonly RecordState[];
export type HoleState = (typeof holeStates)[number];

/** A task of the queue, as far as it tells why a record has no values. */
export interface CoveringTask {
  readonly id: number;
  /** `[startMs, endMs)`, ms since 1970 UTC. */
  readonly startMs: number;
  readonly endMs: number;
  readonly status: string;
  readonly error: string | null;
}

/** A record with what is known of it. */
export interface RecordCoverage {
  readonly record: DimensionRecord;
  readonly state: RecordState;
  /** The task that owns the record; none was ever made, if missing. */
  readonly task?: CoveringTask;
}

/** Numbers of records by state. */
export type Counts = Record<RecordState, number>;

/** Neighbouring records, in the order of their numbers, that lack the same for the same reason. */
export interface Hole {
  readonly kind: RecordKind;
  readonly state: HoleState;
  readonly dayObs: number;
  readonly first: DimensionRecord;
  readonly last: DimensionRecord;
  readonly records: readonly RecordCoverage[];
  /** Task of the first record; those of the others ended the same way. */
  readonly task?: CoveringTask;
}

export const noCounts = (): Counts => ({ filled: 0, partial: 0, empty: 0, missing: 0, waiting: 0 });

export const totalOf = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

export const holesOf = (counts: Counts): number => counts.missing + counts.empty + counts.partial;

export const endMs = ({ span }: DimensionRecord): number => Number(span.endNs / 1_000_000n);
export const beginMs = ({ span }: DimensionRecord): number => Number(span.beginNs / 1_000_000n);

/** Which statuses explain a record best: one that completed says more than one that failed beside it. */
const precedence = ["completed", "running", "pending", "idle", "failed", "stale"];
const isWaiting = (status: string) => ["running", "pending", "idle"].includes(status);
const hasFailed = (status: string) => ["failed", "stale"].includes(status);

/** Finds the task that owns a record: the one whose window has the record's end. Tasks may overlap and differ in length. */
export function taskFinder(tasks: readonly CoveringTask[]): (record: DimensionRecord) => CoveringTask | undefined {
  const sorted = [...tasks].sort((a, b) => a.startMs - b.startMs);
  const longestMs = sorted.reduce((longest, { startMs, endMs: end }) => Math.max(longest, end - startMs), 0);
  return (record) => {
    const at = endMs(record);
    let low = 0;
    for (let high = sorted.length; low < high;) {
      const middle = (low + high) >> 1;
      if (sorted[middle]!.startMs <= at) low = middle + 1;
      else high = middle;
    }
    let best: CoveringTask | undefined;
    for (let index = low - 1; index >= 0 && sorted[index]!.startMs >= at - longestMs; index--) {
      const task = sorted[index]!;
      if (task.endMs <= at) continue;
      if (best === undefined || rank(task) < rank(best)) best = task;
    }
    return best;
  };
}

function rank({ status }: CoveringTask): number {
  const place = precedence.indexOf(status);
  return place < 0 ? precedence.length : place;
}

/**
 * @param rows - By id of the record: whether its row has any value.
 * @param youngMs - Records that ended after this are not missed yet, ms since 1970.
 */
export function coverageOf(
  records: readonly DimensionRecord[],
  rows: ReadonlyMap<number, boolean>,
  tasks: readonly CoveringTask[],
  youngMs: number,
): RecordCoverage[] {
  const taskOf = taskFinder(tasks);
  return records.map((record) => {
    const task = taskOf(record);
    const hasValues = rows.get(record.id);
    const state = stateOf(hasValues, task?.status, endMs(record) > youngMs);
    return { record, state, task };
  });
}

function stateOf(hasValues: boolean | undefined, status = "", isYoung: boolean): RecordState {
  if (hasValues) return hasFailed(status) ? "partial" : "filled";
  if (isWaiting(status) || (isYoung && status === "")) return "waiting";
  return hasValues === undefined ? "missing" : "empty";
}

/** Neighbours of the same kind, day, state and reason become one hole. @param coverage - In any order. */
export function listHoles(coverage: readonly RecordCoverage[]): Hole[] {
  const sorted = [...coverage].sort(
    ({ record: a }, { record: b }) =>
      a.dayObs - b.dayObs || compareText(a.kind, b.kind) || a.seqNum - b.seqNum || a.id - b.id,
  );
  const holes: (Hole & { records: RecordCoverage[]; last: DimensionRecord })[] = [];
  let open: (typeof holes)[number] | undefined;
  for (const each of sorted) {
    const { record, state, task } = each;
    if (state === "filled" || state === "waiting") {
      open = undefined;
      continue;
    }
    const { kind, dayObs } = record;
    if (
      open?.kind === kind &&
      open.dayObs === dayObs &&
      open.state === state &&
      reasonOf(open.task) === reasonOf(task)
    ) {
      open.records.push(each);
      open.last = record;
    } else {
      open = { kind, state, dayObs, first: record, last: record, records: [each], task };
      holes.push(open);
    }
  }
  return holes;
}

/** Why a record has no values, in words. */
export function reasonOf(task: CoveringTask | undefined): string {
  if (task === undefined) return "no task was ever made for it";
  return task.error ? `task ${task.status}: ${task.error.trim()}` : `task ${task.status}`;
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
