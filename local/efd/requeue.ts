import { migrateQueue, type Range, requeue, windowOf } from "../../workloads/src/transform-efd/queue";
import type { EfdPlace, Settings } from "./connection";
import { endMs, type RecordCoverage } from "./coverage";
import { openDatabase } from "./database";

export interface Requeued {
  /** Windows that own the records. */
  readonly windows: number;
  /** Of these: tasks that are queued now and were not before. */
  readonly queued: number;
}

/**
 * Has the windows of records computed again. Those whose task waits or runs stay as they are, so that twice is as once.
 * A record of a task that is there is queued as that task, whatever its length; one without is queued as TIMEDELTA says.
 */
export async function requeueRecords(
  place: EfdPlace,
  settings: Settings,
  records: readonly RecordCoverage[],
): Promise<Requeued> {
  const windows = windowsOf(records, settings.TIMEDELTA);
  if (windows.length === 0) return { windows: 0, queued: 0 };
  const database = openDatabase(place.env.CONSDB_URL, 3);
  try {
    await migrateQueue(database, place.instrument);
    const options = {
      ...{ instrument: place.instrument, repo: settings.BUTLER_REPO },
      ...{ intervalMinutes: settings.TIMEDELTA, timewindowMinutes: settings.TIMEWINDOW },
    };
    return { windows: windows.length, queued: await requeue(database, options, windows, { bounded: false }) };
  } finally {
    await database.close();
  }
}

/** The windows that own the records, each once. */
function windowsOf(records: readonly RecordCoverage[], intervalMinutes: number): Range[] {
  const windows = new Map<string, Range>();
  for (const { record, task } of records) {
    const at = endMs(record);
    // A task made by others may have a window in microseconds, which cannot be named exactly here.
    const isWhole = task && Number.isInteger(task.startMs) && Number.isInteger(task.endMs);
    const { startMs, endMs: end } = isWhole ? task : windowOf(at, intervalMinutes);
    windows.set(`${startMs} ${end}`, { startMs, endMs: end });
  }
  return [...windows.values()].sort((a, b) => a.startMs - b.startMs);
}
