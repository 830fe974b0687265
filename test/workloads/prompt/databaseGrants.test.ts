import { join } from "node:path";
import { Client } from "pg";
import pino from "pino";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import type { DesiredGrants } from "../../../workloads/src/database-grants/contract";
import { mendGrants, readEnvironment } from "../../../workloads/src/database-grants/grants";
import { testAddress, testFolder } from "../../support/network";

/** What a role may do is found out by trying, as the role; the catalog of rights is not asked. */

const { dir, remove } = testFolder("database-grants");
let postgres: RunningPostgres;

const service = ["hsc_prompt", "latiss_prompt"];
const desired: DesiredGrants = {
  roles: ["rubin", "pp", ...service],
  databases: [
    {
      name: "registry",
      owner: "pp",
      grants: [{ to: service, privileges: ["CONNECT", "TEMPORARY"] }],
      schemas: [
        {
          names: "repo",
          grants: [{ to: service, privileges: ["USAGE"] }],
          tables: [
            { names: "*", to: service, privileges: ["SELECT", "UPDATE"] },
            { names: "dataset*", to: service, privileges: ["INSERT", "DELETE"] },
          ],
          sequences: [{ names: "collection_seq", to: service, privileges: ["SELECT", "USAGE"] }],
        },
      ],
    },
    {
      name: "apdb",
      owner: "rubin",
      grants: [{ to: service, privileges: ["CONNECT"] }],
      schemas: service.map((role) => ({
        names: `pp_apdb_${role.split("_")[0]}*`,
        grants: [{ to: [role], privileges: ["USAGE" as const] }],
        tables: [{ names: "*", to: [role], privileges: ["SELECT" as const, "INSERT" as const] }],
        sequences: [],
      })),
    },
  ],
};

const urlAs = (role: string, database: string) => {
  const url = new URL(postgres.url(database));
  if (role !== "tester") [url.username, url.password] = [role, `${role}@secret`];
  return url.href;
};

async function ask(role: string, database: string, ...statements: string[]): Promise<void> {
  const client = new Client(urlAs(role, database));
  await client.connect();
  try {
    for (const sql of statements) await client.query(sql);
  } finally {
    await client.end();
  }
}

/** `ok`, or the code by which the server refuses: 42501 is a missing right. */
const outcome = (role: string, database: string, sql: string): Promise<string> =>
  ask(role, database, "begin", sql, "rollback").then(
    () => "ok",
    (error: { code: string }) => error.code,
  );

function run(grants: DesiredGrants = desired, more: NodeJS.ProcessEnv = {}) {
  const env = readEnvironment({
    DATABASE_HOST: postgres.host,
    DATABASE_PORT: String(postgres.port),
    DESIRED_GRANTS: JSON.stringify(grants),
    DATABASE_PASSWORD_pp: "pp@secret",
    DATABASE_PASSWORD_rubin: "rubin@secret",
    ...more,
  });
  return mendGrants(env, { log: pino({ level: "silent" }) });
}

/** By role and database: what must work and what must not. */
async function expectRights(): Promise<void> {
  const denied = "42501";
  for (const role of service) {
    const [own, other] = role === "hsc_prompt" ? ["hsc", "latiss"] : ["latiss", "hsc"];
    const tried: [database: string, sql: string, expected: string][] = [
      ["registry", "select * from repo.visit", "ok"],
      ["registry", "update repo.visit set id = id", "ok"],
      ["registry", "insert into repo.visit values (9)", denied],
      ["registry", "delete from repo.visit", denied],
      ["registry", "truncate repo.visit", denied],
      ["registry", "insert into repo.dataset values (9)", "ok"],
      ["registry", "delete from repo.dataset_tags", "ok"],
      ["registry", "truncate repo.dataset", denied],
      ["registry", "select nextval('repo.collection_seq')", "ok"],
      ["registry", "select setval('repo.collection_seq', 5)", denied],
      ["registry", "select nextval('repo.dataset_type_seq')", denied],
      ["registry", "select last_value from repo.dataset_type_seq", denied],
      ["registry", "create temporary table t (id int)", "ok"],
      ["registry", "create table repo.t (id int)", denied],
      ["registry", "create schema own", denied],
      ["registry", "drop table repo.visit", denied],
      ["registry", "select * from other.kept", denied],
      ["apdb", `select * from pp_apdb_${own}.dia_object`, "ok"],
      ["apdb", `insert into pp_apdb_${own}.dia_object values (9)`, "ok"],
      ["apdb", `update pp_apdb_${own}.dia_object set id = id`, denied],
      ["apdb", `select * from pp_apdb_${other}.dia_object`, denied],
      ["apdb", "create temporary table t (id int)", denied],
    ];
    const found = await Promise.all(tried.map(([database, sql]) => outcome(role, database, sql)));
    expect(tried.map(([database, sql], index) => [role, database, sql, found[index]])).toEqual(
      tried.map(([database, sql, expected]) => [role, database, sql, expected]),
    );
  }
  // Who owns one database has nothing to do in the other; who is not declared, in none.
  expect(await outcome("pp", "apdb", "select 1")).toBe(denied);
  expect(await outcome("rubin", "registry", "select 1")).toBe(denied);
  expect(await outcome("stranger", "apdb", "select 1")).toBe(denied);
  expect(await outcome("pp", "registry", "create table repo.t (id int)")).toBe("ok");
}

beforeAll(async () => {
  postgres = await startPostgres({ dir: join(dir, "postgres"), address: testAddress(3), user: "tester", password: "secret" }); // prettier-ignore
  const roles = ["rubin", "pp", ...service, "stranger"];
  await ask("tester", "postgres", ...roles.map((role) => `create role ${role} login password '${role}@secret'`));
  await ask("tester", "postgres", "create database registry owner pp", "create database apdb owner rubin");
  await ask(
    "pp",
    "registry",
    "create schema repo",
    "create schema other",
    ...["repo.visit", "repo.dataset", "repo.dataset_tags", "other.kept"].map((name) => `create table ${name} (id int)`),
    "create sequence repo.collection_seq",
    "create sequence repo.dataset_type_seq",
  );
  const apdbs = ["pp_apdb_hsc", "pp_apdb_latiss"];
  for (const name of apdbs)
    await ask("rubin", "apdb", `create schema ${name}`, `create table ${name}.dia_object (id int)`);
});

afterAll(async () => {
  await postgres?.stop();
  remove();
});

describe("database-grants", () => {
  it("only tells in a dry run", async () => {
    const report = await run(desired, { DRY_RUN: "true" });
    expect(report.faults).toEqual([]);
    expect(report.changes).toContain("registry: hsc_prompt may USAGE schema repo");
    expect(await outcome("hsc_prompt", "registry", "select * from repo.visit")).toBe("42501");
    expect(await outcome("stranger", "registry", "select 1")).toBe("ok"); // PUBLIC may connect, as PostgreSQL begins
  });

  it("gives each role what it must do and nothing else, and has nothing to do then", async () => {
    expect((await run()).faults).toEqual([]);
    await expectRights();
    expect(await run()).toEqual({ changes: [], orphans: [], faults: [] });
  });

  it("mends drift, and takes in what is new", async () => {
    await ask(
      "pp",
      "registry",
      "grant insert on repo.visit to hsc_prompt with grant option",
      "grant select (id), update (id) on repo.dataset to latiss_prompt",
      "grant usage on repo.dataset_type_seq to public",
      "grant create on schema repo to latiss_prompt",
      "grant connect on database registry to public",
      "revoke select on repo.visit from latiss_prompt",
      "alter default privileges in schema repo grant delete on tables to hsc_prompt",
      "alter default privileges grant truncate on tables to hsc_prompt",
      "create table repo.dataset_new (id int)",
    );
    await ask("rubin", "apdb", "create schema pp_apdb_hsc_2", "create table pp_apdb_hsc_2.dia_object (id int)");
    // What is made after a run has the rights of * at once, the others with the next run.
    expect(await outcome("hsc_prompt", "registry", "select * from repo.dataset_new")).toBe("ok");
    expect(await outcome("hsc_prompt", "registry", "insert into repo.dataset_new values (1)")).toBe("42501");
    expect(await outcome("hsc_prompt", "apdb", "select * from pp_apdb_hsc_2.dia_object")).toBe("42501");

    const report = await run();
    expect(report.faults).toEqual([]);
    expect(report.changes).toEqual(
      expect.arrayContaining([
        "registry: hsc_prompt may no longer INSERT table repo.visit",
        "registry: latiss_prompt may SELECT table repo.visit",
        "registry: latiss_prompt may no longer UPDATE column repo.dataset.id",
        "registry: PUBLIC may no longer CONNECT database registry",
        "registry: hsc_prompt may no longer DELETE later tables of pp in repo",
        "registry: hsc_prompt may no longer TRUNCATE later tables of pp in every schema",
        "apdb: hsc_prompt may USAGE schema pp_apdb_hsc_2",
      ]),
    );
    await expectRights();
    expect(await outcome("hsc_prompt", "registry", "insert into repo.dataset_new values (1)")).toBe("ok");
    expect(await outcome("hsc_prompt", "apdb", "select * from pp_apdb_hsc_2.dia_object")).toBe("ok");
    await ask("pp", "registry", "create table repo.late (id int)");
    expect(await outcome("hsc_prompt", "registry", "delete from repo.late")).toBe("42501");
    expect(await run()).toEqual({ changes: [], orphans: [], faults: [] });
  });

  it("makes a declared schema, tells of rights that nobody declared, and leaves those alone", async () => {
    await ask("pp", "registry", "grant usage on schema repo to stranger", "grant select on other.kept to hsc_prompt");
    const [registry, apdb] = desired.databases;
    const fresh = { names: "fresh", grants: [], tables: [], sequences: [] };
    const report = await run({
      ...desired,
      databases: [{ ...registry!, schemas: [...registry!.schemas, fresh] }, apdb!],
    });
    expect(report).toEqual({
      changes: ["registry: schema fresh made"],
      orphans: ["registry: stranger may USAGE schema repo", "registry: hsc_prompt may SELECT table other.kept"],
      faults: [],
    });
    await ask("pp", "registry", "create table fresh.t (id int)", "drop schema fresh cascade");
    await ask(
      "pp",
      "registry",
      "revoke usage on schema repo from stranger",
      "revoke all on other.kept from hsc_prompt",
    );
  });

  it("names what it cannot mend, and mends the rest", async () => {
    await ask(
      "tester",
      "registry",
      "create table repo.foreign_one (id int)",
      "grant usage on schema repo to stranger",
      "grant insert on repo.visit to stranger with grant option",
      "set role stranger; grant insert on repo.visit to hsc_prompt; reset role",
      "alter role latiss_prompt createdb",
      "grant pg_read_all_data to hsc_prompt",
      "revoke select on repo.dataset from latiss_prompt",
    );
    const away = { name: "away", owner: "pp", grants: [], schemas: [] };
    const report = await run({ roles: [...desired.roles, "nobody"], databases: [away, ...desired.databases] });
    expect(report.faults).toEqual([
      "database away: reading roles failed in " +
        `${postgres.host}:${postgres.port}/away: database "away" does not exist.`,
      "registry: there is no role nobody. Whoever runs the server makes roles, with their passwords",
      "registry: role hsc_prompt has the rights of pg_read_all_data too",
      "registry: role latiss_prompt is createdb, which no grant bounds",
      ...service.flatMap((role) =>
        ["SELECT", "UPDATE"].map(
          (right) =>
            `registry: ${role} may ${right} table repo.foreign_one: table repo.foreign_one belongs to tester, who must do it`,
        ),
      ),
      "registry: hsc_prompt may no longer INSERT table repo.visit: was done without effect; look who granted it (\\dp), and revoke it as that role",
      "apdb: there is no role nobody. Whoever runs the server makes roles, with their passwords",
      "apdb: role hsc_prompt has the rights of pg_read_all_data too",
      "apdb: role latiss_prompt is createdb, which no grant bounds",
    ]);
    expect(await outcome("latiss_prompt", "registry", "select * from repo.dataset")).toBe("ok");
  });

  it("tells a wrong password without showing it", async () => {
    const { faults } = await run(desired, { DATABASE_PASSWORD_pp: "wr0ng" });
    expect(faults[0]).toBe(
      `database registry: reading roles failed in ${postgres.host}:${postgres.port}/registry: password authentication failed for user "pp".`,
    );
    expect(JSON.stringify(faults)).not.toContain("wr0ng");
  });

  it("names every fault of its environment", () => {
    const grants = { to: ["ghost"], privileges: ["CONNECT"] };
    const wrong = { roles: ["a"], databases: [{ name: "d", owner: "a", grants: [grants], schemas: [] }] };
    expect(() => readEnvironment({ DATABASE_HOST: "h", DESIRED_GRANTS: JSON.stringify(wrong) })).toThrow(
      "gives rights in d to ghost, which is none of roles",
    );
    expect(() => readEnvironment({ DATABASE_HOST: "h", DESIRED_GRANTS: JSON.stringify(desired) })).toThrow(
      /DATABASE_PASSWORD_pp is missing: databases of pp are looked after as it[^]*DATABASE_PASSWORD_rubin is missing/,
    );
  });
});
