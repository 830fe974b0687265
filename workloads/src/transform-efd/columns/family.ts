import type { ColumnEntry, SummaryFunction } from "./model";

/** What stands for the placeholders of a family. */
export type Words = Readonly<Record<string, string | number>>;

/** Columns that differ in a few words: one for each member of {@link Family.over} and each statistic. */
export interface Family {
  /** Name without the statistic; `{axis}` stands for a value of `over`. */
  readonly name: string;
  /** Without `lsst.sal.`. */
  readonly topic: string;
  /** Separated by spaces, those of a subset too; `force0..155` for a row of them. */
  readonly fields: string;
  /** What is measured; the statistic is put before it. */
  readonly about: string;
  readonly unit?: string;
  /** @default what fits the statistic; `null` for none */
  readonly ucd?: string | null;
  readonly stats: readonly Statistic[];
  /** What stands for the placeholders, one set for each member; `{AXIS}` is `{axis}` in capitals. */
  readonly over?: readonly Words[];
  /** Only rows of these. */
  readonly salIndex?: number | readonly number[];
  readonly tables?: "both" | "exposure" | "unpivoted";
  readonly preAggregate?: string;
  readonly startOffsetHours?: number;
  readonly packed?: boolean;
}

/** How the column is computed, what its name and description say of it. */
export interface Statistic {
  readonly function: SummaryFunction["name"];
  readonly args?: Readonly<Record<string, unknown>>;
  readonly suffix: string;
  readonly prefix: string;
  readonly ucd?: string;
}

export const mean: Statistic = { function: "mean", suffix: "_mean", prefix: "Mean ", ucd: "meta.ucd;stat.mean" };
export const stddev: Statistic = { function: "stddev", args: { ddof: 1 }, suffix: "_stddev", prefix: "Standard deviation of the ", ucd: "stat.stdev" }; // prettier-ignore
export const min: Statistic = { function: "min", suffix: "_min", prefix: "Minimum ", ucd: "meta.ucd;stat.min" };
export const max: Statistic = { function: "max", suffix: "_max", prefix: "Maximum ", ucd: "meta.ucd;stat.max" };
export const all = [mean, stddev, min, max];
/** Scatter after a fit of the fourth order: what the guiding leaves. */
export const jitter: Statistic = {
  function: "rms_from_polynomial_fit",
  args: { degree: 4, fit_basis: "index" },
  suffix: "",
  prefix: "RMS after 4th order polynomial fit of ",
  ucd: "stat.rms",
};
export const latest: Statistic = { function: "most_recent_value", suffix: "", prefix: "" };
/** A statistic that the name does not tell. */
export const unnamed = (statistic: Statistic): Statistic => ({ ...statistic, suffix: "" });
/** A statistic that the description does not tell. */
export const untold = (statistic: Statistic): Statistic => ({ ...statistic, prefix: "" });

const tablesOf = {
  both: ["exposure_efd", "visit1_efd"],
  exposure: ["exposure_efd"],
  unpivoted: ["exposure_efd_unpivoted", "visit1_efd_unpivoted"],
};

/** The columns of families, in the flat form. */
export function expand(...families: readonly (Family | readonly ColumnEntry[])[]): ColumnEntry[] {
  return families.flatMap((family) => ("stats" in family ? expandOne(family) : family));
}

function expandOne(family: Family): ColumnEntry[] {
  const { tables = "both", unit, preAggregate, startOffsetHours, salIndex } = family;
  return (family.over ?? [{}]).flatMap((words) => {
    const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, key: string) => wordFor(key, words));
    return family.stats.map((statistic): ColumnEntry => {
      const ucd = family.ucd === undefined ? statistic.ucd : (family.ucd ?? undefined);
      return {
        name: fill(family.name) + statistic.suffix,
        tables: [...tablesOf[tables]],
        ...(tables === "unpivoted" && { store_unpivoted: true }),
        function: statistic.function,
        ...(statistic.args && { function_args: { ...statistic.args } }),
        ...(preAggregate && { pre_aggregate_interval: preAggregate }),
        ...(startOffsetHours && { start_offset: startOffsetHours }),
        datatype: "float",
        ivoa: { ...(unit && { unit: fill(unit) }), ...(ucd && { ucd }) },
        description: statistic.prefix + fill(family.about),
        packed_series: family.packed ?? false,
        ...(salIndex !== undefined && {
          subset_field: "salIndex",
          subset_value: typeof salIndex === "number" ? salIndex : [...salIndex],
        }),
        topics: [{ name: `lsst.sal.${family.topic}`, fields: fieldsOf(fill(family.fields)) }],
      };
    });
  });
}

/** Changes what single columns have beside their family. */
export function amend(
  columns: readonly ColumnEntry[],
  changes: Readonly<Record<string, Partial<ColumnEntry>>>,
): ColumnEntry[] {
  const unknown = Object.keys(changes).filter((name) => !columns.some((column) => column.name === name));
  if (unknown.length > 0) throw new Error(`No such column to amend: ${unknown.join(", ")}`);
  return columns.map((column) => ({ ...column, ...changes[column.name] }));
}

/** One member for each value. */
export function each(key: string, values: readonly (string | number)[]): Words[] {
  return values.map((value) => ({ [key]: value }));
}

/** Every combination; the second one turns faster. */
export function times(outer: readonly Words[], inner: readonly Words[]): Words[] {
  return outer.flatMap((words) => inner.map((more) => ({ ...words, ...more })));
}

function wordFor(key: string, words: Words): string {
  const word = words[key] ?? (key === key.toUpperCase() ? words[key.toLowerCase()] : undefined);
  if (word === undefined) throw new Error(`No word for {${key}}; there are ${Object.keys(words).join(", ")}`);
  return key in words ? String(word) : String(word).toUpperCase();
}

/** `a0..2 b` is a0, a1, a2, b. */
function fieldsOf(text: string): { name: string }[] {
  return text.split(" ").flatMap((word) => {
    const [, base, first, last] = /^(.*?)(\d+)\.\.(\d+)$/.exec(word) ?? [];
    if (base === undefined) return [{ name: word }];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => ({
      name: `${base}${Number(first) + i}`,
    }));
  });
}
