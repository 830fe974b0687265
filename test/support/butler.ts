import { execFile } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { ensureButlerPython } from "../../local/services/butler";
import { warmPython } from "./warmPython";

/** A Python for BUTLER_PYTHON whose Butler fails at the given rate. */
export interface FaultyPython {
  readonly path: string;
  /** Faults so far, by kind: see faults/sitecustomize.py. */
  faults(): Record<string, number>;
}

/** Writes a wrapper of the Butler's Python that brings the faults in; no product code knows of them. */
export async function faultyPython(dir: string, rate: number): Promise<FaultyPython> {
  const python = await warmPython(dir);
  const path = join(dir, "faulty-python");
  const log = join(dir, "butler-faults.log");
  const faults = resolve(__dirname, "faults");
  const script = [
    "#!/bin/sh",
    `export PYTHONPATH="${faults}\${PYTHONPATH:+:$PYTHONPATH}" BUTLER_FAULT_RATE=${rate} BUTLER_FAULT_LOG="${log}"`,
    `exec "${python}" "$@"`,
  ];
  writeFileSync(path, `${script.join("\n")}\n`);
  chmodSync(path, 0o755);
  return {
    path,
    faults() {
      const kinds = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
      return kinds.reduce<Record<string, number>>((sum, kind) => ({ ...sum, [kind]: (sum[kind] ?? 0) + 1 }), {});
    },
  };
}

/** Makes a database fit for a registry: an administrator's one step. */
export async function prepareRegistry(url: string): Promise<void> {
  await withDatabase(url, (client) => client.query("create extension if not exists btree_gist"));
}

async function withDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What a registry in PostgreSQL holds, asked in SQL: the test must not ask the code that it tests. */
export async function registryContents(url: string): Promise<{ paths: string[]; datasets: number; visits: number }> {
  return withDatabase(url, async (client) => {
    const paths = await client.query<{ path: string }>("select path from file_datastore_records");
    const one = async (sql: string) => Number((await client.query<{ count: string }>(sql)).rows[0]?.count);
    return {
      paths: paths.rows.map((row) => decodeURIComponent(row.path)),
      datasets: await one("select count(*) from dataset"),
      visits: await one("select count(*) from visit"),
    };
  });
}

/** Every row of every table of a registry, as text by table. */
export async function registryRows(url: string): Promise<Record<string, string[]>> {
  return withDatabase(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public' order by 1",
    );
    const all: Record<string, string[]> = {};
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from "${name}" t order by 1`);
      all[name] = rows.map(({ row }) => row);
    }
    return all;
  });
}

const dump = `import json, sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by 1")]
print(json.dumps({name: sorted(str(row) for row in db.execute(f'select * from "{name}"')) for name in names}))`;

/** The same of a registry in SQLite. @param repo - Folder of the repository. */
export async function registryRowsSqlite(repo: string): Promise<Record<string, string[]>> {
  const words = ["-c", dump, join(repo, "gen3.sqlite3")];
  const { stdout } = await promisify(execFile)(await ensureButlerPython(), words, { maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as Record<string, string[]>;
}

/** Runs `work` while the registry refuses every new dataset with this message. */
export async function whileRefused<T>(url: string, message: string, work: () => Promise<T>): Promise<T> {
  return withDatabase(url, async (client) => {
    await client.query(`create or replace function refuse() returns trigger language plpgsql as
      $$ begin raise exception '${message}'; end $$`);
    await client.query("create trigger refuse before insert on dataset for each row execute function refuse()");
    try {
      return await work();
    } finally {
      await client.query("drop trigger refuse on dataset");
    }
  });
}
