import { ConfigError, parseEnv } from "../lib/contract";
import type { Logger } from "../lib/log";
import { Changes, type Report } from "../lib/changes";
import { influxdbSetupContract } from "./contract";
import { setUpInfluxdb1 } from "./influxdb1";
import { setUpInfluxdb2 } from "./influxdb2";
import { InfluxdbClient } from "../lib/influxdb";

/** The environment with the passwords of all users. @throws {@link ConfigError} that names what is missing. */
export function readEnvironment(environment: NodeJS.ProcessEnv) {
  const env = parseEnv(influxdbSetupContract, environment);
  const faults: string[] = [];
  const passwords = new Map<string, string>();
  for (const { name } of env.DESIRED_STATE.users) {
    const variable = `INFLUXDB_PASSWORD_${name}`;
    const password = environment[variable] ?? "";
    const bytes = Buffer.byteLength(password);
    if (bytes < 8 || bytes > 72) faults.push(`${variable} has ${bytes} bytes: a password has 8 to 72`);
    passwords.set(name, password);
  }
  if (env.INFLUXDB_EDITION === "2") {
    if (env.INFLUXDB_ADMIN_TOKEN === undefined) faults.push("INFLUXDB_ADMIN_TOKEN is missing, which InfluxDB 2 needs");
  } else if (env.DESIRED_STATE.rungs.length + env.DESIRED_STATE.deadmen.length > 0)
    faults.push("DESIRED_STATE has rungs or deadman checks: those are tasks of InfluxDB 2");
  if (faults.length > 0) throw new ConfigError(influxdbSetupContract.name, faults);
  return { ...env, passwords };
}

/** One run: makes the server what is declared. @throws InfluxdbError when it does not answer or knows no such administrator. */
export async function setUpInfluxdb(
  env: ReturnType<typeof readEnvironment>,
  { log, stop }: { log: Logger; stop?: AbortSignal },
): Promise<Report> {
  const { DESIRED_STATE: state, passwords, INFLUXDB_ADMIN_USERNAME: adminUsername } = env;
  const admin = { adminUsername, adminPassword: env.INFLUXDB_ADMIN_PASSWORD };
  const timeoutMs = env.REQUEST_TIMEOUT * 1000;
  const server = new InfluxdbClient({ url: env.INFLUXDB_URL, timeoutMs, waitMs: env.WAIT * 1000, stop });
  const changes = new Changes(log, env.DRY_RUN);
  if (env.INFLUXDB_EDITION === "2") {
    const settings = { ...admin, org: env.INFLUXDB_ORG, adminToken: env.INFLUXDB_ADMIN_TOKEN!, passwords };
    await setUpInfluxdb2(server, state, settings, changes);
  } else {
    const replication = env.INFLUXDB_EDITION === "enterprise" ? env.INFLUXDB_REPLICATION : 1;
    await setUpInfluxdb1(server, state, { ...admin, replication, passwords }, changes);
  }
  return changes.report;
}
