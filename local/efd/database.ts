import { createLogger } from "../../workloads/src/lib/log";
import { Database, type PoolClient } from "../../workloads/src/lib/postgres";
import { CommandError, exitCodes } from "../exit";

/** Of what the parts of the program tell beside their errors; one for all, since each one listens for the end of the process. */
export const log = createLogger("usdf", "ERROR");

/** Longest statement: a year of rows is read in less. */
const statementMs = 600_000;

/**
 * Reads a database in one transaction that cannot write.
 * @param what - For the error, e.g. `reading the queue`.
 * @param url - `postgresql://…`, as SQLAlchemy writes it too. Without a password: PGPASSWORD or ~/.pgpass.
 * @throws DatabaseError that names host and database, never the password.
 */
export async function reading<T>(what: string, url: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const database = openDatabase(url, 1);
  try {
    return await database.transaction(what, work, { readOnly: true });
  } finally {
    await database.close();
  }
}

/** @param attempts - Of a transaction; 1 where `work` keeps what it has read. */
export function openDatabase(url: string, attempts: number): Database {
  if (!/^postgres(ql)?(\+\w+)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CommandError(
      "The database's URL (not shown) is not postgresql://user@host:port/database.",
      exitCodes.usage,
    );
  }
  return new Database(url, { log, applicationName: "usdf efd", connections: 1, statementMs, attempts });
}

/** `host/database` of a URL: what may be shown of it. */
export function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
