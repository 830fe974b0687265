import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { FacilityError, messageOf } from "../../lib/errors";
import { checkEntry, didYouMean } from "./check";
import { type Column, type Columns, type Fault, faultText } from "./model";
import { notesOf } from "./notes";

/** A column file that cannot be used at all. */
export class ColumnsError extends FacilityError {
  readonly code = "COLUMNS";
  readonly retryable = false;
  constructor(
    readonly file: string,
    reason: string,
    readonly faults: readonly Fault[] = [],
    options?: ErrorOptions,
  ) {
    super(
      [`Cannot use the columns of ${file}: ${reason}`, ...faults.map((fault) => `  ${faultText(fault)}`)].join("\n"),
      options,
    );
  }
}

/** @throws {@link ColumnsError} when the file cannot be read or holds no usable column. */
export async function readColumns(file: string): Promise<Columns> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new ColumnsError(file, `${messageOf(cause)}. Set CONFIG_FILE to a readable file, or to "builtin".`, [], {
      cause,
    });
  });
  return parseColumns(file, text);
}

/** @throws {@link ColumnsError} when the text is no YAML or holds no usable column. */
export function parseColumns(file: string, text: string): Columns {
  const document = parseDocument(text, { version: "1.2", schema: "core" });
  const [error] = document.errors;
  if (error) throw new ColumnsError(file, error.message.trim());
  return columnsOf(file, document.toJS());
}

/**
 * Checks every entry by itself, so that a faulty one costs no other.
 * @param file - Only for messages.
 * @param content - `{ version, columns }` in the flat form.
 */
export function columnsOf(file: string, content: unknown): Columns {
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new ColumnsError(file, `it must hold "version" and "columns".`);
  }
  const { version, columns: entries, ...rest } = content as Record<string, unknown>;
  if (!Array.isArray(entries)) throw new ColumnsError(file, `"columns" must be a list of columns.`);
  if (typeof version !== "string" && typeof version !== "number") {
    throw new ColumnsError(file, `"version" must be a text such as 1.1.0.`);
  }
  const faults: Fault[] = Object.keys(rest).map((key) => ({
    file,
    reason: `unknown key "${key}"${didYouMean(key, ["version", "columns"])}`,
  }));
  const columns = new Map<string, Column>();
  entries.forEach((entry: unknown, index) => {
    const name = (entry as { name?: unknown } | null)?.name;
    const column = typeof name === "string" && name !== "" ? name : `columns[${index}]`;
    const checked = checkEntry(entry);
    if ("reasons" in checked) faults.push(...checked.reasons.map((reason) => ({ file, column, reason })));
    else if (columns.has(column)) faults.push({ file, column, reason: "is there twice; the first one counts" });
    else columns.set(column, checked.column);
  });
  const good = [...columns.values()];
  if (good.length === 0) throw new ColumnsError(file, "no column is usable.", faults);
  const notes = notesOf(good).map((note) => ({ file, ...note }));
  return { file, version: String(version), columns: good, faults, notes };
}
