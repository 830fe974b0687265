import { AvroMessageError } from "../../lib/avro";
import type { LineOutcome } from "./avroLines";
import { listLimit } from "./avroLines";
import { FieldNames, Key } from "./keys";
import type { LineBuffer } from "./lineBuffer";
import type { Stamps } from "./stamp";
import { cut, keyText, measurementText, stringText, tagText } from "./text";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Deepest object inside objects. */
const depthLimit = 16;

/**
 * Turns JSON records into line protocol: an object is a point, a list of objects several. Numbers are doubles, since JSON has no
 * integers; names are flattened as with Avro.
 */
export class JsonLines {
  cutStrings = 0;

  constructor(
    private readonly tags: readonly string[],
    private readonly stamps: Stamps,
    private readonly stampField: string,
    private readonly removePrefix: string,
  ) {}

  /** @throws {@link AvroMessageError} when nothing of the message can be written; nothing is added then. */
  write(message: Buffer, topic: string, recordMs: number, into: LineBuffer): LineOutcome {
    let value: Json;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message)) as Json;
    } catch (error) {
      throw new AvroMessageError(`it is no JSON (${(error as Error).message})`);
    }
    const points = Array.isArray(value) ? value : [value];
    // All of a message or nothing: every point is made before the first is added.
    const made = points.map((point) => this.pointOf(point, topic, recordMs));
    let isEmpty = true;
    for (const point of made) if (point !== undefined && "code" in point) return point;
    for (const point of made) {
      if (point === undefined || "code" in point) continue;
      into.add(point.head, point.fields, point.time, false);
      isEmpty = false;
    }
    return isEmpty ? "empty" : "line";
  }

  private pointOf(point: Json, topic: string, recordMs: number) {
    if (typeof point !== "object" || point === null || Array.isArray(point))
      throw new AvroMessageError("it is no JSON object, nor a list of objects");
    const { measurement: named, ...rest } = point;
    const isNamed = this.removePrefix === "" && typeof named === "string";
    const measurement = isNamed ? named : this.fromTopic(topic);
    const record = isNamed ? rest : point;
    const head = measurementText(measurement);
    if (head === undefined) throw new AvroMessageError(`"${measurement.slice(0, 200)}" cannot be a measurement`);
    const time = this.stamps.of(this.stampField === "" ? recordMs : (record[this.stampField] as unknown));
    if (typeof time === "object") return time;
    const names = new FieldNames();
    const entries = Object.entries(record).filter(([name]) => !this.tags.includes(name));
    const keys = new Map(entries.map(([name, value]) => [name, isLeaf(value) ? names.declare(name) : undefined]));
    for (const [name, value] of entries) if (Array.isArray(value)) names.declareList(name);
    const fields = entries
      .map(([name, value]) => this.append(value, keys.get(name) ?? new Key(names, name), 0))
      .join("");
    const tags = [...this.tags].sort().map((name) => {
      const value = record[name] ?? "";
      if (typeof value === "object")
        throw new AvroMessageError(`its "${name}" cannot be a tag (TAGS): it is no text, number or boolean`);
      const text = tagText(String(value));
      return text === "" ? "" : `,${keyText(name)}=${text}`;
    });
    return fields === "" ? undefined : { head: head + tags.join(""), fields, time };
  }

  private fromTopic(topic: string): string {
    if (topic.startsWith(this.removePrefix)) return topic.slice(this.removePrefix.length);
    throw new AvroMessageError(`its topic does not begin with "${this.removePrefix}" (REMOVE_PREFIX)`);
  }

  private append(value: Json, key: Key, depth: number): string {
    if (value === null) return "";
    if (typeof value === "number") return Number.isFinite(value) ? key.text + value : "";
    if (typeof value === "boolean") return key.text + (value ? "t" : "f");
    if (typeof value === "string") {
      const text = cut(value);
      if (text.length < value.length) this.cutStrings++;
      return key.text + stringText(text);
    }
    if (depth >= depthLimit) throw new AvroMessageError(`it is deeper than ${depthLimit} objects`);
    if (Array.isArray(value)) {
      if (value.length > listLimit) throw new AvroMessageError(`a list in it has more than ${listLimit} entries`);
      return value.map((item, index) => this.append(item, key.element(index), depth + 1)).join("");
    }
    return Object.entries(value)
      .map(([name, part]) => this.append(part, key.part(name), depth + 1))
      .join("");
  }
}

function isLeaf(value: Json): boolean {
  return typeof value !== "object";
}
