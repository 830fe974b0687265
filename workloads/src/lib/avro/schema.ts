import { type Schema, Type, types } from "avsc";
import { messageOf } from "../errors";
import { AvroMessageError, UnsupportedSchemaError } from "./errors";

/** A writer's schema, as the registry gave it. */
export class AvroSchema {
  private made: Type | undefined;

  /** @param definition - The schema's JSON, parsed. */
  constructor(
    readonly id: number,
    readonly definition: unknown,
  ) {}

  /** avsc's type of it: longs come as number where that is exact, else as bigint. @throws {@link UnsupportedSchemaError}. */
  get type(): Type {
    try {
      return (this.made ??= typeOf(this.definition));
    } catch (error) {
      throw new UnsupportedSchemaError(this.id, messageOf(error));
    }
  }

  /** `<namespace>.<name>` of the record; a name that holds dots stands for both, as in the EFD's first years. */
  get fullName(): string {
    const { name, namespace } = (this.definition ?? {}) as { name?: unknown; namespace?: unknown };
    if (typeof name !== "string") throw new UnsupportedSchemaError(this.id, "it is no record with a name");
    return name.includes(".") || typeof namespace !== "string" || namespace === "" ? name : `${namespace}.${name}`;
  }

  /** The record in a message's payload (after the five bytes of its head). @throws {@link AvroMessageError}. */
  read(payload: Buffer): Record<string, unknown> {
    const { type } = this;
    let value: unknown;
    try {
      value = type.fromBuffer(payload);
    } catch (error) {
      throw new AvroMessageError(`it is no ${type.name ?? "value"} of schema ${this.id} (${messageOf(error)})`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new UnsupportedSchemaError(this.id, "its values are no records");
    return value as Record<string, unknown>;
  }
}

/** Bytes before the payload: a zero, and the schema's id in four. */
export const headBytes = 5;

/** Id of the schema that a message in Confluent's wire format was written with. @throws {@link AvroMessageError}. */
export function schemaIdOf(message: Uint8Array): number {
  if (message.length < headBytes) throw new AvroMessageError(`it has ${message.length} bytes; five are its head alone`);
  if (message[0] !== 0)
    throw new AvroMessageError(`it begins with byte ${message[0]}, not with the 0 of Confluent's format`);
  return ((message[1]! << 24) | (message[2]! << 16) | (message[3]! << 8) | message[4]!) >>> 0;
}

interface Tap {
  readonly buf: Uint8Array;
  readonly pos: number;
  readLong(): number;
  skipLong(): void;
  readString(): string;
}
interface Inner {
  _read(tap: Tap): unknown;
}

/** Most entries of a list that is longer than its message, as one of nulls may be. */
const emptyEntriesLimit = 65_536;

/** avsc believes what a damaged list says of its length, and would read on for days. */
function entries(tap: Tap, each: () => void): void {
  for (;;) {
    let count = tap.readLong();
    if (count === 0) return;
    if (count < 0) {
      count = -count;
      tap.skipLong();
    }
    if (!(count <= Math.max(emptyEntriesLimit, tap.buf.length - tap.pos))) throw new Error(`a list of ${count} entries in ${tap.buf.length} bytes`); // prettier-ignore
    while (count-- > 0) each();
  }
}
Object.assign(types.ArrayType.prototype, {
  _read(this: { itemsType: Inner }, tap: Tap): unknown[] {
    const values: unknown[] = [];
    entries(tap, () => values.push(this.itemsType._read(tap)));
    return values;
  },
});
Object.assign(types.MapType.prototype, {
  _read(this: { valuesType: Inner }, tap: Tap): Record<string, unknown> {
    const values: [string, unknown][] = [];
    entries(tap, () => values.push([tap.readString(), this.valuesType._read(tap)]));
    return Object.fromEntries(values);
  },
});

/** @throws Error of avsc when `definition` is no schema. */
export function typeOf(definition: unknown): Type {
  return Type.forSchema(definition as Schema, { registry: { long: exactLong() }, wrapUnions: "auto" as never });
}

function exactLong(): Type {
  return types.LongType.__with({
    fromBuffer: (bytes: Buffer) => {
      const value = bytes.readBigInt64LE();
      return isSafe(value) ? Number(value) : value;
    },
    toBuffer: (value: number | bigint) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    },
    fromJSON: (value: number) => value,
    toJSON: (value: number | bigint) => (typeof value === "bigint" ? String(value) : value),
    isValid: (value: unknown) =>
      typeof value === "bigint" ? value === BigInt.asIntN(64, value) : Number.isSafeInteger(value),
    compare: (one: number | bigint, other: number | bigint) => (one < other ? -1 : one > other ? 1 : 0),
  } as never);
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
}
