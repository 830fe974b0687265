/** Where a record carries its own time. */
export interface RecordTimeField {
  /** Name of the field; empty: records carry none, and Kafka's time stands for it. */
  readonly field: string;
  readonly unit: TimeUnit;
}

export const timeUnits = ["s", "ms", "us", "ns"] as const;
export type TimeUnit = (typeof timeUnits)[number];

/** Units in a millisecond. */
export const unitsPerMs: Readonly<Record<TimeUnit, number>> = { s: 1e-3, ms: 1, us: 1e3, ns: 1e6 };
/** Times outside of 2000 to 2100 are no times of the observatory but another unit, or a field that was never set. */
const firstMs = Date.UTC(2000, 0, 1);
const endMs = Date.UTC(2100, 0, 1);

/**
 * Time of a record by its own field, ms since 1970 with fractions (UTC).
 * @returns undefined when the field is missing, null or no time between 2000 and 2100 in its unit.
 */
export function recordTimeMs(record: Readonly<Record<string, unknown>>, time: RecordTimeField): number | undefined {
  if (time.field === "") return undefined;
  const value = record[time.field];
  if (typeof value !== "number" && typeof value !== "bigint") return undefined;
  const ms = Number(value) / unitsPerMs[time.unit];
  return ms >= firstMs && ms < endMs ? ms : undefined;
}
