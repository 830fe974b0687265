import type { Type } from "avsc";
import { type AvroSchema, typeOf } from "../lib/avro";
import type { RecordTimeField } from "../lib/recordTime";
import type { Operation } from "./statistics";

/** Which fields of a topic are aggregated, and under which names. */
export interface TopicFilter {
  readonly topic: string;
  readonly fields: readonly string[];
  /** Field -> name that its statistics have. */
  readonly map?: Readonly<Record<string, string>>;
}

export interface ShapeOptions {
  /** Fields that are never mixed in one window, and are carried through. */
  readonly keys: readonly string[];
  readonly operations: readonly Operation[];
  /** Field and unit of the sources' own time; an aggregated record has its own there, for whoever stores both. */
  readonly time: RecordTimeField;
  /** By topic; of others every numeric field is aggregated, except `private_…`. */
  readonly filters: readonly TopicFilter[];
}

/** What a window is told of besides its fields. */
const own = ["time", "window_size", "count"] as const;

/** A field of a source schema, as Avro writes it. */
interface FieldDefinition {
  readonly name: string;
  readonly type: unknown;
  readonly units?: unknown;
}

/** How records of one schema are aggregated. */
export interface Shape {
  /** Fields that records are grouped by, those of the options that the schema has. */
  readonly keys: readonly string[];
  /** Fields whose statistics are taken, and the names that they go by. */
  readonly fields: ReadonlyMap<string, string>;
  /** Schema of the aggregated records, as JSON. */
  readonly definition: object;
  readonly type: Type;
  /** Fields of the filter that the schema does not have as numbers. */
  readonly missing: readonly string[];
}

const numeric = ["int", "long", "float", "double"];

/**
 * The aggregated record of a source schema: `time` (middle of the window, seconds since 1970), `window_size` (seconds),
 * `count`, the field of the sources' own time, the key fields, and `<operation>_<field>`, optional, for each numeric field. Numbers in arrays and unions of
 * several types are left out, and so is true or false.
 */
export function shapeOf(topic: string, schema: AvroSchema, options: ShapeOptions): Shape {
  const { name = "record", fields = [] } = schema.definition as { name?: string; fields?: FieldDefinition[] };
  const filter = options.filters.find((one) => one.topic === topic);
  const keys = fields.filter(({ name: field }) => options.keys.includes(field) && field !== options.time.field);
  const isTaken = (field: FieldDefinition) =>
    filter
      ? filter.fields.includes(field.name)
      : !field.name.startsWith("private_") &&
        field.name !== options.time.field &&
        !own.includes(field.name as never) &&
        !keys.includes(field);
  const taken = fields.filter((field) => numeric.includes(typeNameOf(field.type)) && isTaken(field));
  const { field: timeField, unit } = options.time;
  const timeFields =
    timeField === "" || own.includes(timeField as never)
      ? []
      : [{ name: timeField, type: unit === "s" ? "double" : "long", units: unit }];
  const namespace = schema.fullName.includes(".") ? schema.fullName.slice(0, schema.fullName.lastIndexOf(".")) : "";
  const names = new Map(taken.map((field) => [field.name, filter?.map?.[field.name] ?? field.name]));
  const definition = {
    type: "record",
    name: `${name.slice(name.lastIndexOf(".") + 1)}_aggregated`,
    ...(namespace !== "" && { namespace }),
    fields: [
      { name: "time", type: "double", units: "s", description: "Middle of the window, UTC" },
      { name: "window_size", type: "double", units: "s" },
      { name: "count", type: "int", units: "unitless" },
      ...timeFields,
      ...keys.map(({ name: key, type, units }) => ({ name: key, type, ...(units !== undefined && { units }) })),
      ...taken.flatMap((field) =>
        options.operations.map((operation) => ({
          name: `${operation}_${names.get(field.name)}`,
          type: ["null", "double"],
          default: null,
          ...(field.units !== undefined && { units: field.units }),
        })),
      ),
    ],
  };
  const missing = (filter?.fields ?? []).filter((one) => !names.has(one));
  return { keys: keys.map((key) => key.name), fields: names, definition, type: typeOf(definition), missing };
}

/** Type of a field, that of the other member in a union with null; empty for anything else than a name. */
function typeNameOf(type: unknown): string {
  if (Array.isArray(type)) {
    const others = type.filter((member) => member !== "null");
    return others.length === 1 ? typeNameOf(others[0]) : "";
  }
  if (typeof type === "object" && type !== null) return typeNameOf((type as { type?: unknown }).type);
  return typeof type === "string" ? type : "";
}

/**
 * Reads the filters as the environment gives them: a JSON list of `{"topic", "fields", "map"}`.
 * @returns the filters, or what is wrong with them.
 */
export function readFilters(text: string): { filters: TopicFilter[]; faults: string[] } {
  const faults: string[] = [];
  let filters: TopicFilter[] = [];
  try {
    filters = JSON.parse(text) as TopicFilter[];
  } catch {
    return { filters, faults: ['FILTERS is no JSON: give a list of {"topic": …, "fields": […], "map": {…}}'] };
  }
  if (!Array.isArray(filters)) return { filters: [], faults: ["FILTERS is no list"] };
  const isText = (value: unknown) => typeof value === "string";
  filters.forEach((filter, index) => {
    const { topic, fields, map = {} } = filter;
    const where = `FILTERS[${index}]${isText(topic) ? ` (${topic})` : ""}`;
    if (!isText(topic)) faults.push(`${where} has no topic`);
    if (!Array.isArray(fields) || fields.length === 0 || !fields.every(isText)) {
      faults.push(`${where} has no list of fields`);
      return;
    }
    for (const old of Object.keys(map).filter((one) => !fields.includes(one)))
      faults.push(`${where} maps "${old}", which is not among its fields (${fields.join(", ")})`);
    const names = fields.map((field) => map[field] ?? field);
    for (const twice of new Set(names.filter((name, at) => names.indexOf(name) !== at)))
      faults.push(`${where} gives two fields the name "${twice}"`);
  });
  const topics = filters.map(({ topic }) => topic);
  for (const twice of new Set(topics.filter((topic, at) => isText(topic) && topics.indexOf(topic) !== at)))
    faults.push(`FILTERS names topic ${twice} twice`);
  return { filters, faults };
}
