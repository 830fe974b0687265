import { closest, distance } from "fastest-levenshtein";
import { ZodError } from "zod";
import type { OutputTable } from "../model";
import { bucketFunctions, functionNames, summaryFunction } from "./functions";
import { type Column, columnEntry, columnKeys, type ColumnEntry, type SummaryFunction } from "./model";

const pivotedTables: readonly OutputTable[] = ["exposure_efd", "visit1_efd"];
const unpivotedTables: readonly OutputTable[] = ["exposure_efd_unpivoted", "visit1_efd_unpivoted"];
const allTables: readonly string[] = [...pivotedTables, ...unpivotedTables];
/** What every table has beside the configured columns. */
const fixedColumns = ["day_obs", "seq_num", "exposure_id", "visit_id", "created_at"];
/** Types of Felis that hold a number. */
const numericTypes = ["float", "double", "short", "int", "long", "byte"];
/** PostgreSQL's limit, and the widths of `property` and `field`. */
const maxNameLength = 63;
const maxPropertyLength = 64;
const maxFieldLength = 32;

const nsPerUnit: Record<string, bigint> = {
  ns: 1n,
  u: 1_000n,
  us: 1_000n,
  µ: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
const nsPerHour = 3_600_000_000_000;
/** A longer one would read days for each exposure. */
const maxOffsetHours = 24;

/** What an entry means, or everything that is wrong with it. */
export function checkEntry(raw: unknown): { readonly column: Column } | { readonly reasons: readonly string[] } {
  const parsed = columnEntry.safeParse(raw);
  if (!parsed.success) return { reasons: reasonsOf(parsed.error, columnKeys) };
  const entry = parsed.data;
  const reasons: string[] = [];
  const fault = (reason: string): undefined => void reasons.push(reason);
  const isUnpivoted = entry.store_unpivoted ?? false;
  const tables = tablesOf(entry, isUnpivoted, fault);
  checkName(entry.name, isUnpivoted, fault);
  const func = functionOf(entry, fault);
  const source = sourceOf(entry, fault);
  const subset = subsetOf(entry, fault);
  const fields = source.fields.filter((field) => field !== subset?.field);
  checkFields(entry, fields, isUnpivoted, func, fault);
  const bucketNs = bucketOf(entry, fault);
  const startOffsetNs = offsetOf(entry, fault);
  if (!numericTypes.includes(entry.datatype)) {
    fault(`datatype "${entry.datatype}" holds no number; use one of ${numericTypes.join(", ")}`);
  }
  if (reasons.length > 0 || !func) return { reasons };
  return {
    column: {
      name: entry.name,
      tables,
      isUnpivoted,
      function: func,
      bucketNs,
      startOffsetNs,
      isPacked: entry.packed_series,
      topic: source.topic,
      fields,
      subset,
      datatype: entry.datatype,
      ivoa: entry.ivoa ?? {},
      description: entry.description,
    },
  };
}

type Report = (reason: string) => undefined;

function tablesOf(entry: ColumnEntry, isUnpivoted: boolean, fault: Report): readonly OutputTable[] {
  const fitting = isUnpivoted ? unpivotedTables : pivotedTables;
  if (!entry.tables) return fitting;
  if (entry.tables.length === 0) fault("tables is empty: name a table, or leave the key out for both");
  for (const table of entry.tables) {
    if (!allTables.includes(table)) fault(`unknown table "${table}"${didYouMean(table, allTables)}`);
    else if (!(fitting as readonly string[]).includes(table)) {
      fault(`table ${table} does not go with store_unpivoted: ${isUnpivoted}; use ${fitting.join(" or ")}`);
    }
  }
  return fitting.filter((table) => entry.tables!.includes(table));
}

function checkName(name: string, isUnpivoted: boolean, fault: Report): void {
  const [limit, what] = isUnpivoted ? [maxPropertyLength, "property"] : [maxNameLength, "name of a column"];
  if (!/^[A-Za-z_]\w*$/.test(name)) fault(`"${name}" is no ${what}: use letters, digits and "_"`);
  if (name.length > limit) fault(`the name has ${name.length} characters, a ${what} at most ${limit}`);
  if (!isUnpivoted && fixedColumns.includes(name)) fault(`every table has a column ${name} already`);
}

function functionOf(entry: ColumnEntry, fault: Report): SummaryFunction | undefined {
  const name = functionNames.find((known) => known === entry.function);
  if (!name) {
    return fault(
      `unknown function "${entry.function}"${didYouMean(entry.function, functionNames)}; ` +
        `known are ${functionNames.join(", ")}`,
    );
  }
  try {
    return summaryFunction(name, entry.function_args ?? {});
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    for (const reason of reasonsOf(error, ["ddof", "degree", "fit_basis"]))
      fault(`function_args of ${name}: ${reason}`);
    return undefined;
  }
}

function sourceOf(entry: ColumnEntry, fault: Report): { topic: string; fields: readonly string[] } {
  const [topic] = entry.topics;
  if (!topic) fault("topics is empty: name the topic and its fields");
  if (entry.topics.length > 1) {
    fault(
      `reads ${entry.topics.length} topics, but a column can read one: ${entry.topics.map((t) => t.name).join(", ")}`,
    );
  }
  if (topic && topic.name.trim() === "") fault("the topic has no name");
  const fields = topic?.fields.map((field) => field.name) ?? [];
  if (fields.some((field) => field.trim() === "")) fault("a field has no name");
  return { topic: topic?.name ?? "", fields: [...new Set(fields)] };
}

function subsetOf(entry: ColumnEntry, fault: Report): Column["subset"] {
  const [field, value] = [entry.subset_field ?? undefined, entry.subset_value ?? undefined];
  if (field === undefined && value === undefined) return undefined;
  if (field === undefined) return fault("subset_value without subset_field");
  if (value === undefined) return fault(`subset_field ${field} without subset_value`);
  if (entry.topics[0] && !entry.topics[0].fields.some(({ name }) => name === field)) {
    fault(`subset_field ${field} is not among the fields of the topic`);
  }
  const given = [value].flat();
  if (given.length === 0) fault("subset_value is an empty list");
  const values = given.map(Number);
  given.forEach((text, index) => {
    // A field of text is never read, so such a subset could only be empty.
    if (!Number.isFinite(values[index]) || String(text).trim() === "") fault(`subset_value "${text}" is not a number`);
  });
  return { field, values: [...new Set(values)] };
}

function hasSubset({ subset_field: field }: ColumnEntry): boolean {
  return (field ?? undefined) !== undefined;
}

function checkFields(
  entry: ColumnEntry,
  fields: readonly string[],
  isUnpivoted: boolean,
  func: SummaryFunction | undefined,
  fault: Report,
): void {
  if (entry.topics[0] && fields.length === 0) fault("no field is left to be summarised");
  if (func?.name === "rms_from_polynomial_fit" && !isUnpivoted && fields.length > 1) {
    fault(`rms_from_polynomial_fit takes one field, not ${fields.length}`);
  }
  if (entry.packed_series && fields.length > 1)
    fault(`a column of packed_series takes one field, not ${fields.length}`);
  if (entry.packed_series && hasSubset(entry))
    fault("a subset does not go with packed_series: a row holds many samples");
  const long = isUnpivoted ? fields.filter((field) => field.length > maxFieldLength) : [];
  if (long.length > 0) {
    fault(`unpivoted fields have at most ${maxFieldLength} characters: ${long.slice(0, 3).join(", ")}`);
  }
}

function bucketOf(entry: ColumnEntry, fault: Report): bigint | undefined {
  const text = entry.pre_aggregate_interval ?? undefined;
  if (text === undefined) return undefined;
  const [, count, unit] = /^([1-9]\d{0,8})(ns|us|u|µ|ms|s|m|h|d)$/.exec(text) ?? [];
  if (!count || !unit) return fault(`pre_aggregate_interval "${text}" is not a duration such as 1s, 500ms or 1m`);
  if (!bucketFunctions.includes(entry.function)) {
    fault(
      `${entry.function} cannot be computed from buckets; pre_aggregate_interval goes with ${bucketFunctions.join(", ")}`,
    );
  }
  if (entry.packed_series) fault("pre_aggregate_interval does not go with packed_series: a row holds many samples");
  if (hasSubset(entry)) {
    fault("pre_aggregate_interval does not go with a subset: the server would mix the rows before they are chosen");
  }
  return BigInt(count) * nsPerUnit[unit]!;
}

function offsetOf(entry: ColumnEntry, fault: Report): bigint {
  const hours = entry.start_offset ?? 0;
  if (!(hours <= 0 && hours >= -maxOffsetHours)) {
    fault(`start_offset is in hours before the record's begin, from -${maxOffsetHours} to 0, not ${hours}`);
    return 0n;
  }
  return BigInt(Math.round(hours * nsPerHour));
}

/** What zod found, one line a fault. */
function reasonsOf(error: ZodError, known: readonly string[]): string[] {
  return error.issues.flatMap((issue) => {
    const where = issue.path.reduce<string>(
      (path, key) => (typeof key === "number" ? `${path}[${key}]` : path ? `${path}.${String(key)}` : String(key)),
      "",
    );
    if (issue.code === "unrecognized_keys") {
      const at = where ? ` in ${where}` : "";
      return issue.keys.map((key) => `unknown key "${key}"${at}${didYouMean(key, where ? ["name", "fields"] : known)}`);
    }
    return [where ? `${where}: ${issue.message}` : issue.message];
  });
}

/** A suggestion where one is close enough to be a slip of the hand. */
export function didYouMean(word: string, known: readonly string[]): string {
  const best = closest(word, known);
  return distance(word, best) <= Math.max(2, Math.floor(best.length / 4)) ? `, did you mean "${best}"?` : "";
}
