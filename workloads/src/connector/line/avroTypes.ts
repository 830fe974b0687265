/** What a schema's JSON says of its types. */

export type Definition = string | Definition[] | { readonly [key: string]: unknown };

/** How a field of one value is read. */
export type FieldKind = "double" | "float" | "integer" | "boolean" | "string" | "other";

const kinds: Readonly<Record<string, FieldKind>> = {
  double: "double",
  float: "float",
  int: "integer",
  long: "integer",
  boolean: "boolean",
  string: "string",
  enum: "other",
  bytes: "other",
  fixed: "other",
};

/** How a field of one value is read; `undefined` for what has others inside. */
export function kindOf(type: Definition): FieldKind | undefined {
  const name = isObject(type) ? type.type : type;
  return typeof name === "string" ? kinds[name] : undefined;
}

/** The type without `null` beside it, names resolved; a union of more stays what it is. */
export function plain(type: Definition, named: ReadonlyMap<string, Definition>): Definition {
  if (typeof type === "string") return named.get(type) ?? type;
  if (!Array.isArray(type)) return isObject(type) && isObject(type.type) ? plain(type.type as Definition, named) : type;
  if (type.length !== 2 || !type.includes("null")) return type;
  return plain(
    type.find((branch) => branch !== "null")!,
    named,
  );
}

/** Finds the named types, by name and by full name. */
export function collect(type: unknown, space: string, named: Map<string, Definition>): void {
  if (Array.isArray(type)) {
    for (const branch of type) collect(branch, space, named);
    return;
  }
  if (!isObject(type)) return;
  const inner = namespaceOf(type, space);
  if (typeof type.name === "string" && ["record", "enum", "fixed"].includes(type.type as string)) {
    const { name } = type as { name: string };
    const short = name.slice(name.lastIndexOf(".") + 1);
    if (!named.has(short)) named.set(short, type as Definition);
    named.set(`${inner === "" ? "" : `${inner}.`}${short}`, type as Definition);
  }
  collect(type.type, inner, named);
  collect(type.items, inner, named);
  collect(type.values, inner, named);
  if (Array.isArray(type.fields)) for (const { type: field } of type.fields as { type: unknown }[]) collect(field, inner, named); // prettier-ignore
}

export function namespaceOf(type: unknown, outer: string): string {
  if (!isObject(type) || typeof type.name !== "string") return outer;
  if (type.name.includes(".")) return type.name.slice(0, type.name.lastIndexOf("."));
  return typeof type.namespace === "string" ? type.namespace : outer;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function symbolsOf(type: Definition): readonly string[] | undefined {
  return isObject(type) && type.type === "enum" ? (type.symbols as string[]) : undefined;
}

/** Two's complement, most significant byte first, as a double. */
export function decimal(raw: Buffer, scale: number): number {
  if (raw.length === 0) return NaN;
  const unscaled = BigInt.asIntN(8 * raw.length, BigInt(`0x${raw.toString("hex")}`));
  return Number(`${unscaled}e${-scale}`);
}
