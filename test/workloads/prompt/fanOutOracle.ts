import { execFileSync } from "node:child_process";
import { join } from "node:path";

export interface OracleAnswer {
  readonly doubles: string[];
  readonly records: Record<string, string>[];
  readonly entries: Record<string, unknown>[];
  readonly events: Record<string, unknown>[];
}

/** Asks Python: see fanOutOracle.py. */
export function askPython(question: {
  doubles?: readonly string[];
  /** Each the JSON of a record, with numbers as Python is to read them. */
  records?: readonly string[];
  entries?: readonly object[];
  events?: readonly string[];
}): OracleAnswer {
  const { records = [], ...rest } = question;
  const input = `${JSON.stringify(rest).slice(0, -1)}${Object.keys(rest).length > 0 ? "," : ""}"records":[${records.join()}]}`;
  const output = execFileSync("python3", [join(__dirname, "fanOutOracle.py")], { input, maxBuffer: 2 ** 26 });
  return JSON.parse(output.toString()) as OracleAnswer;
}

/** A double as C and Python write it in hexadecimal, exactly. */
export function hexOf(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  const bits = bytes.readBigUInt64BE();
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const mantissa = (bits & 0xf_ffff_ffff_ffffn).toString(16).padStart(13, "0");
  const sign = bits >> 63n ? "-" : "";
  return exponent === 0 ? `${sign}0x0.${mantissa}p-1022` : `${sign}0x1.${mantissa}p${exponent - 1023}`;
}
