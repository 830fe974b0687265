import type { Changes } from "../lib/changes";
import { type DesiredState, retentionPolicy } from "./contract";
import { refusesShorter } from "./influxdb2";
import { type InfluxdbClient, InfluxdbError } from "../lib/influxdb";

export interface Influxdb1Settings {
  readonly adminUsername: string;
  readonly adminPassword: string;
  /** Copies of each shard; 1 but for Enterprise. */
  readonly replication: number;
  readonly passwords: ReadonlyMap<string, string>;
}

/** Makes an InfluxDB 1.x or Enterprise what is declared, by InfluxQL. */
export async function setUpInfluxdb1(
  server: InfluxdbClient,
  state: DesiredState,
  settings: Influxdb1Settings,
  changes: Changes,
): Promise<void> {
  const login = { username: settings.adminUsername, password: settings.adminPassword };
  const ask = (q: string) => server.influxql(q, login);
  if (!(await hasAdmin(server, settings, changes))) return;
  await databases(ask, state, settings.replication, changes);
  await users(server, ask, state, settings, changes);
}

type Ask = (q: string) => Promise<Record<string, unknown>[]>;

/** A server without users lets anyone make the first one. @returns whether there is something to look into. */
async function hasAdmin(server: InfluxdbClient, { adminUsername, adminPassword }: Influxdb1Settings, changes: Changes) {
  if (await server.knows(adminUsername, adminPassword)) return true;
  const create = `CREATE USER ${name(adminUsername)} WITH PASSWORD ${text(adminPassword)} WITH ALL PRIVILEGES`;
  const made = await changes.make(`administrator ${adminUsername} made`, async () => {
    await server.influxql(create).catch((error: unknown) => {
      if (!(error instanceof InfluxdbError) || error.status !== 401) throw error;
      const words = `InfluxDB has users, and none is ${adminUsername} with this INFLUXDB_ADMIN_PASSWORD. Correct the secret.`;
      throw new InfluxdbError(words, false, 401);
    });
    return true;
  });
  return made !== undefined;
}

async function databases(ask: Ask, state: DesiredState, replication: number, changes: Changes): Promise<void> {
  const there = (await ask("SHOW DATABASES")).map((row) => String(row.name));
  for (const wanted of state.buckets) {
    const { name: bucket, retentionSeconds, shardGroupSeconds } = wanted;
    const rule =
      `DURATION ${retentionSeconds === 0 ? "INF" : `${retentionSeconds}s`} ` +
      `REPLICATION ${replication} SHARD DURATION ${shardGroupSeconds}s`;
    if (!there.includes(bucket)) {
      await changes.make(`database ${bucket} made`, () =>
        ask(`CREATE DATABASE ${name(bucket)} WITH ${rule} NAME ${name(retentionPolicy)}`),
      );
      continue;
    }
    const policies = await ask(`SHOW RETENTION POLICIES ON ${name(bucket)}`);
    const policy = policies.find((row) => row.name === retentionPolicy);
    if (policy === undefined) {
      await changes.make(`database ${bucket}: retention policy ${retentionPolicy} made`, () =>
        ask(`CREATE RETENTION POLICY ${name(retentionPolicy)} ON ${name(bucket)} ${rule} DEFAULT`),
      );
      continue;
    }
    const isSeconds = secondsOf(String(policy.duration));
    const isSame =
      isSeconds === retentionSeconds &&
      secondsOf(String(policy.shardGroupDuration)) === shardGroupSeconds &&
      policy.replicaN === replication &&
      policy.default === true;
    if (isSame || refusesShorter(wanted, isSeconds, changes)) continue;
    await changes.make(`database ${bucket}: retention policy ${retentionPolicy} is now ${rule}`, () =>
      ask(`ALTER RETENTION POLICY ${name(retentionPolicy)} ON ${name(bucket)} ${rule} DEFAULT`),
    );
  }
  for (const one of there)
    if (one !== "_internal" && !state.buckets.some((bucket) => bucket.name === one)) changes.orphan(`database ${one}`);
}

async function users(
  server: InfluxdbClient,
  ask: Ask,
  state: DesiredState,
  { adminUsername, passwords }: Influxdb1Settings,
  changes: Changes,
): Promise<void> {
  const there = (await ask("SHOW USERS")).map((row) => ({ user: String(row.user), isAdmin: row.admin === true }));
  for (const { name: user, reads, writes } of state.users) {
    const password = passwords.get(user)!;
    const known = there.find((one) => one.user === user);
    if (known?.isAdmin)
      await changes.make(`user ${user}: rights of an administrator taken away`, () =>
        ask(`REVOKE ALL PRIVILEGES FROM ${name(user)}`),
      );
    if (known === undefined)
      await changes.make(`user ${user} made`, () => ask(`CREATE USER ${name(user)} WITH PASSWORD ${text(password)}`));
    else if (!(await server.knows(user, password)))
      await changes.make(`user ${user}: password set`, () => ask(`SET PASSWORD FOR ${name(user)} = ${text(password)}`));
    const grants = known ? await ask(`SHOW GRANTS FOR ${name(user)}`) : [];
    const is = new Map(grants.map((row) => [String(row.database), String(row.privilege)]));
    const wanted = new Map<string, string>();
    for (const bucket of reads) wanted.set(bucket, "READ");
    for (const bucket of writes) wanted.set(bucket, wanted.has(bucket) ? "ALL PRIVILEGES" : "WRITE");
    for (const [database, right] of wanted)
      if (is.get(database) !== right)
        await changes.make(`user ${user}: ${right} on ${database}`, () =>
          ask(`GRANT ${right === "ALL PRIVILEGES" ? "ALL" : right} ON ${name(database)} TO ${name(user)}`),
        );
    for (const [database, right] of is)
      if (!wanted.has(database) && right !== "NO PRIVILEGES")
        await changes.make(`user ${user}: ${right} on ${database} taken away`, () =>
          ask(`REVOKE ALL ON ${name(database)} FROM ${name(user)}`),
        );
  }
  for (const { user } of there)
    if (user !== adminUsername && !state.users.some((one) => one.name === user)) changes.orphan(`user ${user}`);
}

/** `4320h0m0s` and `1h30m` in seconds. */
function secondsOf(duration: string): number {
  const units = { h: 3600, m: 60, s: 1 } as const;
  return [...duration.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units],
    0,
  );
}

function name(identifier: string): string {
  return `"${identifier.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function text(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
