import { literal, type PoolClient, quoted } from "../../workloads/src/lib/postgres";

/** When two values count as equal: within either of the two. */
export interface Tolerance {
  readonly absolute: number;
  /** Of the larger one of both. */
  readonly relative: number;
}

/** One value that differs. */
export interface ValuePair {
  readonly id: number;
  readonly field?: string;
  readonly here: number;
  readonly there: number;
  readonly relative: number;
}

/** How the values of a column, or of a property of an unpivoted table, compare. */
export interface ColumnDifference {
  readonly column: string;
  /** Pairs of which at least one side has a value. */
  compared: number;
  different: number;
  /** The other side has no value. */
  onlyHere: number;
  onlyThere: number;
  /** The largest relative difference beyond the tolerance. */
  worst?: ValuePair;
}

export interface TableDifference {
  readonly table: string;
  /** Rows of exposures or visits; of an unpivoted table: values. */
  rowsBoth: number;
  rowsOnlyHere: number;
  rowsOnlyThere: number;
  /** Ids of the first records that only one side has. */
  readonly firstOnlyHere: number[];
  readonly firstOnlyThere: number[];
  /** Columns that only one side's table has; they are not compared. */
  readonly columnsOnlyHere: readonly string[];
  readonly columnsOnlyThere: readonly string[];
  readonly columns: readonly ColumnDifference[];
}

/** Rows that one fetch of a cursor brings. */
const batchRows = 500;
/** Records that are named where only one side has them. */
const namedRecords = 5;

type Value = number | string | null;
type Row = readonly Value[];

/** Whether two values are as good as equal. */
export function isClose(here: number, there: number, { absolute, relative }: Tolerance): boolean {
  if (here === there || (Number.isNaN(here) && Number.isNaN(there))) return true;
  const difference = Math.abs(here - there);
  return difference <= absolute || difference <= relative * Math.max(Math.abs(here), Math.abs(there));
}

export const differs = (table: TableDifference): boolean =>
  table.rowsOnlyHere + table.rowsOnlyThere > 0 ||
  table.columns.some(({ different, onlyHere, onlyThere }) => different + onlyHere + onlyThere > 0);

/** Which rows of which table; `columns`: only these columns or properties. */
export interface TablePart {
  readonly schema: string;
  readonly table: string;
  readonly since: number;
  readonly until: number;
  readonly columns?: readonly string[];
}

/**
 * Compares one table of two databases, row by row in the order of their keys: memory holds a batch.
 * @param here - Within a transaction, and so `there`: cursors live in one.
 */
export async function compareTable(
  here: PoolClient,
  there: PoolClient,
  part: TablePart,
  tolerance: Tolerance,
): Promise<TableDifference> {
  const { schema, table, columns } = part;
  const isUnpivoted = table.endsWith("_unpivoted");
  const [mine, theirs] = await Promise.all([columnsOf(here, schema, table), columnsOf(there, schema, table)]);
  const wanted = (name: string) => isUnpivoted || columns === undefined || columns.includes(name);
  const shared = mine.filter((name) => theirs.includes(name) && wanted(name));
  const keys = keysOf(table);
  const sql = rowsText(part, keys, shared);
  const [left, right] = await Promise.all([openCursor(here, sql), openCursor(there, sql)]);
  const found = new Comparison(table, keys.length, shared, tolerance);
  for (;;) {
    const a = left.current ?? (await left.next());
    const b = right.current ?? (await right.next());
    if (a === undefined && b === undefined) break;
    const side = a === undefined ? 1 : b === undefined ? -1 : compareKeys(a, b, keys.length);
    if (side === 0) found.both(a!, b!);
    else if (side < 0) found.onlyHere(a!);
    else found.onlyThere(b!);
    if (side <= 0) left.take();
    if (side >= 0) right.take();
  }
  await Promise.all([left.close(), right.close()]);
  return found.result(
    mine.filter((name) => !theirs.includes(name) && wanted(name)),
    theirs.filter((name) => !mine.includes(name) && wanted(name)),
  );
}

/** What was found so far of one table. */
class Comparison {
  private readonly columns = new Map<string, ColumnDifference>();
  private readonly rows = { rowsBoth: 0, rowsOnlyHere: 0, rowsOnlyThere: 0 };
  private readonly firstOnlyHere: number[] = [];
  private readonly firstOnlyThere: number[] = [];
  private readonly isUnpivoted: boolean;

  constructor(
    private readonly table: string,
    /** Values of a row before those of the columns. */
    private readonly keys: number,
    private readonly names: readonly string[],
    private readonly tolerance: Tolerance,
  ) {
    this.isUnpivoted = table.endsWith("_unpivoted");
  }

  both(a: Row, b: Row): void {
    this.rows.rowsBoth++;
    for (let index = this.keys; index < a.length; index++) this.values(a, b, index);
  }

  onlyHere(row: Row): void {
    this.rows.rowsOnlyHere++;
    named(this.firstOnlyHere, row);
    if (this.isUnpivoted) this.column(row, this.keys).onlyHere++;
  }

  onlyThere(row: Row): void {
    this.rows.rowsOnlyThere++;
    named(this.firstOnlyThere, row);
    if (this.isUnpivoted) this.column(row, this.keys).onlyThere++;
  }

  result(columnsOnlyHere: readonly string[], columnsOnlyThere: readonly string[]): TableDifference {
    const { table, rows, firstOnlyHere, firstOnlyThere, columns } = this;
    return { table, ...rows, firstOnlyHere, firstOnlyThere, columnsOnlyHere, columnsOnlyThere, columns: [...columns.values()] }; // prettier-ignore
  }

  private values(a: Row, b: Row, index: number): void {
    const [here, there] = [a[index] as number | null, b[index] as number | null];
    if (here === null && there === null) return;
    const entry = this.column(a, index);
    entry.compared++;
    if (here === null) entry.onlyThere++;
    else if (there === null) entry.onlyHere++;
    else if (!isClose(here, there, this.tolerance)) {
      entry.different++;
      const relative = Math.abs(here - there) / Math.max(Math.abs(here), Math.abs(there));
      if (entry.worst && !(relative > entry.worst.relative)) return;
      const field = this.isUnpivoted ? { field: a[4] as string } : {};
      entry.worst = { id: a[2] as number, ...field, here, there, relative };
    }
  }

  private column(row: Row, index: number): ColumnDifference {
    const column = this.isUnpivoted ? (row[3] as string) : this.names[index - this.keys]!;
    let entry = this.columns.get(column);
    if (!entry) this.columns.set(column, (entry = { column, compared: 0, different: 0, onlyHere: 0, onlyThere: 0 }));
    return entry;
  }
}

function named(ids: number[], row: Row): void {
  const id = row[2] as number;
  if (ids.length < namedRecords && ids.at(-1) !== id) ids.push(id);
}

function keysOf(table: string): string[] {
  const id = table.startsWith("exposure") ? "exposure_id" : "visit_id";
  return ["day_obs", "seq_num", id, ...(table.endsWith("_unpivoted") ? ["property", "field"] : [])];
}

function rowsText(
  { schema, table, since, until, columns }: TablePart,
  keys: readonly string[],
  shared: readonly string[],
): string {
  // Ids are below 2^53; text is ordered as JavaScript orders it, whatever the collations of the databases are.
  const select = [...keys.map((key) => (key.endsWith("_id") ? `${key}::float8` : key)), ...shared.map(quoted)];
  const order = keys.map((key, index) => (index < 3 ? key : `${key} collate "C"`));
  const filter = keys.length > 3 && columns ? ` and property in (${columns.map(literal).join(", ")})` : "";
  return `select ${select.join(", ")} from ${quoted(schema)}.${quoted(table)}
    where day_obs between ${since} and ${until}${filter} order by ${order.join(", ")}`;
}

/** Columns that hold values: all but the keys and the time of creation. */
async function columnsOf(client: PoolClient, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select column_name as name from information_schema.columns
     where table_schema = $1 and table_name = $2
       and column_name not in ('day_obs', 'seq_num', 'exposure_id', 'visit_id', 'property', 'field', 'created_at')
       and data_type in ('double precision', 'real', 'integer', 'smallint')
     order by ordinal_position`,
    [schema, table],
  );
  return rows.map(({ name }) => name);
}

function compareKeys(a: Row, b: Row, length: number): number {
  for (let index = 0; index < length; index++) {
    if (a[index]! < b[index]!) return -1;
    if (a[index]! > b[index]!) return 1;
  }
  return 0;
}

const cursorName = "usdf_compare";

async function openCursor(client: PoolClient, sql: string): Promise<RowReader> {
  await client.query(`set local extra_float_digits = 3; declare ${cursorName} no scroll cursor for ${sql}`);
  return new RowReader(client);
}

/** Rows of a cursor, a batch in memory; the next one is fetched when this one is used up. */
class RowReader {
  private batch: Row[] = [];
  private at = 0;

  constructor(private readonly client: PoolClient) {}

  /** The row in hand; `undefined` when a batch must be fetched, or all is read. */
  get current(): Row | undefined {
    return this.batch[this.at];
  }

  async next(): Promise<Row | undefined> {
    const text = `fetch ${batchRows} from ${cursorName}`;
    this.batch = (await this.client.query<Value[]>({ text, rowMode: "array" })).rows;
    this.at = 0;
    return this.current;
  }

  take(): void {
    this.at++;
  }

  async close(): Promise<void> {
    await this.client.query(`close ${cursorName}`);
  }
}
