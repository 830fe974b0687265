/** `usdf efd` as an operator types it, against a real PostgreSQL whose rows are made here by SQL. */
import { join } from "node:path";
import { Client } from "pg";
import { type RunningPostgres, startPostgres } from "../../local/services/postgres";
import { testAddress, testFolder } from "../support/network";
import { usdf } from "../support/usdf";

const { dir, remove } = testFolder("efd");
let postgres: RunningPostgres;
const clients: Record<string, Client> = {};
const sql = (database: string, text: string) => clients[database]!.query(text);

beforeAll(async () => {
  const databases = ["here", "there"];
  postgres = await startPostgres({
    dir: join(dir, "postgres"),
    address: testAddress(3),
    password: "s3cret",
    databases,
  });
  for (const database of databases) {
    clients[database] = new Client({ connectionString: postgres.url(database) });
    await clients[database].connect();
  }
});
afterAll(async () => {
  await Promise.all(Object.values(clients).map((client) => client.end()));
  await postgres.stop();
  remove();
});

/** Runs `usdf efd … --env` in a shell that knows the database `here`. */
const efd = (env: NodeJS.ProcessEnv, ...words: string[]) =>
  usdf(
    { CONSDB_URL: postgres.url("here"), INSTRUMENT: "LSSTCam", PGPASSWORD: "s3cret", NO_COLOR: "1", ...env },
    "efd",
    ...words,
    "--env",
  );
const json = async (env: NodeJS.ProcessEnv, ...words: string[]) => {
  const { code, stdout, stderr } = await efd(env, ...words, "--json");
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Record<string, never>) } as Record<string, never> & { code: number };
};

/** A table of records, as transform-efd has it, with two columns of values. */
const pivoted = (table: string, id: string, columns = "temperature float, pressure float") => `
  create schema if not exists efd_lsstcam;
  create table efd_lsstcam.${table} (day_obs int not null, seq_num int, ${id} bigint not null,
    created_at timestamp default current_timestamp, ${columns}, primary key (day_obs, seq_num))`;
const unpivoted = (table: string, id: string) => `
  create table efd_lsstcam.${table} (day_obs int not null, seq_num int not null, ${id} bigint not null,
    property varchar(64), field varchar(32), value float, created_at timestamp default current_timestamp,
    primary key (day_obs, seq_num, ${id}, property, field))`;

describe("compare", () => {
  const against = () => ({ AGAINST_URL: postgres.url("there") });

  beforeAll(async () => {
    for (const database of ["here", "there"]) {
      await sql(
        database,
        pivoted("exposure_efd", "exposure_id", database === "here" ? undefined : "temperature float, extra float"),
      );
      await sql(database, pivoted("visit1_efd", "visit_id"));
      await sql(database, unpivoted("exposure_efd_unpivoted", "exposure_id"));
      await sql(database, unpivoted("visit1_efd_unpivoted", "visit_id"));
      // More than one batch of a cursor.
      await sql(
        database,
        `insert into efd_lsstcam.exposure_efd (day_obs, seq_num, exposure_id, temperature)
        select 20261101, n, 2026110100000 + n, 1.0 / n from generate_series(1, 1203) n`,
      );
      await sql(
        database,
        `insert into efd_lsstcam.exposure_efd_unpivoted (day_obs, seq_num, exposure_id, property, field, value)
        select 20261101, 1, 2026110100001, p, 'z' || n, n from generate_series(1, 30) n, unnest(array['forces', 'Force_b']) p`,
      );
    }
    await sql(
      "there",
      `update efd_lsstcam.exposure_efd set temperature = temperature * (1 + 1e-12) where seq_num = 500;
      update efd_lsstcam.exposure_efd set temperature = temperature * 1.5 where seq_num = 501;
      update efd_lsstcam.exposure_efd set temperature = 0.0 where seq_num = 502;
      update efd_lsstcam.exposure_efd set temperature = null where seq_num = 503;
      delete from efd_lsstcam.exposure_efd where seq_num in (7, 1203);
      update efd_lsstcam.exposure_efd_unpivoted set value = -1 where property = 'forces' and field = 'z3';
      delete from efd_lsstcam.exposure_efd_unpivoted where property = 'Force_b' and field in ('z10', 'z9');
      insert into efd_lsstcam.exposure_efd_unpivoted (day_obs, seq_num, exposure_id, property, field, value)
        values (20261101, 2, 2026110100002, 'forces', 'z1', 1)`,
    );
    await sql("here", "update efd_lsstcam.exposure_efd set temperature = null where seq_num in (504, 505)");
    await sql("there", "update efd_lsstcam.exposure_efd set temperature = null where seq_num = 505");
  });

  it("finds every row and value that differs, across batches and collations", async () => {
    const { code, tables, same } = await json(against(), "compare", "--since", "20261101", "--until", "20261101");
    expect({ code, same }).toEqual({ code: 1, same: false });
    const none = { rowsBoth: 0, rowsOnlyHere: 0, rowsOnlyThere: 0, firstOnlyHere: [], firstOnlyThere: [], columns: [] };
    const alike = { columnsOnlyHere: [], columnsOnlyThere: [] };
    expect(tables).toEqual([
      {
        table: "exposure_efd",
        ...{ rowsBoth: 1201, rowsOnlyHere: 2, rowsOnlyThere: 0, firstOnlyHere: [2026110100007, 2026110101203] },
        ...{ firstOnlyThere: [], columnsOnlyHere: ["pressure"], columnsOnlyThere: ["extra"] },
        columns: [
          {
            ...{ column: "temperature", compared: 1200, different: 2, onlyHere: 1, onlyThere: 1 },
            worst: { id: 2026110100502, here: 1 / 502, there: 0, relative: 1 },
          },
        ],
      },
      { table: "visit1_efd", ...none, ...alike },
      {
        table: "exposure_efd_unpivoted",
        ...{ rowsBoth: 58, rowsOnlyHere: 2, rowsOnlyThere: 1, ...alike },
        ...{ firstOnlyHere: [2026110100001], firstOnlyThere: [2026110100002] },
        columns: [
          { column: "Force_b", compared: 28, different: 0, onlyHere: 2, onlyThere: 0 },
          {
            ...{ column: "forces", compared: 30, different: 1, onlyHere: 0, onlyThere: 1 },
            worst: { id: 2026110100001, field: "z3", here: 3, there: -1, relative: 4 / 3 },
          },
        ],
      },
      { table: "visit1_efd_unpivoted", ...none, ...alike },
    ]);
  });

  it("takes tolerances, tables, columns and days", async () => {
    const range = ["--since", "20261101", "--until", "20261101"];
    const strict = await json(against(), "compare", ...range, "--table", "exposure_efd", "--relative", "0");
    expect(strict.tables![0]).toMatchObject({ columns: [{ different: 3 }] });
    const loose = await json(against(), "compare", ...range, "--table", "exposure_efd", "--absolute", "0.01");
    expect(loose.tables![0]).toMatchObject({ columns: [{ different: 0 }] });
    const one = await json(against(), "compare", ...range, "--table", "exposure_efd_unpivoted", "--column", "forces");
    expect(one.tables![0]).toMatchObject({ rowsBoth: 30, columns: [{ column: "forces" }] });
    expect(await json(against(), "compare", "--since", "20261102", "--until", "20261130")).toMatchObject({
      code: 0,
      same: true,
    });
  });

  it("says it to a person, and shows no password", async () => {
    const { code, stdout } = await efd(against(), "compare", "--since", "20261101", "--until", "20261101");
    expect(code).toBe(1);
    expect(stdout).toContain("exposure_efd: 1201 rows in both, 2 only here, 0 only there");
    expect(stdout).toContain("1200 values compared, 2 beyond the tolerance, in 1 of 1 columns");
    expect(stdout).toContain("They differ.");
    expect(stdout).not.toContain("s3cret");
  });

  it("takes no password from the command line, and says where it goes", async () => {
    const url = postgres.url("there");
    expect(await efd({}, "compare", "--against", url)).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "usdf: --against carries a password, which others on this machine can read: put the URL in AGAINST_URL, " +
        "or the password in PGPASSWORD or ~/.pgpass.",
    });
    const { code } = await efd(
      {},
      "compare",
      "--against",
      url.replace(/:[^:@]*@/, "@"),
      "--since",
      "20261102",
      "--until",
      "20261102",
    );
    expect(code).toBe(0);
    expect((await efd({ AGAINST_URL: "" }, "compare")).stderr).toBe(
      "usdf: Compare with which database? Give --against postgresql://user@host/database, or AGAINST_URL in the environment.",
    );
    expect((await efd({ AGAINST_URL: "mysql://u:s3cret@h/d" }, "compare")).stderr).not.toContain("s3cret");
    const refused = await efd({ AGAINST_URL: url.replace("/there", "/nowhere") }, "compare");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain(`database "nowhere" does not exist`);
    expect(refused.stderr).not.toContain("s3cret");
  });
});
