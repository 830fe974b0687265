import { readFile, stat } from "node:fs/promises";
import { parse } from "yaml";
import { ConfigError } from "../../lib/contract";
import { messageOf } from "../../lib/errors";

/** What is needed to find a Butler's registry. */
export interface RepositoryEnv {
  readonly BUTLER_REPO: string;
  readonly DAF_BUTLER_REPOSITORY_INDEX: string;
  readonly S3_ENDPOINT_URL: string;
  readonly AWS_ACCESS_KEY_ID?: string;
  readonly AWS_SECRET_ACCESS_KEY?: string;
  readonly S3_TIMEOUT: number;
  readonly PGHOST: string;
  readonly PGPORT: number;
  readonly PGUSER: string;
  readonly PGDATABASE: string;
  readonly PGPASSWORD?: string;
}

/** Where the registry of a repository is. */
export interface RegistryPlace {
  /** With its password: never to a log. */
  readonly url: string;
  /** Schema of its tables; undefined: the one that the user finds by itself. */
  readonly namespace?: string;
}

/**
 * Reads `butler.yaml` of a repository: a folder, a file, `s3://[profile@]bucket/key`, or a label of the repository index.
 * What its URL leaves open (user, password, mostly) comes from the PG variables, as libpq would have it.
 * @param environment - Holds the profiles `LSST_RESOURCES_S3_PROFILE_*`.
 * @throws {@link ConfigError} that says which file, and what about it.
 */
export async function findRegistry(env: RepositoryEnv, environment: NodeJS.ProcessEnv): Promise<RegistryPlace> {
  const repo = await resolveLabel(env);
  const file = repo.endsWith(".yaml") ? repo : `${repo.replace(/\/$/, "")}/butler.yaml`;
  const text = await (file.startsWith("s3://") ? readObject(file, env, environment) : readPath(file));
  const { registry } = parseYaml(file, text) as { registry?: { db?: unknown; namespace?: unknown } };
  const { db = "", namespace } = registry ?? {};
  if (typeof db !== "string" || !/^postgresql(\+\w+)?:\/\//.test(db))
    throw fault(
      `registry.db of ${file} is ${typeof db === "string" && db !== "" ? `of kind ${db.split(":", 1)[0]}` : "missing"}: ` +
        "exposures and visits are read from a registry in PostgreSQL",
    );
  const url = new URL(db.replace(/^postgresql(\+\w+)?:/, "postgresql:"));
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD = "" } = env;
  const host = url.hostname || PGHOST;
  const database = url.pathname.slice(1) || encodeURIComponent(PGDATABASE);
  const user = url.username || encodeURIComponent(PGUSER);
  const missing = Object.entries({ PGHOST: host, PGDATABASE: database, PGUSER: user }).filter(
    ([, value]) => value === "",
  );
  if (missing.length > 0)
    throw fault(`registry.db of ${file} leaves open what ${missing.map(([name]) => name).join(", ")} must tell`);
  const password = url.password || encodeURIComponent(PGPASSWORD);
  const place = `${user}:${password}@${host}:${url.port || PGPORT}/${database}${url.search}`;
  return { url: `postgresql://${place}`, ...(typeof namespace === "string" ? { namespace } : {}) };
}

async function resolveLabel(env: RepositoryEnv): Promise<string> {
  const { BUTLER_REPO: repo, DAF_BUTLER_REPOSITORY_INDEX: index } = env;
  if (/[/.]/.test(repo)) return repo.replace(/^file:\/\//, "");
  if (await stat(repo).then(() => true, () => false)) return repo; // prettier-ignore
  if (index === "")
    throw fault(`BUTLER_REPO="${repo}" is neither a path nor a URI, and DAF_BUTLER_REPOSITORY_INDEX is not set`);
  const known = parseYaml(index, await readPath(index)) as Record<string, unknown>;
  const found = known[repo];
  if (typeof found === "string") return found.replace(/^file:\/\//, "");
  throw fault(`BUTLER_REPO="${repo}" is not a label of ${index}; it has ${Object.keys(known).sort().join(", ")}`);
}

async function readPath(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw fault(`${file} cannot be read: ${messageOf(error)}`);
  });
}

async function readObject(uri: string, env: RepositoryEnv, environment: NodeJS.ProcessEnv): Promise<string> {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (bucket === undefined || key === undefined) throw fault(`${uri} is not s3://[profile@]bucket/key`);
  const { ObjectMissingError, ObjectStore } = await import("../../lib/objectStore"); // a quarter of the program's start, for those who need it
  const store = new ObjectStore(
    {
      BUCKET: bucket,
      S3_ENDPOINT_URL: env.S3_ENDPOINT_URL || undefined,
      AWS_ACCESS_KEY_ID: env.AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY: env.AWS_SECRET_ACCESS_KEY,
      S3_CONCURRENCY: 1,
      S3_TIMEOUT: env.S3_TIMEOUT,
    },
    environment,
  );
  try {
    return (await store.read(key)).toString("utf8");
  } catch (error) {
    throw error instanceof ObjectMissingError ? fault(`${uri} does not exist`) : error;
  } finally {
    store.close();
  }
}

function parseYaml(file: string, text: string): object {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw fault(`${file} is not YAML: ${messageOf(error)}`);
  }
  if (typeof value === "object" && value !== null) return value;
  throw fault(`${file} holds no settings`);
}

function fault(text: string): ConfigError {
  return new ConfigError("transform-efd", [text]);
}
