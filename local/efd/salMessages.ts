import { createHash } from "node:crypto";
import { Type } from "avsc";
import { taiNsOf } from "../../workloads/src/lib/tai";
import { isInteger, type Signal } from "./telemetrySamples";
import type { Topic } from "./telemetryTopics";

/** An Avro schema of a SAL topic, as its producer registers it. */
export interface SalSchema {
  readonly type: "record";
  readonly name: string;
  readonly namespace: string;
  readonly fields: readonly SalField[];
}

interface SalField {
  readonly name: string;
  readonly type: string | { readonly type: "array"; readonly items: string };
  readonly default: unknown;
  readonly description: string;
  readonly units: string;
}

/** Elements `x0`, `x1`, … of a topic are one array `x`, where none is missing; other fields stay by themselves. */
interface Layout {
  readonly name: string;
  /** Numbers of the topic's fields; in a packed topic there is one, with all samples of the row. */
  readonly fields: readonly number[];
  readonly isArray: boolean;
}

/** Fields that SAL puts before those of the topic. */
function privateFields(isIndexed: boolean): SalField[] {
  const field = (name: string, type: string, fallback: unknown, description: string, units = "unitless") => {
    return { name, type, default: fallback, description, units };
  };
  return [
    ...(isIndexed ? [field("salIndex", "int", 0, "Index of the device")] : []),
    field("private_sndStamp", "double", 0, "When it was sent (TAI)", "second"),
    field("private_rcvStamp", "double", 0, "When it was received (TAI)", "second"),
    field("private_efdStamp", "double", 0, "When it was sent (UTC)", "second"),
    field("private_kafkaStamp", "double", 0, "When it was given to Kafka (TAI)", "second"),
    field("private_seqNum", "int", 0, "Number of the message"),
    field("private_revCode", "string", "", "Digest of the schema"),
    field("private_identity", "string", "", "Who sent it"),
    field("private_origin", "int", 0, "Number of the process that sent it"),
  ];
}

/** Turns rows of a topic into messages as a producer of the observatory sends them. */
export class SalMessages {
  readonly schema: SalSchema;
  private readonly layout: readonly Layout[];
  private readonly type: Type;
  private readonly revCode: string;

  constructor(readonly topic: Topic) {
    const { name, fields, samplesPerRow, salIndices } = topic;
    const isPacked = samplesPerRow > 1;
    this.layout = isPacked
      ? fields.map((field, index) => ({ name: field, fields: [index], isArray: true }))
      : layoutOf(fields);
    const dot = name.lastIndexOf(".");
    this.schema = {
      type: "record",
      name: name.slice(dot + 1),
      namespace: name.slice(0, dot),
      fields: [
        ...privateFields(salIndices.length > 0),
        ...(isPacked ? [scalar("cRIO_timestamp", "double", "When the first sample was taken (TAI)", "second")] : []),
        ...this.layout.map((each) => {
          const items = isInteger(each.name) ? "int" : "float";
          if (!each.isArray) return scalar(each.name, items, "Simulated");
          const count = isPacked ? samplesPerRow : each.fields.length;
          const empty = new Array(count).fill(0) as number[];
          return { ...scalar(each.name, items, "Simulated"), type: { type: "array" as const, items }, default: empty };
        }),
      ],
    };
    this.type = Type.forSchema(this.schema as never);
    this.revCode = createHash("md5").update(JSON.stringify(this.schema)).digest("hex").slice(0, 8);
  }

  /** Message of a row in Confluent's wire format: a zero, the schema's id, the record. */
  encode(signal: Signal, row: number, schemaId: number): Buffer {
    const body = this.type.toBuffer(this.record(signal, row));
    const message = Buffer.allocUnsafe(5 + body.length);
    message.writeUInt8(0, 0);
    message.writeInt32BE(schemaId, 1);
    body.copy(message, 5);
    return message;
  }

  private record(signal: Signal, row: number): Record<string, unknown> {
    const { fields, samplesPerRow, name } = this.topic;
    const timeNs = signal.timeNs(row);
    // To the microsecond in both scales: a double of seconds holds no more.
    const efdStamp = Number(timeNs / 1000n) / 1e6;
    const sndStamp = Number(taiNsOf(timeNs) / 1000n) / 1e6;
    const component = name.split(".")[2]!;
    const record: Record<string, unknown> = {
      private_sndStamp: sndStamp,
      private_rcvStamp: 0,
      private_efdStamp: efdStamp,
      private_kafkaStamp: sndStamp,
      private_seqNum: row % 2 ** 31,
      private_revCode: this.revCode,
      private_identity: signal.salIndex === undefined ? component : `${component}:${signal.salIndex}`,
      private_origin: 1,
    };
    if (signal.salIndex !== undefined) record.salIndex = signal.salIndex;
    const values = fields.map(() => new Array<number>(samplesPerRow));
    signal.eachValue(row, (field, sample, value) => (values[field]![sample] = value));
    if (samplesPerRow > 1) record.cRIO_timestamp = signal.packedTimestamp(row);
    for (const { name: field, fields: numbers, isArray } of this.layout) {
      if (samplesPerRow > 1) record[field] = values[numbers[0]!];
      else record[field] = isArray ? numbers.map((number) => values[number]![0]) : values[numbers[0]!]![0];
    }
    return record;
  }
}

const scalar = (name: string, type: string, description: string, units = "unitless"): SalField => {
  return { name, type, default: 0, description, units };
};

function layoutOf(fields: readonly string[]): Layout[] {
  const bases = new Map<string, Map<number, number>>();
  const elementOf = (field: string) => /^(.*\D)(0|[1-9]\d*)$/.exec(field);
  fields.forEach((field, index) => {
    const [, base, number] = elementOf(field) ?? [];
    if (base === undefined) return;
    const elements = bases.get(base) ?? new Map<number, number>();
    bases.set(base, elements.set(Number(number), index));
  });
  const wholeOf = (base: string | undefined) => {
    const elements = base === undefined ? undefined : bases.get(base);
    const isWhole = elements && elements.size > 1 && [...elements.keys()].every((number) => number < elements.size);
    // `x0` beside a field `x` would be two fields of one name.
    return isWhole && !fields.includes(base!) ? elements : undefined;
  };
  return fields.flatMap((field, index): Layout[] => {
    const [, base, number] = elementOf(field) ?? [];
    const whole = wholeOf(base);
    if (!whole) return [{ name: field, fields: [index], isArray: false }];
    if (number !== "0") return [];
    return [{ name: base!, fields: [...whole].sort(([a], [b]) => a - b).map(([, at]) => at), isArray: true }];
  });
}
