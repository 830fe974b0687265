import type { Type } from "avsc";
import type { SchemaElement } from "hyparquet";
import type { AvroSchema } from "../lib/avro";

/** A field of a record as a column of Parquet. */
export interface ParquetColumn {
  readonly name: string;
  /** The column and what is inside it, as Parquet writes a tree: each before its children. */
  readonly elements: readonly SchemaElement[];
  /** From avsc's value to what hyparquet-writer takes. */
  readonly convert: (value: unknown) => unknown;
}

/**
 * Columns of an Avro record. Types keep their width: int INT32, long INT64, float FLOAT, double DOUBLE; string and enum
 * are text, bytes and fixed bytes, arrays lists, maps maps, records groups; a union with null is optional. What
 * Parquet has no type for is text in Avro's JSON form: a union of several types, a record that holds itself or nothing.
 */
export function columnsOf(schema: AvroSchema): ParquetColumn[] {
  return fieldsOf(schema.type).map(({ name, type }) => columnOf(name, type, "REQUIRED", []));
}

type Repetition = "REQUIRED" | "OPTIONAL";
const same = (value: unknown) => value;

function columnOf(name: string, type: Type, repetition_type: Repetition, around: readonly Type[]): ParquetColumn {
  const leaf = (element: Partial<SchemaElement>, convert: (value: unknown) => unknown = same): ParquetColumn => {
    return { name, elements: [{ name, repetition_type, ...element } as SchemaElement], convert };
  };
  const text = { type: "BYTE_ARRAY", converted_type: "UTF8" } as const;
  switch (type.typeName) {
    case "boolean":
      return leaf({ type: "BOOLEAN" });
    case "int":
      return leaf({ type: "INT32" });
    case "long":
    case "abstract:long": // of a library of exact longs
      return leaf({ type: "INT64" }, (value) => BigInt(value as number | bigint));
    case "float":
      return leaf({ type: "FLOAT" });
    case "double":
      return leaf({ type: "DOUBLE" });
    case "string":
    case "enum":
      return leaf(text);
    case "bytes":
      return leaf({ type: "BYTE_ARRAY" });
    case "fixed":
      return leaf({ type: "FIXED_LEN_BYTE_ARRAY", type_length: (type as unknown as { size: number }).size });
    case "null":
      return leaf({ ...text, repetition_type: "OPTIONAL" });
    case "array": {
      const item = columnOf("element", (type as unknown as { itemsType: Type }).itemsType, "REQUIRED", around);
      const elements: SchemaElement[] = [
        { name, repetition_type, converted_type: "LIST", num_children: 1 },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        ...item.elements,
      ];
      return { name, elements, convert: (value) => (value as unknown[]).map(item.convert) };
    }
    case "map": {
      const item = columnOf("value", (type as unknown as { valuesType: Type }).valuesType, "REQUIRED", around);
      const elements: SchemaElement[] = [
        { name, repetition_type, converted_type: "MAP", num_children: 1 },
        { name: "key_value", repetition_type: "REPEATED", num_children: 2 },
        { name: "key", repetition_type: "REQUIRED", ...text },
        ...item.elements,
      ];
      const convert = (value: unknown) => Object.entries(value as object).map(([key, one]) => ({ key, value: item.convert(one) })); // prettier-ignore
      return { name, elements, convert };
    }
    case "union:unwrapped":
    case "union:wrapped": {
      const members = (type as unknown as { types: Type[] }).types;
      const others = members.filter(({ typeName }) => typeName !== "null");
      const hasNull = others.length < members.length;
      const [only] = others;
      if (only && others.length === 1) {
        const inner = columnOf(name, only, hasNull ? "OPTIONAL" : repetition_type, around);
        return { ...inner, convert: (value) => (value === null ? null : inner.convert(value)) };
      }
      const json = (value: unknown) => (value === null ? null : type.toString(value));
      return leaf({ ...text, ...(hasNull && { repetition_type: "OPTIONAL" }) }, json);
    }
    case "record": {
      const fields = fieldsOf(type);
      if (fields.length === 0 || around.includes(type)) return leaf(text, (value) => type.toString(value));
      const inside = fields.map((field) => columnOf(field.name, field.type, "REQUIRED", [...around, type]));
      const elements: SchemaElement[] = [
        { name, repetition_type, num_children: inside.length },
        ...inside.flatMap((column) => column.elements),
      ];
      const convert = (value: unknown) =>
        Object.fromEntries(inside.map((one) => [one.name, one.convert((value as Record<string, unknown>)[one.name])]));
      return { name, elements, convert };
    }
    default:
      return leaf({ ...text, repetition_type: "OPTIONAL" }, (value) =>
        value === undefined || value === null ? null : type.toString(value),
      );
  }
}

function fieldsOf(type: Type): readonly { readonly name: string; readonly type: Type }[] {
  return (type as unknown as { fields: { name: string; type: Type }[] }).fields;
}
