/** Text of an integer, as Python's `repr` writes it. */
export const pythonInt = (value: number) => BigInt(value).toString();

/** Text of a double, as Python's `repr` writes it: always with a point or an exponent, `nan`, `inf`, `-inf`. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  // Both languages write the shortest digits that give the same double; they differ in where an exponent begins.
  const [digits, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16)
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  const text = plain(digits, exponent);
  return text.includes(".") ? text : `${text}.0`;
}

/** `-1.25`, 3 -> `-1250`; without an exponent, however JavaScript would write it. */
function plain(digits: string, exponent: number): string {
  const sign = digits.startsWith("-") ? "-" : "";
  const [whole, fraction = ""] = digits.slice(sign.length).split(".") as [string, string?];
  const all = whole + fraction;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${all}`;
  if (all.length <= exponent + 1) return sign + all.padEnd(exponent + 1, "0");
  return `${sign}${all.slice(0, exponent + 1)}.${all.slice(exponent + 1)}`;
}

/** Text of a list of doubles, as Python's `repr` writes it. */
export const pythonFloats = (values: readonly number[]) => `[${values.map(pythonFloat).join(", ")}]`;

/** What Python's `int()` makes of a text; undefined where it raises, or where the number is not exact here. */
export function readPythonInt(text: string): number | undefined {
  if (!/^\s*[+-]?\d+(_\d+)*\s*$/.test(text)) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What Python's `float()` makes of a text; undefined where it raises. */
export function readPythonFloat(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  const special = /^([+-]?)(nan|inf|infinity)$/.exec(trimmed);
  if (special) return special[2] === "nan" ? NaN : special[1] === "-" ? -Infinity : Infinity;
  const digits = "\\d+(?:_\\d+)*";
  if (!new RegExp(`^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:e[+-]?${digits})?$`).test(trimmed)) return undefined; // prettier-ignore
  return Number(trimmed.replaceAll("_", ""));
}

/** A list of doubles as a worker reads it: brackets off, split at commas; undefined where `float()` raises, as for `[]`. */
export function readPythonFloats(text: string): number[] | undefined {
  const values = text.replace(/^[[\]\s]+|[[\]\s]+$/g, "").split(",").map(readPythonFloat); // prettier-ignore
  return values.every((value) => value !== undefined) ? values : undefined;
}
