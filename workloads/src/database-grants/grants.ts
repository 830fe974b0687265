import { Changes, type Report } from "../lib/changes";
import { ConfigError, parseEnv } from "../lib/contract";
import type { Logger } from "../lib/log";
import { Database } from "../lib/postgres";
import { readCatalog, readRoles } from "./catalog";
import { databaseGrantsContract, type DesiredGrants } from "./contract";
import { type Change, createSchema, described, differenceOf, missingSchemas } from "./difference";

const passwordPrefix = "DATABASE_PASSWORD_";

/** The environment with the passwords of all owners. @throws {@link ConfigError} that names what is missing. */
export function readEnvironment(environment: NodeJS.ProcessEnv) {
  const env = parseEnv(databaseGrantsContract, environment);
  const owners = new Set(env.DESIRED_GRANTS.databases.map(({ owner }) => owner));
  const missing = [...owners].filter((owner) => !environment[`${passwordPrefix}${owner}`]);
  if (missing.length > 0)
    throw new ConfigError(
      databaseGrantsContract.name,
      missing.map((owner) => `${passwordPrefix}${owner} is missing: databases of ${owner} are looked after as it`),
    );
  const passwords = new Map([...owners].map((owner) => [owner, environment[`${passwordPrefix}${owner}`]!]));
  return { ...env, passwords };
}

/** One run over all databases; a database that cannot be reached is a fault and costs none of the others. */
export async function mendGrants(
  env: ReturnType<typeof readEnvironment>,
  { log, stop }: { log: Logger; stop?: AbortSignal },
): Promise<Report> {
  const changes = new Changes(log, env.DRY_RUN);
  for (const database of env.DESIRED_GRANTS.databases) {
    if (stop?.aborted) throw new Error(`Stopped before database ${database.name}; the next run begins again.`);
    const connection = new Database(urlOf(env, database), {
      log,
      applicationName: databaseGrantsContract.name,
      connections: 1,
      statementMs: env.STATEMENT_TIMEOUT * 1000,
    });
    try {
      await mendDatabase(connection, database, env.DESIRED_GRANTS.roles, changes, env.DRY_RUN);
    } catch (error) {
      changes.fault(`database ${database.name}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await connection.close();
    }
  }
  return changes.report;
}

function urlOf(env: ReturnType<typeof readEnvironment>, { name, owner }: { name: string; owner: string }): string {
  const url = new URL(`postgresql://${env.DATABASE_HOST}:${env.DATABASE_PORT}/${encodeURIComponent(name)}`);
  url.username = owner;
  url.password = encodeURIComponent(env.passwords.get(owner)!);
  if (env.DATABASE_CA_FILE !== undefined) {
    url.searchParams.set("sslmode", "verify-full");
    url.searchParams.set("sslrootcert", env.DATABASE_CA_FILE);
  }
  return url.href;
}

async function mendDatabase(
  connection: Database,
  database: DesiredGrants["databases"][number],
  roles: readonly string[],
  changes: Changes,
  isDryRun: boolean,
): Promise<void> {
  const read = <T>(what: string, ask: Parameters<typeof connection.transaction<T>>[1]) =>
    connection.transaction(what, ask, { readOnly: true });
  const make = (text: string, sql: string) =>
    changes.make(`${database.name}: ${text}`, () => connection.transaction(text, (client) => client.query(sql)));
  const managed = await managedRoles(database, roles, changes, (names) =>
    read("reading roles", (client) => readRoles(client, names)),
  );
  const catalog = () => read("reading rights", readCatalog);

  for (const schema of missingSchemas(database, await catalog()))
    await make(`schema ${schema} made`, createSchema(schema, database.owner));
  const first = differenceOf(database, managed, await catalog());
  for (const orphan of first.orphans) changes.orphan(`${database.name}: ${orphan}`);
  const failed = new Set<string>();
  for (const { text, sql, of } of first.changes) {
    if (!of.isOurs) {
      changes.fault(`${database.name}: ${text}: ${described(of)} belongs to ${of.owner}, who must do it`);
      failed.add(text);
    } else if ((await make(text, sql)) === undefined) failed.add(text);
  }
  if (isDryRun || first.changes.length === 0) return;
  // A right that somebody else gave stays when its owner takes it: PostgreSQL says nothing then.
  const left = differenceOf(database, managed, await catalog()).changes.filter(({ text }: Change) => !failed.has(text));
  for (const { text } of left)
    changes.fault(
      `${database.name}: ${text}: was done without effect; look who granted it (\\dp), and revoke it as that role`,
    );
}

/** Roles that are looked after here. One that is missing, or may do more than its rights say, is a fault. */
async function managedRoles(
  { name, owner }: { name: string; owner: string },
  roles: readonly string[],
  changes: Changes,
  read: (names: readonly string[]) => Promise<Awaited<ReturnType<typeof readRoles>>>,
): Promise<string[]> {
  const wanted = roles.filter((role) => role !== owner);
  const found = await read(wanted);
  for (const role of wanted.filter((one) => !found.some((other) => other.name === one)))
    changes.fault(`${name}: there is no role ${role}. Whoever runs the server makes roles, with their passwords`);
  for (const { name: role, powers, memberOf } of found) {
    if (powers.length > 0) changes.fault(`${name}: role ${role} is ${powers.join(", ")}, which no grant bounds`);
    if (memberOf.length > 0) changes.fault(`${name}: role ${role} has the rights of ${memberOf.join(", ")} too`);
  }
  return found.map((one) => one.name);
}
