import { DatabaseError as PostgresError, Pool, type PoolClient } from "pg";
import { FacilityError, messageOf } from "./errors";
import type { Logger } from "./log";
import { backoffMs, sleep } from "./process";

export type { PoolClient } from "pg";

/** A database did not do what it was asked to. */
export class DatabaseError extends FacilityError {
  readonly code = "DATABASE";
  readonly retryable: boolean;
  constructor(what: string, database: string, cause: unknown) {
    super(`${what} failed in ${database}: ${messageOf(cause) || "the connection ended"}.`, { cause });
    this.retryable = isTransient(cause);
  }
}

export interface DatabaseOptions {
  readonly log: Logger;
  /** Shown by `pg_stat_activity`. */
  readonly applicationName: string;
  /** Connections at most. Default 4. */
  readonly connections?: number;
  /** Longest time of one statement, ms. Default 120,000; connecting and locks: at most 10,000. */
  readonly statementMs?: number;
  /** Attempts of {@link Database.transaction} when the server goes away or two transactions collide. Default 8: half a minute. */
  readonly attempts?: number;
}

const connectMs = 10_000;

/**
 * A PostgreSQL database. Everything happens in transactions whose settings are local to them, so that a pooler that hands
 * connections out by transaction is as good as the server itself. Sessions count time in UTC.
 */
export class Database {
  /** `host:port/database`, without user and password. */
  readonly name: string;
  private readonly pool: Pool;
  private readonly begin: string;

  /** @param url - `postgresql://user:password@host:port/database`, also with SQLAlchemy's driver (`postgresql+psycopg2`). */
  constructor(
    url: string,
    private readonly options: DatabaseOptions,
  ) {
    const { log, applicationName, connections = 4, statementMs = 120_000 } = options;
    const parsed = new URL(url.replace(/^postgres(ql)?(\+\w+)?:/, "postgresql:"));
    this.name = `${parsed.hostname}:${parsed.port || "5432"}${decodeURIComponent(parsed.pathname)}`;
    this.begin =
      `set local timezone to 'UTC'; set local statement_timeout to ${statementMs}; ` +
      `set local lock_timeout to ${connectMs}; set local idle_in_transaction_session_timeout to ${statementMs}`;
    this.pool = new Pool({
      connectionString: parsed.href,
      max: connections,
      application_name: applicationName,
      connectionTimeoutMillis: connectMs,
      query_timeout: statementMs + connectMs, // when not even the refusal of the server arrives
      keepAlive: true,
    });
    // Without it an idle connection that the server closes would end the process.
    this.pool.on("error", (error) => log.warn({ database: this.name, err: error }, "database_connection_lost"));
  }

  /**
   * Runs `work` in one transaction; again, from its beginning, when the server goes away or transactions collide. A lost
   * answer to COMMIT is a repeat, too: `work` must find out by itself that it is done.
   * @param what - For the error, e.g. `claiming a task`.
   * @throws {@link DatabaseError}, or as it is what `work` throws that is no error of the database.
   */
  async transaction<T>(
    what: string,
    work: (client: PoolClient) => Promise<T>,
    { readOnly = false, stop }: { readOnly?: boolean; stop?: AbortSignal } = {},
  ): Promise<T> {
    const attempts = this.options.attempts ?? 8;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(work, readOnly);
      } catch (error) {
        if (error instanceof FacilityError) throw error;
        if (attempt >= attempts || !isTransient(error) || stop?.aborted)
          throw new DatabaseError(what, this.name, error);
        this.options.log.warn({ database: this.name, what, attempt, reason: messageOf(error) }, "database_retry");
        await sleep(backoffMs(attempt, 500, 10_000), stop);
      }
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async once<T>(work: (client: PoolClient) => Promise<T>, readOnly: boolean): Promise<T> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    // A connection that breaks between two statements tells nobody else.
    const lost = (error: Error) => (failure ??= error);
    client.on("error", lost);
    try {
      await client.query(`begin${readOnly ? " read only" : ""}; ${this.begin}`);
      const result = await work(client);
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(lost);
      throw error;
    } finally {
      client.removeListener("error", lost);
      client.release(failure);
    }
  }
}

/** Whether the same may succeed a moment later: the server restarts, is full, or two transactions collided. */
function isTransient(error: unknown): boolean {
  if (error instanceof PostgresError) return /^(08|57P0|53|40|55P03|25P03)/.test(error.code ?? "");
  const { code, message = "" } = error as { code?: string; message?: string };
  return (
    /^E(CONN|PIPE|HOSTUNREACH|NETUNREACH|TIMEDOUT|AI_AGAIN)/.test(code ?? "") || /connection|timeout/i.test(message)
  );
}

/** A name as SQL quotes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL quotes it. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
