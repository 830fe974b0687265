import { stringify } from "yaml";
import type { ColumnFile } from "./model";

/** A column file in the flat form, as the Python program reads it too. */
export function flatYaml({ version, columns }: ColumnFile): string {
  return stringify(
    { version, columns },
    { version: "1.2", compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false },
  );
}
