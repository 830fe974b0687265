import type { Column } from "../columns";
import type { SeriesQuery } from "../model";

/** Results as the Python program gives them, each where it is known to be wrong. All off by default. */
export interface LegacySwitches {
  /** `rms_from_polynomial_fit` without detrending: sqrt(var(y) + var(fit)). */
  readonly rms?: boolean;
  /** `start_offset` has no effect. */
  readonly startOffset?: boolean;
  /** Unpivoted values of visits that are 0 are left out. */
  readonly zeroVisits?: boolean;
  /** Buckets count by their label: the first partial one never, the last one up to its length after the record's end. */
  readonly buckets?: boolean;
}

/** Columns that share a query. */
export interface Group {
  readonly topic: string;
  readonly columns: readonly Column[];
  /** What the columns read, fields of subsets too. */
  readonly fields: readonly string[];
  readonly isPacked: boolean;
  readonly startOffsetNs: bigint;
  readonly preAggregate?: NonNullable<SeriesQuery["preAggregate"]>;
}

/** Groups in the order of their first columns. */
export function groupsOf(columns: readonly Column[], legacy: LegacySwitches = {}): Group[] {
  const groups = new Map<string, Column[]>();
  const offsetOf = (column: Column) => (legacy.startOffset ? 0n : column.startOffsetNs);
  for (const column of columns) {
    const { topic, isPacked, bucketNs, function: func } = column;
    const bucket = bucketNs === undefined ? "" : `${bucketNs} ${func.name}`;
    const key = [topic, isPacked, offsetOf(column), bucket].join("\n");
    groups.set(key, [...(groups.get(key) ?? []), column]);
  }
  return [...groups.values()].map((members) => {
    const [first] = members as [Column];
    return {
      topic: first.topic,
      columns: members,
      fields: [...new Set(members.flatMap(({ fields, subset }) => (subset ? [...fields, subset.field] : fields)))],
      isPacked: first.isPacked,
      startOffsetNs: offsetOf(first),
      // Only these three are let in together with an interval, see columns/functions.ts.
      preAggregate: first.bucketNs
        ? { function: first.function.name as "mean" | "min" | "max", intervalNs: first.bucketNs }
        : undefined,
    };
  });
}
