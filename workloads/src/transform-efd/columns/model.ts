import { z } from "zod";
import type { OutputTable } from "../model";

/**
 * The flat form of a column, as the YAML files have it. {@link Column} is what it means.
 * Keys are those of the files; a key that is not here is a fault, so that a misspelt one cannot pass unseen.
 */
const entryShape = {
  name: z.string(),
  /** Where the values go. @default both pivoted tables, or both unpivoted ones */
  tables: z.array(z.string()).nullish(),
  /** One row for each field instead of one column. */
  store_unpivoted: z.boolean().nullish(),
  function: z.string(),
  function_args: z.record(z.string(), z.unknown()).nullish(),
  /** Buckets that the server makes, as an InfluxDB duration: `1s`. */
  pre_aggregate_interval: z.string().nullish(),
  /** Hours that are added to a record's begin: -1 reads the hour before it too. */
  start_offset: z.number().nullish(),
  datatype: z.string(),
  ivoa: z.record(z.string(), z.string()).nullish(),
  description: z.string(),
  /** Each field stands for an array of samples in one row: `name0`, `name1`, ... */
  packed_series: z.boolean(),
  subset_field: z.string().nullish(),
  subset_value: z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))]).nullish(),
  topics: z.array(z.strictObject({ name: z.string(), fields: z.array(z.strictObject({ name: z.string() })) })),
};

export const columnEntry = z.strictObject(entryShape);
export const columnKeys = Object.keys(entryShape);

/** A column as the flat YAML has it. */
export type ColumnEntry = z.infer<typeof columnEntry>;

/** A column file as it is written. */
export interface ColumnFile {
  readonly version: string;
  readonly columns: readonly ColumnEntry[];
}

/** How the samples of a record become one value. */
export type SummaryFunction =
  | { readonly name: "mean" | "min" | "max" | "most_recent_value" }
  | { readonly name: "stddev"; readonly ddof: number }
  | { readonly name: "rms_from_polynomial_fit"; readonly degree: number; readonly fitBasis: "index" | "time" };

/** A column that can be computed. */
export interface Column {
  /** Column of a pivoted table, or `property` of the rows of an unpivoted one. */
  readonly name: string;
  readonly tables: readonly OutputTable[];
  readonly isUnpivoted: boolean;
  readonly function: SummaryFunction;
  /** Length of the server's buckets. */
  readonly bucketNs?: bigint;
  /** Added to a record's begin; negative or 0. */
  readonly startOffsetNs: bigint;
  readonly isPacked: boolean;
  readonly topic: string;
  /** What is summarised, without the field of the subset. */
  readonly fields: readonly string[];
  /** Only rows whose field has one of these values. */
  readonly subset?: { readonly field: string; readonly values: readonly number[] };
  /** Felis type, e.g. `float`. */
  readonly datatype: string;
  readonly ivoa: Readonly<Record<string, string>>;
  readonly description: string;
}

/** Something in a file that cannot be used. */
export interface Fault {
  /** Path, or `builtin:<instrument>`. */
  readonly file: string;
  /** Name of the column, `columns[3]` where it has none; undefined when the file itself is at fault. */
  readonly column?: string;
  readonly reason: string;
}

/** Columns of an instrument. */
export interface Columns {
  readonly file: string;
  readonly version: string;
  /** Those that can be computed, in the order of the file. */
  readonly columns: readonly Column[];
  /** What was left out, and why. */
  readonly faults: readonly Fault[];
  /** What is computed as written but looks like a mistake. */
  readonly notes: readonly Fault[];
}

/** `config.yaml: column at_x: unknown function "median"...`: one line for a log or a terminal. */
export function faultText({ file, column, reason }: Fault): string {
  return column === undefined ? `${file}: ${reason}` : `${file}: column ${column}: ${reason}`;
}
