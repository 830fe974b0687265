import type { PoolClient } from "../../workloads/src/lib/postgres";
import type { DimensionRecord, RecordKind } from "../../workloads/src/transform-efd/model";
import { findRegistry, Registry, rowOwners } from "../../workloads/src/transform-efd/records";
import type { EfdPlace, Settings } from "./connection";
import { beginMs, coverageOf, endMs, type RecordCoverage } from "./coverage";
import { log, reading } from "./database";
import { type DayRange, partsOf } from "./range";
import { rowsByRecord, tasksBetween } from "./rows";

/** Days that are read at once: bounds memory. */
const daysAtOnce = 31;

const tables: readonly { readonly kind: RecordKind; readonly table: string; readonly id: string }[] = [
  { kind: "exposure", table: "exposure_efd", id: "exposure_id" },
  { kind: "visit1", table: "visit1_efd", id: "visit_id" },
];

/** Coverage of the Butler's exposures and visits, some days at a time. @param youngMs - See {@link coverageOf}. */
export async function* coverageBetween(
  place: EfdPlace,
  settings: Settings,
  range: DayRange,
  youngMs: number,
): AsyncGenerator<{ coverage: RecordCoverage[]; notes: readonly string[] }> {
  const options = { log, applicationName: "usdf efd" };
  const registry = new Registry(await findRegistry(settings, place.env), settings.INSTRUMENT, {
    ...options,
    attempts: 2,
  });
  try {
    for (const { since, until } of partsOf(range, daysAtOnce)) {
      const { records, notes } = await registry.ofDays(since, until);
      const stored = rowOwners(records);
      const coverage = await reading("reading coverage", place.env.CONSDB_URL, (client) =>
        read(client, place.instrument, settings.BUTLER_REPO, stored, { since, until }, youngMs),
      );
      yield { coverage, notes };
    }
  } finally {
    await registry.close();
  }
}

async function read(
  client: PoolClient,
  instrument: string,
  repo: string,
  records: readonly DimensionRecord[],
  { since, until }: DayRange,
  youngMs: number,
): Promise<RecordCoverage[]> {
  if (records.length === 0) return [];
  let [fromMs, toMs] = [Infinity, -Infinity];
  for (const record of records) [fromMs, toMs] = [Math.min(fromMs, beginMs(record)), Math.max(toMs, endMs(record))];
  const tasks = await tasksBetween(client, instrument, repo, fromMs, toMs);
  const coverage: RecordCoverage[] = [];
  for (const { kind, table, id } of tables) {
    const rows = await rowsByRecord(client, { schema: `efd_${instrument}`, table, id }, since, until);
    coverage.push(...coverageOf(records.filter((record) => record.kind === kind), rows, tasks, youngMs)); // prettier-ignore
  }
  return coverage;
}
