import { readFileSync } from "node:fs";
import { join } from "node:path";
import colour from "picocolors";
import {
  builtinColumns,
  type Columns,
  ColumnsError,
  type Fault,
  faultText,
  felisOf,
  flatYaml,
  loadColumns,
  readColumns,
} from "../../workloads/src/transform-efd/columns";
import { CommandError, exitCodes } from "../exit";
import { table } from "./table";

export interface ColumnsOptions {
  readonly felis?: boolean;
  readonly check?: string;
  readonly sizes?: boolean;
  readonly json?: boolean;
}

/** `usdf efd columns`. */
export async function showColumns(instrument: string | undefined, options: ColumnsOptions): Promise<void> {
  if (options.check !== undefined) return check(options.check, options.json);
  if (options.sizes && instrument === undefined) return showSizes(known(), options.json);
  if (instrument === undefined) {
    throw new CommandError(`Columns of which instrument? There are: ${known().join(", ")}.`, exitCodes.usage);
  }
  const name = instrument.toLowerCase();
  const file = builtinColumns[name];
  if (file === undefined) {
    throw new CommandError(`No columns for ${instrument}. There are: ${known().join(", ")}.`, exitCodes.usage);
  }
  if (options.sizes) showSizes([name], options.json);
  else if (options.felis) {
    process.stdout.write(felisOf(name, await loadColumns("builtin", name)));
  } else if (options.json) console.log(JSON.stringify(file, null, 2));
  else process.stdout.write(flatYaml(file));
}

const known = () => Object.keys(builtinColumns);

async function check(path: string, json: boolean | undefined): Promise<void> {
  const found = await readColumns(path).catch((error: unknown): Columns => {
    // None is usable, or it is no such file at all.
    if (!(error instanceof ColumnsError) || error.faults.length === 0) throw error;
    return { file: path, version: "", columns: [], faults: error.faults, notes: [] };
  });
  const { columns, faults, notes } = found;
  if (json) console.log(JSON.stringify({ ...found, columns: columns.map(({ name }) => name) }, null, 2));
  else {
    const report = (list: readonly Fault[], paint: (text: string) => string, what: string) =>
      list.forEach((fault) => console.log(`${paint(what)} ${faultText(fault)}`));
    report(faults, colour.red, "fault:");
    report(notes, colour.yellow, "doubt:");
    console.log(`${path}: ${columns.length} columns can be used, ${faults.length} faults, ${notes.length} doubts`);
  }
  if (faults.length > 0) process.exitCode = exitCodes.badConfig;
}

/** Lines and bytes of a text. */
interface Size {
  readonly lines: number;
  readonly bytes: number;
}

const sizeOf = (text: string): Size => ({ lines: text.split("\n").length - 1, bytes: Buffer.byteLength(text) });

/** The typed form is the source itself; what instruments share is a row of its own. */
function showSizes(names: readonly string[], json: boolean | undefined): void {
  const folder = join(__dirname, "../../workloads/src/transform-efd/columns");
  const source = (...paths: string[]) => sizeOf(paths.map((path) => readFileSync(join(folder, path), "utf8")).join(""));
  const sizes = names.map((name) => ({
    instrument: name,
    columns: builtinColumns[name]!.columns.length,
    flat: sizeOf(flatYaml(builtinColumns[name]!)),
    typed: source(`instruments/${name}.ts`),
  }));
  const shared = source("instruments/shared.ts", "family.ts");
  const sum = (all: readonly Size[]) => all.reduce((a, b) => ({ lines: a.lines + b.lines, bytes: a.bytes + b.bytes }));
  const total = { flat: sum(sizes.map(({ flat }) => flat)), typed: sum([shared, ...sizes.map(({ typed }) => typed)]) };
  const part = total.typed.bytes / total.flat.bytes;
  if (json) return console.log(JSON.stringify({ instruments: sizes, shared, total, part }, null, 2));
  const rows = sizes.map(({ instrument, columns, flat, typed }) => [
    ...[instrument, columns, flat.lines, flat.bytes, typed.lines, typed.bytes],
  ]);
  rows.push(["shared", "", "", "", shared.lines, shared.bytes]);
  rows.push(["all", "", total.flat.lines, total.flat.bytes, total.typed.lines, total.typed.bytes]);
  const shown = table(["", "columns", "flat lines", "bytes", "typed lines", "bytes"], rows);
  console.log(`${shown}\nThe typed form has ${(part * 100).toFixed(1)} % of the bytes of the flat one.`);
}
