/** A sidecar is the header as a JSON object. Python writes `NaN` and `Infinity`, which JSON does not know: they are null. */
export function parseSidecar(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = JSON.parse(
      text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) => (token[0] === '"' ? token : "null")),
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("it is no JSON object");
  return value as Record<string, unknown>;
}
