import { z } from "zod";

/** A value of which each part may be left out. */
export type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Name in keyof T]?: DeepPartial<T[Name]> | undefined }
    : T;

/**
 * The same object with every field left out or given, and no default filled in, since a layer above or below may give it.
 * What the defaults are stays in the descriptions.
 */
export function partialOf<S extends z.ZodObject>(schema: S): z.ZodType<DeepPartial<z.input<S>>> {
  return looseObject(schema) as unknown as z.ZodType<DeepPartial<z.input<S>>>;
}

function looseObject(schema: z.ZodObject): z.ZodObject {
  const fields = Object.entries(schema.shape as Record<string, z.ZodType>);
  return z.strictObject(Object.fromEntries(fields.map(([name, field]) => [name, looseField(field)])));
}

function looseField(field: z.ZodType): z.ZodType {
  let inner = field;
  let usual: unknown;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    if (inner instanceof z.ZodDefault) usual = inner.def.defaultValue;
    inner = inner.def.innerType as z.ZodType;
  }
  const isOpen = inner instanceof z.ZodObject && (inner.def.checks ?? []).length === 0;
  const loose = (isOpen ? looseObject(inner as z.ZodObject) : inner).optional();
  const about = field.description ?? inner.description;
  if (about === undefined) return loose;
  return loose.describe(usual === undefined ? about : `${about} Default: ${JSON.stringify(usual)}.`);
}

/** Layers of one object, the last one wins; objects inside are merged, lists and texts are replaced. */
export function merged(...layers: readonly unknown[]): unknown {
  const given = layers.filter((layer) => layer !== undefined);
  if (!given.every(isPlain)) return given.at(-1);
  const names = new Set(given.flatMap((layer) => Object.keys(layer)));
  return Object.fromEntries([...names].map((name) => [name, merged(...given.map((layer) => layer[name]))]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
