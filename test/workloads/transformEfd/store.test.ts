/** Rows in a real PostgreSQL: exact, one record one row, secondaries that come back. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Client } from "pg";
import type { RunningPostgres } from "../../../local/services/postgres";
import { Database } from "../../../workloads/src/lib/postgres";
import type { DimensionRecord, RecordKind, Summary, TopicOutcome } from "../../../workloads/src/transform-efd/model";
import { migrateQueue } from "../../../workloads/src/transform-efd/queue";
import {
  migrateOutput,
  type OutputColumn,
  Secondaries,
  type Stored,
  storeSummary,
} from "../../../workloads/src/transform-efd/store";
import { type Consdb, log, startConsdb } from "./consdb";

const schema = "efd_latiss";
const pivoted = (name: string): OutputColumn => ({
  name,
  tables: ["exposure_efd", "visit1_efd"],
  isUnpivoted: false,
  description: `It's ${name}`,
});
const columns: OutputColumn[] = [
  pivoted("a"),
  { ...pivoted("only_exposures"), tables: ["exposure_efd"] },
  pivoted("b"),
  { ...pivoted("forces"), tables: ["exposure_efd_unpivoted", "visit1_efd_unpivoted"], isUnpivoted: true },
];

let consdb: Consdb;
let postgres: RunningPostgres;
let database: Database;
let client: Client;
beforeAll(async () => {
  consdb = await startConsdb("efd-store", undefined, ["second"]);
  ({ postgres, database, client } = consdb);
});
afterAll(() => consdb.stop());
beforeEach(async () => {
  await client.query(`drop schema if exists ${schema}, efd_scheduler cascade`);
  await migrateOutput(database, schema, columns);
});

const record = (id: number, seqNum = id % 1000, kind: RecordKind = "exposure"): DimensionRecord => ({
  kind,
  id,
  dayObs: 20260603,
  seqNum,
  span: { beginNs: 0n, endNs: 1n },
});
const ok: TopicOutcome = { topic: "t", status: "ok", columns: ["a", "b", "only_exposures", "forces"], samples: 9 };
const failed: TopicOutcome = { ...ok, status: "failed", error: "no" };

/** Values by record: of the columns named, and of `forces` by field. */
interface Values {
  record: DimensionRecord;
  values: (number | null)[];
  forces?: Record<string, number>;
}
function summaryOf(names: string[], all: Values[], topics = [ok]): Summary {
  const of = (kind: RecordKind) => all.filter(({ record }) => record.kind === kind);
  const rows = (kind: RecordKind) => ({ columns: names, rows: of(kind) });
  const forces = (kind: RecordKind) =>
    of(kind).flatMap(({ record, forces = {} }) =>
      Object.entries(forces).map(([field, value]) => ({ record, property: "forces", field, value })),
    );
  return {
    records: all.map(({ record }) => record),
    pivoted: { exposure_efd: rows("exposure"), visit1_efd: rows("visit1") },
    unpivoted: { exposure_efd_unpivoted: forces("exposure"), visit1_efd_unpivoted: forces("visit1") },
    topics,
  };
}
const save = (summary: Summary): Promise<Stored> =>
  database.transaction("test", (connection) => storeSummary(connection, schema, summary));
async function rowsOf(query: string, from = client): Promise<unknown[][]> {
  return (await from.query<unknown[]>({ text: query, rowMode: "array" })).rows;
}
const exposures = (names = "exposure_id, a, b") => rowsOf(`select ${names} from ${schema}.exposure_efd order by 1`);
const forces = (of = "exposure") =>
  rowsOf(`select seq_num, field, value from ${schema}.${of}_efd_unpivoted where property = 'forces' order by 1, 2`);

describe("tables", () => {
  it("are as the migrations of today make them", async () => {
    const found =
      await rowsOf(`select table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
      from information_schema.columns where table_schema = '${schema}' and table_name like 'exposure%' order by 1, ordinal_position`);
    const common = (table: string) => [
      [table, "day_obs", "integer", null, "NO", null],
      [table, "seq_num", "integer", null, "NO", null],
      [table, "exposure_id", "bigint", null, "NO", null],
    ];
    const created = ["created_at", "timestamp without time zone", null, "YES", "CURRENT_TIMESTAMP"];
    const value = (name: string) => ["exposure_efd", name, "double precision", null, "YES", null];
    const name = (column: string, length: number) =>
      ["exposure_efd_unpivoted", column, "character varying", length, "NO", `'default_${column}'::character varying`]; // prettier-ignore
    expect(found).toEqual([
      ...common("exposure_efd"),
      ["exposure_efd", ...created],
      ...["a", "only_exposures", "b"].map(value),
      ...common("exposure_efd_unpivoted"),
      name("property", 64),
      name("field", 32),
      ["exposure_efd_unpivoted", "value", "double precision", null, "YES", null],
      ["exposure_efd_unpivoted", ...created],
    ]);
    const keys = await rowsOf(`select conrelid::regclass::text, contype, pg_get_constraintdef(oid),
      case when contype = 'u' then conname::text end from pg_constraint
      where connamespace = '${schema}'::regnamespace order by 1, 2`);
    expect(keys).toEqual([
      [`${schema}.exposure_efd`, "p", "PRIMARY KEY (day_obs, seq_num)", null],
      [`${schema}.exposure_efd`, "u", "UNIQUE (exposure_id)", "un_exposure_efd_exposure_id"],
      [`${schema}.exposure_efd_unpivoted`, "p", "PRIMARY KEY (day_obs, seq_num, exposure_id, property, field)", null],
      [`${schema}.visit1_efd`, "p", "PRIMARY KEY (day_obs, seq_num)", null],
      [`${schema}.visit1_efd`, "u", "UNIQUE (visit_id)", "un_visit1_efd_visit_id"],
      [`${schema}.visit1_efd_unpivoted`, "p", "PRIMARY KEY (day_obs, seq_num, visit_id, property, field)", null],
    ]);
    expect(await rowsOf(`select col_description('${schema}.visit1_efd'::regclass, 5)`)).toEqual([["It's a"]]);
  });

  it("of an older set of columns get what they lack, and lose nothing", async () => {
    await save(summaryOf(["a"], [{ record: record(1), values: [1] }]));
    await client.query(`alter table ${schema}.exposure_efd drop column b, add column old double precision default 7`);
    const wider = [...columns, pivoted("c")];
    const make = () => migrateOutput(database, schema, wider);
    const added = (await Promise.all([make(), make()])).sort((one, other) => one.length - other.length);
    expect(added).toEqual([[], ["exposure_efd.b", "exposure_efd.c", "visit1_efd.c"]]);
    expect(await exposures("exposure_id, a, b, c, old")).toEqual([["1", 1, null, null, 7]]);
  });

  it("can be read by the facility's roles where there are these", async () => {
    await client.query(`drop schema ${schema} cascade; create role oods; create role usdf`);
    await migrateOutput(database, schema, columns);
    await migrateQueue(database, "latiss");
    const rights = await rowsOf(`select r, t, has_table_privilege(r, t, 'select'), has_table_privilege(r, t, 'update')
      from unnest(array['oods', 'usdf']) r, unnest(array['${schema}.visit1_efd', 'efd_scheduler.latiss']) t order by 1, 2 desc`);
    expect(rights).toEqual([
      ["oods", "efd_scheduler.latiss", true, true],
      ["oods", `${schema}.visit1_efd`, true, true],
      ["usdf", "efd_scheduler.latiss", true, false],
      ["usdf", `${schema}.visit1_efd`, true, false],
    ].sort((one, other) => String(one[0]).localeCompare(String(other[0])) || String(other[1]).localeCompare(String(one[1])))); // prettier-ignore
    await client.query(`drop owned by oods, usdf; drop role oods, usdf`);
  });
});

it("stores every number bit by bit; NaN is NULL", async () => {
  const numbers = [
    0.1 + 0.2,
    -0,
    5e-324,
    1.7976931348623157e308,
    Number.MIN_VALUE * 3,
    2 ** 53 + 2,
    Infinity,
    -1 / 3,
    NaN,
  ];
  await save(
    summaryOf(
      ["a", "b"],
      numbers.map((number, index) => ({
        record: record(2026060300001 + index),
        values: [number, index === 0 ? null : number],
        forces: { x: number },
      })),
    ),
  );
  const expected = numbers.map((number) => (Number.isNaN(number) ? null : number));
  expect((await exposures("seq_num, a")).map(([, a]) => a)).toEqual(expected);
  expect((await exposures("seq_num, b")).map(([, b]) => b)).toEqual([null, ...expected.slice(1)]);
  expect((await forces()).map(([, , value]) => value)).toEqual(expected);
  expect((await exposures("exposure_id"))[0]).toEqual(["2026060300001"]);
});

it("stores a window as large as it comes: 500 columns, 50,000 unpivoted rows", async () => {
  const many = Array.from({ length: 500 }, (_value, index) => pivoted(`column_${index}`));
  await migrateOutput(database, schema, many);
  const names = many.map(({ name }) => name);
  const fields = Object.fromEntries(Array.from({ length: 2_500 }, (_value, index) => [`field${index}`, index / 7]));
  const records = Array.from({ length: 20 }, (_value, index) => ({
    record: record(index + 1),
    values: names.map((_name, column) => (column % 5 === 4 ? null : index + column / 3)),
    forces: fields,
  }));
  await save(summaryOf(names, records));
  const sums = await rowsOf(`select count(*)::int, sum(column_3), count(column_4)::int, sum(column_498)
    from ${schema}.exposure_efd`);
  expect(sums).toEqual([[20, 210, 0, 190 + 20 * 166]]);
  expect(
    await rowsOf(`select count(*)::int, sum((value * 7)::numeric)::int from ${schema}.exposure_efd_unpivoted`),
  ).toEqual([[50_000, 20 * ((2_499 * 2_500) / 2)]]);
});

describe("a record that is computed again", () => {
  const one = record(1);
  const first = () =>
    save(
      summaryOf(
        ["a", "b"],
        [
          { record: one, values: [1, 2], forces: { x: 1, y: 2 } },
          { record: record(2), values: [5, 6] },
        ],
      ),
    );

  it("gets the columns that were computed, and keeps the others", async () => {
    await first();
    const { rows } = await save(summaryOf(["b"], [{ record: one, values: [null] }], [{ ...ok, columns: ["b"] }]));
    expect(rows).toEqual({ exposure: 1, visit1: 0 });
    expect(await exposures()).toEqual([["1", 1, null], ["2", 5, 6]]); // prettier-ignore
    expect(await forces()).toEqual([[1, "x", 1], [1, "y", 2]]); // prettier-ignore
  });

  it("loses the fields of a property that are not there any more", async () => {
    await first();
    await save(summaryOf(["a"], [{ record: one, values: [1], forces: { y: 3, z: 4 } }]));
    expect(await forces()).toEqual([[1, "y", 3], [1, "z", 4]]); // prettier-ignore
  });

  it("has no row when nobody could be asked, and one of NULLs when there was nothing to tell", async () => {
    const empty = [{ record: one, values: [] }];
    expect(await save(summaryOf([], empty, [failed]))).toMatchObject({ rows: { exposure: 0 }, notes: [] });
    expect(await exposures()).toEqual([]);
    await save(summaryOf([], empty, [{ ...ok, status: "no-data" }]));
    expect(await exposures()).toEqual([["1", null, null]]);
  });
});

describe("two records with one day_obs and seq_num", () => {
  const small = { record: record(100, 7), values: [1, 10], forces: { x: 1 } };
  const large = { record: record(200, 7), values: [2, null], forces: { x: 2 } };
  const notes = ["exposure 100 has no row: one with a larger id has day_obs 20260603, seq_num 7 too"];
  const expected = async () => {
    expect(await exposures()).toEqual([["200", 2, null]]);
    expect((await forces()).filter(([, , value]) => value === 2)).toHaveLength(1);
  };

  it.each([["in this order", [small, large]], ["in that order", [large, small]]])("of one task, %s: the larger id has the row", async (_about, all) => {
    expect(await save(summaryOf(["a", "b"], all))).toMatchObject({ rows: { exposure: 1 }, notes });
    await expected();
  }); // prettier-ignore

  it("of two tasks, the larger id last: it takes the row, and nothing of the other stays in it", async () => {
    expect(await save(summaryOf(["a", "b"], [small]))).toMatchObject({ notes: [] });
    expect(await save(summaryOf(["a"], [{ ...large, values: [2] }]))).toMatchObject({ notes: [] });
    await expected();
  });

  it("of two tasks, the larger id first: it keeps the row", async () => {
    await save(summaryOf(["a", "b"], [large]));
    expect(await save(summaryOf(["a", "b"], [small]))).toMatchObject({ rows: { exposure: 0 }, notes });
    await expected();
  });

  it("that change places do not hit the unique key of the ids", async () => {
    await save(summaryOf(["a"], [{ record: record(1, 1), values: [1] }, { record: record(2, 2), values: [2] }])); // prettier-ignore
    await save(summaryOf(["a"], [{ record: record(1, 2), values: [1] }, { record: record(2, 1), values: [2] }])); // prettier-ignore
    expect(await exposures("seq_num, exposure_id, a")).toEqual([[1, "2", 2], [2, "1", 1]]); // prettier-ignore
  });
});

describe("a secondary", () => {
  let second: Client;
  let target: Database;
  beforeEach(async () => {
    await migrateQueue(database, "latiss");
    second = new Client(postgres.url("second"));
    await second.connect();
    await second.query(`drop schema if exists ${schema} cascade`);
    target = new Database(postgres.url("second"), { log, applicationName: "test", attempts: 1 });
  });
  afterEach(async () => {
    await second.end();
    await target.close();
  });

  const options = { instrument: "latiss", schema, columns, log };
  const task = (secondaries: Secondaries, id: number, summary: Summary) =>
    database.transaction("test", async (connection) => {
      const { ids } = await storeSummary(connection, schema, summary);
      await secondaries.note(connection, id, ids);
    });
  const everything = async (from: Client) => {
    const found: unknown[] = [];
    for (const name of ["exposure_efd", "visit1_efd", "exposure_efd_unpivoted", "visit1_efd_unpivoted"])
      found.push(await rowsOf(`select to_jsonb(t) - 'created_at' from ${schema}.${name} t order by 1`, from));
    return found;
  };
  const window = (id: number, value: number) =>
    summaryOf(["a", "b"], [
      { record: record(id), values: [value, 0.1], forces: { x: value, y: -0 } },
      { record: record(id, undefined, "visit1"), values: [null, value], forces: { x: value } },
    ]); // prettier-ignore

  it("has the same rows as the primary, its tables made by the first copy", async () => {
    const secondaries = new Secondaries(database, [target], options);
    await task(secondaries, 1, window(1, 0.3));
    expect(await secondaries.behind()).toEqual(new Map([[target.name, 1]]));
    await secondaries.repair();
    expect(await secondaries.behind()).toEqual(new Map([[target.name, 0]]));
    expect(await everything(second)).toEqual(await everything(client));
    expect(target.name).toBe(`${postgres.host}:5432/second`);
  });

  it("that was away gets what it missed, the newest of it, by the next run", async () => {
    const gone = new Database(`postgresql://u:hidden@${postgres.host}:1/second`, {
      log,
      applicationName: "t",
      attempts: 1,
    });
    const during = new Secondaries(database, [gone, target], options);
    for (let id = 1; id <= 25; id++) await task(during, id, window(id, id));
    await during.repair();
    await task(during, 7, window(7, 77));
    await during.repair(); // asks the one that is away no more
    expect(await during.behind()).toEqual(new Map([[gone.name, 25], [target.name, 0]])); // prettier-ignore
    const reasons = await rowsOf("select distinct error from efd_scheduler.latiss_secondary where error is not null");
    expect(reasons).toEqual([
      [`looking at the tables of results failed in ${gone.name}: connect ECONNREFUSED ${postgres.host}:1.`],
    ]);
    await gone.close();

    await second.query(`drop schema ${schema} cascade`);
    await client.query("update efd_scheduler.latiss_secondary set target = $1", [target.name]);
    const next = new Secondaries(database, [target], options);
    await next.repair();
    expect(await next.behind()).toEqual(new Map([[target.name, 0]]));
    expect(await everything(second)).toEqual(await everything(client));
  });

  it("whose tables refuse the rows stays behind, and its copies start over", async () => {
    const secondaries = new Secondaries(database, [target], options);
    await task(secondaries, 1, window(1, 1));
    await secondaries.repair();
    await second.query(`alter table ${schema}.visit1_efd_unpivoted add check (value < 2)`);
    await task(secondaries, 2, window(2, 2));
    const before = await everything(second);
    await new Secondaries(database, [target], options).repair();
    expect(await everything(second)).toEqual(before);
    await second.query(`alter table ${schema}.visit1_efd_unpivoted drop constraint visit1_efd_unpivoted_value_check`);
    await new Secondaries(database, [target], options).repair();
    expect(await everything(second)).toEqual(await everything(client));
  });
});
