/** Line protocol's escapes. See docs of InfluxDB, "line protocol": the same in 1.x and 2.x. */

/** Longest string that is stored, bytes of UTF-8: more InfluxDB 1.x refuses. */
export const stringLimitBytes = 65_535;

/** @returns the measurement escaped, or `undefined` where none can be written: empty, with control characters, a comment. */
export function measurementText(name: string): string | undefined {
  if (name === "" || name.startsWith("#") || name.endsWith("\\") || name.length > 1024 || /[\0-\x1f]/.test(name))
    return undefined;
  return name.replace(/[, ]/g, "\\$&");
}

/** Key of a field or tag; control characters and a backslash at the end have no escape. */
export function keyText(name: string): string {
  return withoutControls(name).replace(/[,= ]/g, "\\$&");
}

/** Value of a tag; empty when nothing is left. */
export function tagText(value: string): string {
  return withoutControls(value).replace(/[,= ]/g, "\\$&");
}

/** Value of a string field with its quotes. */
export function stringText(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
}

/** Beginning of `value` that has at most {@link stringLimitBytes}; whole characters. */
export function cut(value: string): string {
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length <= stringLimitBytes) return value;
  let end = stringLimitBytes;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

function withoutControls(text: string): string {
  return text.replace(/[\0-\x1f]+/g, " ").replace(/\\+$/, "");
}
