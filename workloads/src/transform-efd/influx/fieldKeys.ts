import type { FieldType } from "../model";
import { BadAnswer, refusesQuestion } from "./errors";

/** InfluxQL's choice where shards hold a field with several types. */
const precedence = ["float", "integer", "unsigned", "string", "boolean"] as const;

/** Fields and types out of the answer to `SHOW FIELD KEYS`. */
export class FieldKeys {
  private readonly pieces: Buffer[] = [];

  push(bytes: Buffer): void {
    this.pieces.push(bytes);
  }

  /** @throws BadAnswer */
  end(): ReadonlyMap<string, FieldType> {
    type Result = {
      error?: string;
      partial?: boolean;
      series?: { columns?: string[]; values?: [string, FieldType][] }[];
    };
    let answer: { error?: string; results?: Result[] };
    try {
      answer = JSON.parse(Buffer.concat(this.pieces).toString()) as typeof answer;
    } catch {
      throw new BadAnswer("it is not the JSON that InfluxDB sends, or it was cut off");
    }
    const result = answer.results?.[0];
    const said = answer.error ?? result?.error;
    if (said !== undefined) throw new BadAnswer(said, !refusesQuestion(said));
    if (!result || result.partial) throw new BadAnswer("the answer is not whole");
    const fields = new Map<string, FieldType>();
    for (const { columns, values = [] } of result.series ?? []) {
      if (columns?.[0] !== "fieldKey" || columns[1] !== "fieldType")
        throw new BadAnswer("its columns are not fieldKey and fieldType");
      for (const [field, type] of values) {
        const known = fields.get(field);
        if (!known || precedence.indexOf(type) < precedence.indexOf(known)) fields.set(field, type);
      }
    }
    return fields;
  }
}
