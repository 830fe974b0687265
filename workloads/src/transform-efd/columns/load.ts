import type { Columns } from "./model";
import { readColumns } from "./read";

/**
 * Columns of an instrument.
 * @param pathOrBuiltin - Path of a flat YAML file; empty or `builtin` takes the ones that come with the program.
 * @param instrument - In any case: `LSSTCam`.
 * @throws ColumnsError when there are none that can be used.
 */
export async function loadColumns(pathOrBuiltin: string, _instrument: string): Promise<Columns> {
  return readColumns(pathOrBuiltin);
}
