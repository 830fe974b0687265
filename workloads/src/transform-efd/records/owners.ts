import type { DimensionRecord } from "../model";

/** Of the records with one (dayObs, seqNum), as visits of several visit systems have, only the one with the largest id has a row. */
export function rowOwners(records: readonly DimensionRecord[]): DimensionRecord[] {
  const owners = new Map<string, DimensionRecord>();
  for (const record of records) {
    const key = `${record.kind} ${record.dayObs} ${record.seqNum}`;
    const other = owners.get(key);
    if (!other || other.id < record.id) owners.set(key, record);
  }
  return [...owners.values()];
}
