import type { Logger } from "../../lib/log";
import type { Database } from "../../lib/postgres";
import { dayObsOf } from "../../lib/tai";
import type { DimensionRecord, RecordKind } from "../model";
import { queueNames, requeue, windowOf, type WindowOptions } from "../queue";
import { type RecordSource, rowOwners } from "../records";
import { tablesOf } from "../store";

export interface ReconcileParts {
  readonly database: Database;
  readonly records: RecordSource;
  readonly schema: string;
  readonly windows: WindowOptions;
  /** Days of observation that are looked at, today's included. */
  readonly days: number;
  readonly log: Logger;
}

const dayMs = 24 * 3_600_000;

/**
 * Finds records of the Butler that have no row although no task waits for them, as when they came to the Butler after their
 * window was done, and queues their windows again.
 * @param dueMs - Records that end later are the next runs' business.
 * @returns number of windows that are queued now and were not before.
 */
export async function reconcile(parts: ReconcileParts, dueMs: number, stop: AbortSignal): Promise<number> {
  const { database, records, schema, windows, days, log } = parts;
  const lastDay = dayObsOf(BigInt(dueMs) * 1_000_000n);
  const firstDay = dayObsOf(BigInt(dueMs - (days - 1) * dayMs) * 1_000_000n);
  const found = await records.ofDays(firstDay, lastDay, stop);
  for (const note of found.notes) log.warn({ note }, "record_left_out");
  const candidates = rowOwners(found.records).filter(({ span }) => endMs(span.endNs) < dueMs);
  const missing = {
    exposure: await withoutRow(database, schema, windows, candidates, "exposure"),
    visit1: await withoutRow(database, schema, windows, candidates, "visit1"),
  };
  log.info(
    {
      day_obs_start: firstDay,
      day_obs_end: lastDay,
      missing_exposures: missing.exposure.length,
      missing_visits: missing.visit1.length,
    },
    "butler_reconciliation_window",
  );
  const wanted = new Map(
    [...missing.exposure, ...missing.visit1].map(({ span }) => {
      const window = windowOf(endMs(span.endNs), windows.intervalMinutes);
      return [window.startMs, window] as const;
    }),
  );
  const created = await requeue(database, windows, [...wanted.values()], { bounded: true });
  log.info({ windows: wanted.size, tasks_created: created }, "butler_reconciliation_result");
  return created;
}

async function withoutRow(
  database: Database,
  schema: string,
  windows: WindowOptions,
  records: readonly DimensionRecord[],
  kind: RecordKind,
): Promise<DimensionRecord[]> {
  const mine = records.filter((record) => record.kind === kind);
  const { pivoted, id } = tablesOf[kind];
  const query = `
    select r.id from unnest($1::bigint[], $2::timestamp[]) r (id, ended)
     where not exists (select from "${schema}".${pivoted} t where t.${id} = r.id)
       and not exists (select from ${queueNames(windows.instrument).tasks} t
                        where t.start_time <= r.ended and t.end_time > r.ended and t.butler_repo = $3
                          and t.duplicate_of is null and t.status <> 'completed')`;
  const values = [mine.map(({ id }) => id), mine.map(({ span }) => new Date(endMs(span.endNs)).toISOString().slice(0, -1)), windows.repo]; // prettier-ignore
  const { rows } = await database.transaction(
    "looking for records without a row",
    (client) => client.query<{ id: string }>(query, values),
    { readOnly: true },
  );
  const missing = new Set(rows.map((row) => Number(row.id)));
  return mine.filter((record) => missing.has(record.id));
}

function endMs(ns: bigint): number {
  return Number(ns / 1_000_000n);
}
