/**
 * The part of JSON Schema that Kubernetes' structural schemas use, read as it stands. A compiler such as ajv takes 0.3 s
 * for the few kinds of one preview, as long as recording the stack; this takes milliseconds. The tests hold it against ajv.
 */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly uniqueItems?: boolean;
  /** Fields that make an item of a list unique, as `x-kubernetes-list-map-keys` says. */
  readonly uniqueKeys?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
}

/** One thing that is wrong, and where. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly reason: string;
  /** For a field that the schema does not know: the fields that it knows. */
  readonly fields?: readonly string[];
}

type Path = readonly (string | number)[];
type Json = Record<string, unknown>;

/** Every fault of a value. `resolve` finds the schema that a `$ref` names. */
export function faultsOf(value: unknown, given: Schema, resolve: (ref: string) => Schema, path: Path = []): Fault[] {
  const schema = given.$ref === undefined ? given : resolve(given.$ref);
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOf(type, value)))
    return [{ path, value, reason: `must be ${types.join(" or ")}` }];
  const at = (inner: unknown, part: Schema, step?: string | number) =>
    faultsOf(inner, part, resolve, step === undefined ? path : [...path, step]);
  const faults = scalarReasons(value, schema).map((reason): Fault => ({ path, value, reason }));
  if (Array.isArray(value)) {
    faults.push(...listReasons(value, schema).map((reason) => ({ path, value, reason })));
    if (schema.items) value.forEach((item, index) => faults.push(...at(item, schema.items!, index)));
  } else if (typeof value === "object" && value !== null) {
    faults.push(...objectFaults(value as Json, schema, path, at));
  }
  for (const part of schema.allOf ?? []) faults.push(...at(value, part));
  const fits = (part: Schema) => at(value, part).length === 0;
  if (schema.anyOf && !schema.anyOf.some(fits)) faults.push({ path, value, reason: alternatives(schema.anyOf, "one") });
  if (schema.oneOf && schema.oneOf.filter(fits).length !== 1)
    faults.push({ path, value, reason: alternatives(schema.oneOf, "exactly one") });
  if (schema.not && fits(schema.not)) faults.push({ path, value, reason: "is a combination that is not allowed" });
  return faults;
}

function isOf(type: string, value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "number") return typeof value === "number" && Number.isFinite(value);
  if (type === "array") return Array.isArray(value);
  if (type === "null") return value === null;
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function scalarReasons(value: unknown, schema: Schema): string[] {
  const reasons: string[] = [];
  if (schema.enum && !schema.enum.includes(value)) reasons.push(`must be one of ${schema.enum.join(", ")}`);
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    if (value < minimum) reasons.push(`must be at least ${minimum}`);
    if (value > maximum) reasons.push(`must be at most ${maximum}`);
    if (schema.format === "int32" && Math.abs(value) > 2 ** 31 - 1) reasons.push("must fit 32 bits");
  }
  if (typeof value === "string") {
    const length = [...value].length;
    if (length < (schema.minLength ?? 0)) reasons.push(`must have at least ${schema.minLength} characters`);
    if (length > (schema.maxLength ?? Infinity)) reasons.push(`must have at most ${schema.maxLength} characters`);
    if (schema.pattern !== undefined && !patternOf(schema.pattern).test(value))
      reasons.push(`must match ${schema.pattern}`);
    const format = formats[schema.format ?? ""];
    if (format && !format.test(value)) reasons.push(`must be a ${schema.format}`);
  }
  return reasons;
}

/** Formats of text that the API server checks. */
const formats: Readonly<Record<string, RegExp>> = {
  quantity: /^[+-]?(\d+(\.\d*)?|\.\d+)(n|u|m|k|M|G|T|P|E|[KMGTPE]i|[eE][+-]?\d+)?$/,
  "date-time": /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  byte: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
};

const patterns = new Map<string, RegExp>();

/** Patterns are Go's: `(?i)` at the start is a flag in JavaScript. */
export function patternOf(pattern: string): RegExp {
  let compiled = patterns.get(pattern);
  if (!compiled) {
    compiled = new RegExp(pattern.replace("(?i)", ""), pattern.includes("(?i)") ? "iu" : "u");
    patterns.set(pattern, compiled);
  }
  return compiled;
}

/** Defaults of fields that are part of a list's key. */
const keyDefaults: Json = { protocol: "TCP" };

function listReasons(items: readonly unknown[], schema: Schema): string[] {
  const reasons: string[] = [];
  if (items.length < (schema.minItems ?? 0)) reasons.push(`must have at least ${schema.minItems} items`);
  if (items.length > (schema.maxItems ?? Infinity)) reasons.push(`must have at most ${schema.maxItems} items`);
  const distinct = (texts: string[]) => new Set(texts).size === items.length;
  if (schema.uniqueItems && !distinct(items.map((item) => JSON.stringify(item)))) reasons.push("must not repeat an item");
  const { uniqueKeys } = schema;
  const keyOf = (item: unknown) => JSON.stringify(uniqueKeys?.map((key) => (item as Json)?.[key] ?? keyDefaults[key]));
  if (uniqueKeys && !distinct(items.map(keyOf))) reasons.push(`must not repeat ${uniqueKeys.join(" + ")}`);
  return reasons;
}

function objectFaults(
  value: Json,
  schema: Schema,
  path: Path,
  at: (inner: unknown, part: Schema, step: string) => Fault[],
): Fault[] {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const faults: Fault[] = [];
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  for (const name of required)
    if (value[name] === undefined) faults.push({ path: [...path, name], value: undefined, reason: "is missing" });
  if (entries.length < (schema.minProperties ?? 0))
    faults.push({ path, value, reason: `must have at least ${schema.minProperties} fields` });
  if (entries.length > (schema.maxProperties ?? Infinity))
    faults.push({ path, value, reason: `must have at most ${schema.maxProperties} fields` });
  for (const [name, inner] of entries) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known) faults.push(...at(inner, known, name));
    else if (typeof additionalProperties === "object") faults.push(...at(inner, additionalProperties, name));
    else if (!additionalProperties)
      faults.push({ path: [...path, name], value: inner, reason: "is unknown", fields: Object.keys(properties) });
  }
  return faults;
}

function alternatives(schemas: readonly Schema[], howMany: string): string {
  const needs = schemas.flatMap(({ required }) => (required ? [required.join(" + ")] : []));
  return needs.length > 0 ? `must have ${howMany} of ${needs.join(", ")}` : `must fit ${howMany} of its alternatives`;
}
