/** A consolidated database of a test file's own, in a real PostgreSQL. */
import { join } from "node:path";
import { Client } from "pg";
import pino from "pino";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import { Database } from "../../../workloads/src/lib/postgres";
import { testAddress, testFolder } from "../../support/network";

export const log = pino({ level: "silent" });

export interface Consdb {
  readonly postgres: RunningPostgres;
  /** The database `consdb`, as the workload has it. */
  readonly database: Database;
  /** And as the test looks at it. */
  readonly client: Client;
  stop(): Promise<void>;
}

/**
 * @param name - Of the folder.
 * @param connections - That `database` may hold.
 * @param others - Databases beside `consdb`.
 */
export async function startConsdb(name: string, connections?: number, others: string[] = []): Promise<Consdb> {
  const { dir, remove } = testFolder(name);
  const postgres = await startPostgres({
    dir: join(dir, "postgres"),
    address: testAddress(3),
    user: "tester", // tests make the roles that a real one has, `usdf` among them
    password: "secret",
    databases: ["consdb", ...others],
  });
  const url = postgres.url("consdb");
  const database = new Database(url, { log, applicationName: "test", connections });
  const client = new Client(url);
  await client.connect();
  return {
    postgres,
    database,
    client,
    async stop() {
      await client.end();
      await database.close();
      await postgres.stop();
      remove();
    },
  };
}
