import { lsstcam } from "./instruments/lsstcam";
import { lsstcomcam } from "./instruments/lsstcomcam";
import { latiss } from "./instruments/latiss";
import type { ColumnFile, Columns } from "./model";
import { ColumnsError, columnsOf, readColumns } from "./read";

/** Columns that come with the program, by instrument in lower case. */
export const builtinColumns: Readonly<Record<string, ColumnFile>> = { latiss, lsstcam, lsstcomcam };

/**
 * Columns of an instrument.
 * @param pathOrBuiltin - Path of a flat YAML file; empty or `builtin` takes the ones that come with the program.
 * @param instrument - In any case: `LSSTCam`.
 * @throws {@link ColumnsError} when there are none that can be used.
 */
export async function loadColumns(pathOrBuiltin: string, instrument: string): Promise<Columns> {
  if (pathOrBuiltin !== "" && pathOrBuiltin !== "builtin") return readColumns(pathOrBuiltin);
  const name = instrument.toLowerCase();
  const file = `builtin:${name}`;
  const builtin = builtinColumns[name];
  if (builtin) return columnsOf(file, builtin);
  const known = Object.keys(builtinColumns).join(", ");
  throw new ColumnsError(
    file,
    `there are none for ${instrument}, only for ${known}. Set CONFIG_FILE to a file with its columns.`,
  );
}
