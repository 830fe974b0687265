import { type AvroSchema, headBytes, UnsupportedSchemaError } from "../../lib/avro";
import { AvroReader } from "./avroReader";
import { collect, decimal, type Definition, type FieldKind, isObject, kindOf, namespaceOf, plain, symbolsOf } from "./avroTypes"; // prettier-ignore
import { FieldNames, Key } from "./keys";
import type { LineBuffer } from "./lineBuffer";
import type { StampFault, Stamps } from "./stamp";
import { cut, keyText, measurementText, stringLimitBytes, stringText, tagText } from "./text";

/** What became of a record. `empty`: it has no field with a value, so there is no point. */
export type LineOutcome = "line" | "empty" | StampFault;

/** Most entries of one list or map of a record; the longest of the EFD have some thousand. */
export const listLimit = 65_536;

/** Reads one value and gives its text, `,key=value` once or more, or nothing. */
type Append = (key: Key) => string;

/** A field of the record: what most fields are is read without a call. */
interface Step {
  readonly kind: FieldKind | "stamp" | "tag";
  readonly key: Key;
  /** Index of `null` in a union of it and one other type, else -1. */
  readonly nullIndex: number;
  readonly append: Append;
  /** Last string read, as its bytes, and its text: most strings of a topic never change. */
  lastBytes: Buffer;
  lastText: string;
}

/**
 * Turns the records of one schema into line protocol, straight from Avro's bytes. Numbers are written so that reading them gives
 * the same double (a `float` is widened first, as the sinks before it do); a long is exact. Null, NaN and infinities are left out, and so
 * are `bytes` and `fixed`, which a time series has no place for, but for decimals, which are written as doubles. A timestamp's
 * logical type is not looked at: the number is stored. Strings are cut at 64 KiB.
 */
export class AvroLines {
  private readonly reader = new AvroReader();
  private readonly names = new FieldNames();
  private readonly steps: Step[];
  private readonly head: string;
  private readonly tagKeys: readonly string[];
  private readonly tagTexts: string[];
  private stamp: unknown;
  private isAscii = true;
  private readonly usesRecordTime: boolean;
  /** Strings that were cut so far. */
  cutStrings = 0;

  /** @throws {@link UnsupportedSchemaError} when the schema is no record, or refers to itself. */
  constructor(
    private readonly schema: AvroSchema,
    tags: readonly string[],
    private readonly stamps: Stamps,
    stampField: string,
  ) {
    const { definition, fullName } = schema;
    const head = measurementText(fullName);
    if (head === undefined) throw this.unsupported(`"${fullName}" cannot be a measurement`);
    this.head = head;
    if (!isObject(definition) || definition.type !== "record" || !Array.isArray(definition.fields))
      throw this.unsupported("it is no record");
    void schema.type; // avsc checks what is not looked at here
    const fields = definition.fields as { name: string; type: Definition }[];
    const present = [...tags].sort().filter((tag) => fields.some(({ name }) => name === tag));
    this.tagKeys = present.map((tag) => `,${keyText(tag)}=`);
    this.tagTexts = present.map(() => "");
    this.steps = this.stepsOf(definition, fields, present, stampField);
    if (stampField !== "" && !fields.some(({ name }) => name === stampField))
      throw this.unsupported(`it has no field "${stampField}" for the time (TIMESTAMP_FIELD)`);
    this.usesRecordTime = stampField === "";
  }

  get measurement(): string {
    return this.schema.fullName;
  }

  /** Flattened names that two fields would have, and what the second is called; grows as lists are met. */
  get collisions(): ReadonlyMap<string, string> {
    return this.names.collisions;
  }

  /**
   * Adds the line of a message.
   * @param recordMs - The Kafka record's own time.
   * @throws AvroMessageError when the bytes are not of this schema; nothing is added then.
   */
  write(message: Buffer, recordMs: number, into: LineBuffer): LineOutcome {
    const { reader, steps } = this;
    reader.load(message, headBytes);
    this.stamp = this.usesRecordTime ? recordMs : undefined;
    this.isAscii = true;
    for (let i = 0; i < this.tagTexts.length; i++) this.tagTexts[i] = "";
    let fields = "";
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      if (step.nullIndex >= 0) {
        const index = reader.small();
        if (index === step.nullIndex) continue;
        if (index !== 1 - step.nullIndex) reader.noSuch("branch of a union");
      }
      switch (step.kind) {
        case "double": {
          const value = reader.double();
          if (value - value === 0) fields += step.key.text + value;
          break;
        }
        case "float": {
          const value = reader.float();
          if (value - value === 0) fields += step.key.text + value;
          break;
        }
        case "integer":
          fields += step.key.text + reader.long() + "i";
          break;
        case "boolean":
          fields += step.key.text + (reader.boolean() ? "t" : "f");
          break;
        case "string":
          fields += step.key.text + this.string(step);
          break;
        default:
          fields += step.append(step.key);
      }
    }
    reader.end();
    const time = this.stamps.of(this.stamp);
    if (typeof time === "object") return time;
    if (fields === "") return "empty";
    let { head } = this;
    for (let i = 0; i < this.tagKeys.length; i++)
      if (this.tagTexts[i] !== "") head += this.tagKeys[i]! + this.tagTexts[i]!;
    into.add(head, fields, time, this.isAscii);
    return "line";
  }

  private string(step: Step): string {
    const bytes = this.reader.raw();
    if (bytes.equals(step.lastBytes)) {
      if (step.lastText.length !== bytes.length + 2) this.isAscii &&= isAsciiText(step.lastText);
      return step.lastText;
    }
    const text = this.quoted(bytes);
    if (bytes.length <= 256) {
      step.lastBytes = Buffer.from(bytes);
      step.lastText = text;
    }
    return text;
  }

  private quoted(bytes: Buffer): string {
    let value = bytes.utf8Slice(0, bytes.length);
    if (value.length !== bytes.length) this.isAscii = false;
    if (value.length > stringLimitBytes / 3) {
      const whole = value;
      value = cut(value);
      if (value.length < whole.length) this.cutStrings++;
    }
    return stringText(value);
  }

  private stepsOf(
    definition: Definition,
    fields: readonly { name: string; type: Definition }[],
    tags: readonly string[],
    stampField: string,
  ): Step[] {
    const named = new Map<string, Definition>();
    const keys = new Map<string, Key>();
    const space = namespaceOf(definition, "");
    collect(definition, "", named);
    for (const tag of tags) this.names.declare(tag);
    // Names inside others come after those that are declared as they are.
    const isLeaf = (type: Definition) => kindOf(plain(type, named)) !== undefined;
    for (const { name, type } of fields) if (isLeaf(type) && !tags.includes(name)) keys.set(name, this.names.declare(name)); // prettier-ignore
    for (const { name } of fields) if (!keys.has(name)) keys.set(name, new Key(this.names, name));
    for (const { name, type } of fields) this.declareInside(keys.get(name)!, plain(type, named), named, [definition]);
    return fields.map(({ name, type }) => {
      const key = keys.get(name)!;
      const inner = plain(type, named);
      const nullIndex = Array.isArray(type) && inner !== type ? type.indexOf("null") : -1;
      const append = this.appendOf(inner, named, space, [definition]);
      const base = { key, nullIndex, append, lastBytes: Buffer.alloc(0), lastText: '""' };
      const tagIndex = tags.indexOf(name);
      if (tagIndex >= 0) return { ...base, kind: "tag", append: this.tagOf(inner, name, tagIndex) };
      if (name === stampField) return { ...base, kind: "stamp", append: this.stampOf(inner) };
      return { ...base, kind: kindOf(inner) ?? "other" };
    });
  }

  /** Declares what a list, map or record has inside, so far as the schema names it. */
  private declareInside(
    key: Key,
    type: Definition,
    named: ReadonlyMap<string, Definition>,
    outer: readonly Definition[],
  ): void {
    if (!isObject(type)) return;
    if (type.type === "array") this.names.declareList(key.name);
    if (type.type === "map") this.names.declareMap(key.name);
    if (type.type !== "record") return;
    if (outer.includes(type)) throw this.unsupported("it refers to itself");
    for (const { name, type: part } of type.fields as { name: string; type: Definition }[]) {
      const inner = plain(part, named);
      const partKey = key.part(name);
      if (kindOf(inner) !== undefined) this.names.declareLeaf(partKey.name);
      else this.declareInside(partKey, inner, named, [...outer, type]);
    }
  }

  /** The time is a field, too. */
  private stampOf(type: Definition): Append {
    const { reader } = this;
    const kind = kindOf(type);
    if (kind !== "double" && kind !== "float" && kind !== "integer")
      throw this.unsupported("its field for the time (TIMESTAMP_FIELD) is no number");
    return (key) => {
      const value = kind === "integer" ? reader.long() : kind === "float" ? reader.float() : reader.double();
      this.stamp = value;
      if (kind === "integer") return `${key.text}${value}i`;
      return Number.isFinite(value) ? `${key.text}${value}` : "";
    };
  }

  private tagOf(type: Definition, name: string, index: number): Append {
    const { reader } = this;
    const kind = kindOf(type);
    const symbols = symbolsOf(type);
    const read = {
      double: () => String(reader.double()),
      float: () => String(reader.float()),
      integer: () => String(reader.long()),
      boolean: () => (reader.boolean() ? "true" : "false"),
      string: () => reader.text(),
    } as const;
    if (!symbols && (kind === undefined || kind === "other"))
      throw this.unsupported(`its field "${name}" cannot be a tag (TAGS): it is no text, number or boolean`);
    return () => {
      const value = symbols ? (symbols[reader.small()] ?? reader.noSuch("symbol")) : read[kind as keyof typeof read]();
      const text = tagText(value);
      if (!isAsciiText(text)) this.isAscii = false;
      this.tagTexts[index] = text;
      return "";
    };
  }

  private appendOf(
    type: Definition,
    named: ReadonlyMap<string, Definition>,
    space: string,
    outer: readonly Definition[],
  ): Append {
    const { reader } = this;
    const target = typeof type === "string" ? (named.get(type) ?? named.get(`${space}.${type}`) ?? type) : type;
    if (outer.includes(target) && isObject(target)) throw this.unsupported("it refers to itself");
    const around = [...outer, target];
    const inside = (inner: unknown) => this.appendOf(inner as Definition, named, namespaceOf(target, space), around);
    if (Array.isArray(target)) {
      const branches = target.map(inside);
      return (key) => {
        const branch = branches[reader.small()] ?? reader.noSuch("branch of a union");
        return branch(key);
      };
    }
    const name = typeof target === "string" ? target : target.type;
    switch (name) {
      case "null":
        return () => "";
      case "double":
        return (key) => finite(key, reader.double());
      case "float":
        return (key) => finite(key, reader.float());
      case "int":
      case "long":
        return (key) => `${key.text}${reader.long()}i`;
      case "boolean":
        return (key) => key.text + (reader.boolean() ? "t" : "f");
      case "string":
        return (key) => key.text + this.quoted(reader.raw());
      case "bytes":
      case "fixed": {
        const { logicalType, scale = 0, size } = (isObject(target) ? target : {}) as Record<string, unknown>;
        const isDecimal = logicalType === "decimal";
        return (key) => {
          const raw = typeof size === "number" ? reader.raw(size) : reader.raw();
          return isDecimal ? finite(key, decimal(raw, scale as number)) : "";
        };
      }
      case "enum": {
        const symbols = symbolsOf(target)!.map((symbol) => `"${symbol}"`);
        return (key) => {
          return key.text + (symbols[reader.small()] ?? reader.noSuch("symbol"));
        };
      }
      case "array": {
        const item = inside((target as { items: unknown }).items);
        return (key) => {
          let text = "";
          reader.entries((index) => (text += item(key.element(index))), listLimit);
          return text;
        };
      }
      case "map": {
        const value = inside((target as { values: unknown }).values);
        return (key) => {
          let text = "";
          reader.entries(() => {
            const part = key.part(reader.text());
            if (!isAsciiText(part.text)) this.isAscii = false;
            text += value(part);
          }, listLimit);
          return text;
        };
      }
      case "record": {
        const parts = (target as { fields: { name: string; type: unknown }[] }).fields;
        const readers = parts.map((part) => [part.name, inside(part.type)] as const);
        return (key) => {
          let text = "";
          for (const [part, read] of readers) text += read(key.part(part));
          return text;
        };
      }
      default:
        if (isObject(name) || Array.isArray(name)) return inside(name); // { type: { type: … } }
        throw this.unsupported(`type ${JSON.stringify(name)} is not known`);
    }
  }

  private unsupported(reason: string): UnsupportedSchemaError {
    return new UnsupportedSchemaError(this.schema.id, reason);
  }
}

function finite(key: Key, value: number): string {
  return value - value === 0 ? key.text + value : "";
}

function isAsciiText(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
