import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, chmod, chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { ensurePrograms, type Progress, type ProgramSet } from "./find";

const run = promisify(execFile);

export const postgresPrograms: ProgramSet = {
  what: "PostgreSQL",
  programs: ["initdb", "postgres", "pg_isready", "psql"],
  packages: ["postgresql"],
};

/** Finds or installs PostgreSQL; its system cluster, if Debian makes one, is neither started nor used. */
export const ensurePostgres = (progress?: Progress) => ensurePrograms(postgresPrograms, progress);

export interface PostgresOptions {
  /** Folder of its data and log. */
  readonly dir: string;
  readonly address: string;
  /** Default 5432. */
  readonly port?: number;
  /** Superuser of the cluster; default `usdf`. */
  readonly user?: string;
  readonly password: string;
  /** Databases to create. */
  readonly databases?: readonly string[];
  /** Extensions of each database that is created, e.g. `btree_gist`, which a Butler's registry needs. */
  readonly extensions?: readonly string[];
  /** Networks beside loopback that may connect, e.g. `10.88.7.0/24`. Default: none. */
  readonly networks?: readonly string[];
  readonly outlivesParent?: boolean;
  readonly adopt?: ProcessId;
}

export interface RunningPostgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly process: RunningProcess;
  /** `postgresql://user:password@host:port/database`. */
  url(database: string): string;
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Starts PostgreSQL on a data folder of its own; as root it runs under the user `postgres`, as it must. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { dir, address, port = 5432, user = "usdf", password, databases = [], networks = [] } = options;
  const { extensions = [], outlivesParent = false, adopt } = options;
  const programs = await ensurePostgres();
  const data = join(dir, "data");
  const logFile = join(dir, "postgres.log");
  const identity = await unprivileged(dir);
  if (!existsSync(join(data, "PG_VERSION"))) {
    await rm(data, { recursive: true, force: true }); // what a broken initdb left
    const secret = join(dir, "password");
    await writeFile(secret, `${password}\n`, { mode: 0o600 });
    if (identity) await chown(secret, identity.uid, identity.gid);
    const args = ["-D", data, "-U", user, "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "-N"];
    try {
      await run(programs.initdb!, args, { cwd: dir, ...identity });
      const rules = networks.map((network) => `host all all ${network} scram-sha-256\n`);
      await appendFile(join(data, "pg_hba.conf"), rules.join(""));
    } finally {
      await rm(secret, { force: true });
    }
  }
  const args = ["-D", data, "-h", address, "-p", String(port), "-k", "", "-c", "max_connections=200"];
  const begin = async () => {
    const spec = {
      name: "postgres",
      command: programs.postgres!,
      args,
      cwd: dir,
      logFile,
      outlivesParent,
      ...identity,
    };
    const started = (adopt && adoptProcess("postgres", adopt, logFile)) || (await startProcess(spec));
    const ready = () => run(programs.pg_isready!, ["-h", address, "-p", String(port)]).then(() => true);
    await waitReady(started, ready, { timeoutMs: 60_000 });
    return started;
  };
  let running = await begin();
  const sql = (command: string, database = "postgres") =>
    run(programs.psql!, ["-h", address, "-p", String(port), "-U", user, "-d", database, "-Atc", command], {
      env: { ...process.env, PGPASSWORD: password },
    });
  for (const name of databases) {
    const exists = (await sql(`select 1 from pg_database where datname = '${name.replaceAll("'", "''")}'`)).stdout;
    if (exists.trim()) continue;
    await sql(`create database "${name.replaceAll('"', '""')}"`);
    const creates = extensions.map((extension) => `create extension if not exists "${extension}";`);
    if (creates.length > 0) await sql(creates.join(" "), name);
  }
  return {
    host: address,
    port,
    user,
    password,
    get process() {
      return running;
    },
    url: (database) => `postgresql://${user}:${encodeURIComponent(password)}@${address}:${port}/${database}`,
    async restart(signal = "SIGINT") {
      running.kill(signal);
      await running.stop();
      running = await begin();
    },
    async stop() {
      running.kill("SIGINT"); // fast shutdown: SIGTERM would wait for every client to leave
      await running.stop(20_000);
    },
  };
}

/** As root: user `postgres`, who gets the folder. */
async function unprivileged(dir: string): Promise<{ uid: number; gid: number } | undefined> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (process.getuid?.() !== 0) return undefined;
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((entry) => entry.startsWith("postgres:"));
  if (!line) throw new Error("PostgreSQL refuses to run as root, and there is no user postgres; run: adduser --system postgres"); // prettier-ignore
  const [, , uid, gid] = line.split(":").map(Number) as [number, number, number, number];
  await chown(dir, uid, gid);
  for (let above = dirname(dir); above !== "/"; above = dirname(above)) {
    const { mode } = await stat(above);
    if (mode & 0o001) continue;
    // Ours to open for passing through (not for listing): state folders and temporary ones. Nobody else's.
    if (!above.startsWith(`${tmpdir()}/`) && !/\/\.usdf(\/|$)/.test(above))
      throw new Error(`user postgres cannot reach ${dir}: ${above} is closed to others; run: chmod o+x ${above}`);
    await chmod(above, (mode & 0o777) | 0o001);
  }
  return { uid, gid };
}
