import { parse } from "yaml";
import type { OutputTable, RecordKind } from "../model";
import type { Column, Columns } from "./model";

/** A column that is in the schema whatever is configured. */
interface FixedColumn {
  readonly name: string;
  readonly description: string;
  readonly rest: readonly string[];
}

const notNull = "nullable: false";
const partOfId = ["datatype: int", notNull, "ivoa:ucd: meta.id.part"];
const now = ["datatype: timestamp", "value: 'CURRENT_TIMESTAMP'"];

/** Words in which the schema of exposures differs from that of visits; released schemas are compared letter by letter. */
const wordsOf = {
  exposure: {
    record: "exposure",
    id: "exposure_id",
    unique: "Exposure",
    created: "the record was created, default is",
    stop: "",
  },
  visit1: { record: "visit", id: "visit_id", unique: "Visit", created: "record was created, default", stop: "." },
};

/**
 * The tables of an instrument as a Felis schema, from which the consolidated database is made and documented.
 * @param instrument - As the schema's description names it; the schema itself is `efd_<instrument in lower case>`.
 */
export function felisOf(instrument: string, { version, columns }: Pick<Columns, "version" | "columns">): string {
  if (!/^\w+$/.test(instrument))
    throw new Error(`"${instrument}" is no instrument: its name becomes that of a schema.`);
  const schema = `efd_${instrument.toLowerCase()}`;
  const header = [
    "---",
    `name: ${schema}`,
    `"@id": "#${schema}"`,
    `description: Transformed EFD Consolidated Database for ${instrument}.`,
    "version:",
    `  current: ${textScalar(version)}`,
    "tables:",
  ];
  const tables = (["exposure", "visit1"] as const).flatMap((kind) => [
    pivotedTable(kind, columns),
    unpivotedTable(kind),
  ]);
  return `${header.join("\n")}\n${tables.map((lines) => `${lines.join("\n")}\n`).join("\n")}`;
}

function pivotedTable(kind: RecordKind, columns: readonly Column[]): string[] {
  const table: OutputTable = `${kind}_efd`;
  const { record, id, unique, created } = wordsOf[kind];
  const constraint = `un_${table}_${id}`;
  return [
    `- name: ${table}`,
    `  "@id": "#${table}"`,
    `  description: Transformed EFD topics by ${record}.`,
    ...primaryKey(table, ["day_obs", "seq_num"]),
    "  constraints:",
    `  - name: ${constraint}`,
    `    "@id": "#${table}.${constraint}"`,
    `    "@type": Unique`,
    `    description: Ensure ${id} is unique.`,
    "    columns:",
    `    - "#${table}.${id}"`,
    "  columns:",
    ...dayAndNumber(record).flatMap((column) => fixedLines(table, column)),
    ...fixedLines(table, {
      name: id,
      description: `${unique} unique ID.`,
      rest: ["datatype: long", notNull, "ivoa:ucd: meta.id"],
    }),
    ...fixedLines(table, {
      name: "created_at",
      description: `Timestamp when ${created} current timestamp.`,
      rest: now,
    }),
    ...columns.filter((column) => column.tables.includes(table)).flatMap((column) => configuredLines(table, column)),
  ];
}

function unpivotedTable(kind: RecordKind): string[] {
  const table: OutputTable = `${kind}_efd_unpivoted`;
  const { record, id, stop } = wordsOf[kind];
  const text = (length: number, value: string) => ["datatype: string", `length: ${length}`, notNull, `value: ${value}`];
  const columns: FixedColumn[] = [
    ...dayAndNumber(record),
    {
      name: id,
      description: `Unique identifier for the ${record}.`,
      rest: ["datatype: long", notNull, "ivoa:ucd: meta.id"],
    },
    { name: "property", description: `Property name for unpivoted data${stop}`, rest: text(64, "default_property") },
    { name: "field", description: "Field name for unpivoted data.", rest: text(32, "default_field") },
    { name: "value", description: `Value corresponding to the parameter${stop}`, rest: ["datatype: float"] },
    { name: "created_at", description: "Timestamp when record was created, default current timestamp.", rest: now },
  ];
  return [
    `- name: ${table}`,
    `  "@id": "#${table}"`,
    `  description: Unpivoted EFD ${record} data.`,
    ...primaryKey(table, ["day_obs", "seq_num", id, "property", "field"]),
    "  columns:",
    ...columns.flatMap((column) => fixedLines(table, column)),
  ];
}

function dayAndNumber(record: string): FixedColumn[] {
  return [
    { name: "day_obs", description: "Day of observation in YYYYMMDD format.", rest: partOfId },
    { name: "seq_num", description: `Sequence number for the ${record}.`, rest: partOfId },
  ];
}

function primaryKey(table: string, names: readonly string[]): string[] {
  return ["  primaryKey:", ...names.map((name) => `  - "#${table}.${name}"`)];
}

function fixedLines(table: string, { name, description, rest }: FixedColumn): string[] {
  return columnLines(table, name, [`description: ${description}`, ...rest]);
}

function configuredLines(table: string, { name, description, datatype, ivoa }: Column): string[] {
  const ivoaLines = Object.keys(ivoa)
    .sort()
    .map((key) => `ivoa:${key}: ${yamlScalar(ivoa[key]!)}`);
  return columnLines(table, name, [`description: ${textScalar(description)}`, `datatype: ${datatype}`, ...ivoaLines]);
}

function columnLines(table: string, name: string, lines: readonly string[]): string[] {
  return [`  - name: ${name}`, `    "@id": "#${table}.${name}"`, ...lines.map((line) => `    ${line}`)];
}

/** As it is where YAML reads the same text back, else in quotes: a description may hold `: ` or `#`. */
function textScalar(text: string): string {
  return readBack(text) === text ? text : JSON.stringify(text);
}

/** Values of `ivoa` are YAML already: the unit `""` is none at all. */
function yamlScalar(text: string): string {
  return typeof readBack(text) === "string" ? text : JSON.stringify(text);
}

function readBack(text: string): unknown {
  if (/[\r\n]/.test(text)) return undefined;
  try {
    return (parse(`key: ${text}`, { version: "1.2", schema: "core", logLevel: "silent" }) as { key: unknown }).key;
  } catch {
    return undefined; // no YAML as it is
  }
}
