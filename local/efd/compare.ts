import colour from "picocolors";
import { CommandError, exitCodes } from "../exit";
import { compareTable, type ColumnDifference, differs, type TableDifference, type Tolerance } from "./compareTables";
import { type EfdOptions, efdPlace } from "./connection";
import { placeOf, reading } from "./database";
import { dayRange } from "./range";
import { table } from "./table";

const allTables = ["exposure_efd", "visit1_efd", "exposure_efd_unpivoted", "visit1_efd_unpivoted"] as const;

export interface CompareOptions extends EfdOptions {
  /** The other database; default AGAINST_URL. */
  readonly against?: string;
  readonly since?: string;
  readonly until?: string;
  readonly absolute: number;
  readonly relative: number;
  readonly table?: readonly string[];
  readonly column?: readonly string[];
  /** Columns that are listed of each table, the worst first. */
  readonly limit: number;
}

/** `usdf efd compare`: exit code 1 when a value, a row or a column differs. */
export async function compareDatabases(options: CompareOptions): Promise<void> {
  const { instrument, env } = await efdPlace(options);
  const url = againstUrl(options.against);
  const { since, until } = dayRange(options, 7);
  const tables = options.table ?? allTables;
  const unknown = tables.filter((table) => !allTables.some((one) => one === table));
  if (unknown.length > 0) {
    throw new CommandError(`No table ${unknown.join(", ")}. There are: ${allTables.join(", ")}.`, exitCodes.usage);
  }
  const tolerance: Tolerance = options;
  const found = await reading("comparing", env.CONSDB_URL, (here) =>
    reading("comparing", url, async (there) => {
      const all: TableDifference[] = [];
      for (const name of tables) {
        const part = { schema: `efd_${instrument}`, table: name, since, until, columns: options.column };
        all.push(await compareTable(here, there, part, tolerance));
      }
      return all;
    }),
  );
  const isSame = !found.some(differs);
  const places = { here: placeOf(env.CONSDB_URL), there: placeOf(url) };
  const { absolute, relative } = tolerance;
  if (options.json) {
    const result = { instrument, ...places, since, until, absolute, relative, same: isSame, tables: found };
    console.log(JSON.stringify(result, null, 2));
  } else {
    console.log(`here  ${places.here}\nthere ${places.there}`);
    console.log(`efd_${instrument}, ${since} to ${until}, tolerance ${absolute} or ${relative} of the larger value\n`);
    for (const difference of found) show(difference, options.limit);
    console.log(isSame ? colour.green("No difference.") : colour.red("They differ."));
  }
  if (!isSame) process.exitCode = exitCodes.failed;
}

/** Whose password, if it has one, is not in the command line. */
function againstUrl(given: string | undefined): string {
  const url = given ?? process.env.AGAINST_URL;
  if (!url) {
    const how = "Give --against postgresql://user@host/database, or AGAINST_URL in the environment";
    throw new CommandError(`Compare with which database? ${how}.`, exitCodes.usage);
  }
  if (
    given !== undefined &&
    URL.canParse(given) &&
    (new URL(given).password || new URL(given).searchParams.has("password"))
  ) {
    throw new CommandError(
      "--against carries a password, which others on this machine can read: put the URL in AGAINST_URL, or the password in PGPASSWORD or ~/.pgpass.",
      exitCodes.usage,
    );
  }
  return url;
}

function show(found: TableDifference, limit: number): void {
  const { rowsBoth, rowsOnlyHere, rowsOnlyThere, columns } = found;
  const what = found.table.endsWith("_unpivoted") ? "values" : "rows";
  console.log(
    `${colour.bold(found.table)}: ${rowsBoth} ${what} in both, ${rowsOnlyHere} only here, ${rowsOnlyThere} only there`,
  );
  if (found.firstOnlyHere.length > 0) console.log(`  only here:  ${found.firstOnlyHere.join(", ")}, …`);
  if (found.firstOnlyThere.length > 0) console.log(`  only there: ${found.firstOnlyThere.join(", ")}, …`);
  if (found.columnsOnlyHere.length > 0)
    console.log(`  columns only here, not compared:  ${found.columnsOnlyHere.join(", ")}`);
  if (found.columnsOnlyThere.length > 0)
    console.log(`  columns only there, not compared: ${found.columnsOnlyThere.join(", ")}`);
  const bad = columns.filter((column) => holesAndDifferences(column) > 0).sort(byWorst);
  const compared = columns.reduce((sum, column) => sum + column.compared, 0);
  const wrong = columns.reduce((sum, column) => sum + column.different, 0);
  console.log(
    `  ${compared} values compared, ${wrong} beyond the tolerance, in ${bad.length} of ${columns.length} columns`,
  );
  if (bad.length > 0) console.log(listed(bad.slice(0, limit)));
  if (bad.length > limit) console.log(`  … ${bad.length - limit} more columns differ; --limit shows more`);
  console.log("");
}

const holesAndDifferences = ({ different, onlyHere, onlyThere }: ColumnDifference) => different + onlyHere + onlyThere;

function byWorst(a: ColumnDifference, b: ColumnDifference): number {
  return (b.worst?.relative ?? 0) - (a.worst?.relative ?? 0) || holesAndDifferences(b) - holesAndDifferences(a);
}

function listed(columns: readonly ColumnDifference[]): string {
  const rows = columns.map(({ column, compared, different, onlyHere, onlyThere, worst }) => {
    const at = worst ? `${worst.id}${worst.field === undefined ? "" : ` ${worst.field}`}` : "";
    const values = worst ? [worst.here, worst.there, worst.relative.toExponential(1)] : [];
    return [column, compared, different, onlyHere, onlyThere, at, ...values];
  });
  const head = ["column", "compared", "differ", "only here", "only there", "worst at", "here", "there", "relative"];
  return table(head, rows);
}
