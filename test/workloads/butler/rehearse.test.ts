/** A rehearsal is a real ingest that leaves nothing: compared are all rows of all tables, before and after. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { ensureButlerPython } from "../../../local/services/butler";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import { makeCanary } from "../../../local/verify/canary";
import { type ButlerFile, ButlerUnavailableError, objectUri } from "../../../workloads/src/lib/butler/butler";
import { ButlerChild } from "../../../workloads/src/lib/butler/butlerChild";
import { butlerHeader } from "../../../workloads/src/lib/canary";
import { prepareRegistry, registryRows, registryRowsSqlite, whileRefused } from "../../support/butler";
import { testAddress, testFolder } from "../../support/network";
import { warmPython } from "../../support/warmPython";
import { log } from "../ingest/stand";

const { dir, remove } = testFolder("rehearse");
let python: string;
let warm: string;
let postgres: RunningPostgres;
const children: ButlerChild[] = [];
beforeAll(async () => {
  [python, warm, postgres] = await Promise.all([
    ensureButlerPython(),
    warmPython(dir),
    startPostgres({ dir: join(dir, "postgres"), address: testAddress(3), password: "secret", databases: ["butler"] }),
  ]);
  await prepareRegistry(postgres.url("butler"));
});
afterEach(() => Promise.all(children.splice(0).map((child) => child.close())));
afterAll(async () => {
  await postgres.stop();
  remove();
});

function child(repo: string, env: NodeJS.ProcessEnv = {}): ButlerChild {
  const made = new ButlerChild({
    python: env.PYTHONPATH ? python : warm, // what is loaded depends on PYTHONPATH
    timeoutMs: 120_000,
    log,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      BUTLER_REPO: join(dir, repo),
      BUTLER_CREATE: "true",
      BUTLER_MODE: "plain",
      LSST_RESOURCES_S3_PROFILE_embargo: "http://access:secret@127.0.0.1:9", // nothing answers there
      AWS_MAX_ATTEMPTS: "1",
      ...env,
    },
  });
  children.push(made);
  return made;
}

/** A registry and its rows, as JSON by table. */
interface Registry {
  readonly env: NodeJS.ProcessEnv;
  rows(): Promise<Record<string, string[]>>;
}

function onPostgres(): Registry {
  const { host, port, user, password } = postgres;
  const auth = join(dir, "db-auth.yaml");
  writeFileSync(auth, JSON.stringify([{ url: `postgresql://${host}:${port}/*`, username: user, password }]), {
    mode: 0o600,
  });
  return {
    env: { BUTLER_REGISTRY_URL: `postgresql+psycopg://${host}:${port}/butler`, LSST_DB_AUTH: auth },
    rows: () => registryRows(postgres.url("butler")),
  };
}

function onSqlite(repo: string): Registry {
  return {
    env: {},
    rows: () => registryRowsSqlite(join(dir, repo)),
  };
}

function canaryFile(seqNum: number, change: object = {}): ButlerFile {
  const { object, sidecar, fits } = makeCanary("embargo@rubin-summit", seqNum);
  const metadata = { ...butlerHeader(JSON.parse(sidecar.toString()) as Record<string, unknown>), ...change };
  return { path: object.path, uri: objectUri(object.path), size: fits.length, metadata };
}

/** A file of an ordinary exposure, of the same detector as the canary. */
function realFile(seqNum: number, change: object = {}): ButlerFile {
  const obsId = `MC_O_20260603_${String(seqNum).padStart(6, "0")}`;
  const file = canaryFile(seqNum, { OBSID: obsId, DAYOBS: "20260603", GROUPID: obsId, ...change });
  const path = `embargo@rubin-summit/LSSTCam/20260603/${obsId}/${obsId}_R22_S11.fits`;
  return { ...file, path, uri: objectUri(path) };
}

describe.each(["postgres", "sqlite"])("a registry in %s", (kind) => {
  const registry = () => (kind === "postgres" ? onPostgres() : onSqlite(kind));

  it("is as it was after rehearsals, whatever it held before and however they end", async () => {
    const { env, rows } = registry();
    const butler = child(kind, env);
    await butler.hello();
    const empty = await rows();
    expect(Object.keys(empty)).toEqual(expect.arrayContaining(["exposure", "instrument", "dataset", "collection"]));

    // Not even the instrument is known: that, too, is taken back.
    expect(await butler.rehearse(canaryFile(1))).toMatchObject({
      status: "ingested",
      exposure: { instrument: "LSSTCam", id: 1990010100001, obsId: "MC_V_19900101_000001" },
    });
    expect(await rows()).toEqual(empty);

    // What it remembered is not taken for true: the same child goes on with real files.
    expect(await butler.ingest("raw", [realFile(1)])).toMatchObject([{ status: "ingested" }]);
    const one = await rows();
    expect([one.dataset, one.exposure, one.file_datastore_records].map((table) => table!.length)).toEqual([1, 1, 1]);

    // Again and again, two at a time, beside real files.
    const other = child(kind, env);
    const all = await Promise.all([
      ...[2, 3, 2].map((seqNum) => butler.rehearse(canaryFile(seqNum))),
      ...[2, 4].map((seqNum) => other.rehearse(canaryFile(seqNum))),
    ]);
    expect(all.map(({ status }) => status)).toEqual(Array(5).fill("ingested"));
    expect(await rows()).toEqual(one);

    // It fails as an ingest would, and leaves nothing then either.
    expect(await butler.rehearse(canaryFile(5, { RAFTBAY: "R99" }))).toMatchObject({
      status: "failed",
      code: "METADATA",
      message: `Cannot read the metadata of "${canaryFile(5).path}": LSSTCam has no detector at RAFTBAY "R99", CCDSLOT "S11".`,
    });
    expect(await butler.rehearse(realFile(1, { GROUPID: "another" }))).toMatchObject({ code: "EXPOSURE_CONFLICT" });
    expect(await butler.rehearse(canaryFile(6, { OBJECT: "\u0000" }))).toMatchObject(
      kind === "postgres" ? { status: "failed", code: "INGEST" } : { status: "ingested" }, // SQLite keeps a NUL
    );
    expect(await rows()).toEqual(one);

    // What is there for real stays: the same file, and another one of its exposure, are rehearsed.
    expect(await butler.rehearse(realFile(1))).toMatchObject({ status: "already" });
    expect(await butler.rehearse({ ...realFile(1, { CCDSLOT: "S12" }), path: "x/y", uri: "s3://x/y" })).toMatchObject({
      status: "ingested",
    });
    expect(await rows()).toEqual(one);
    expect(await butler.known([realFile(1).uri, canaryFile(2).uri])).toEqual([true, false]);
    expect(await butler.ingest("raw", [realFile(2)])).toMatchObject([{ status: "ingested" }]);
  });
});

it("really writes: a registry that refuses to be written to fails the rehearsal", async () => {
  const { env, rows } = onPostgres();
  const butler = child("postgres", env);
  await butler.hello();
  const before = await rows();
  const result = await whileRefused(postgres.url("butler"), "no more datasets", () => butler.rehearse(canaryFile(7)));
  expect(result).toMatchObject({ status: "failed", code: "INGEST", retryable: true });
  expect(result.message).toContain("no more datasets");
  expect(await rows()).toEqual(before);
});

it("a lost database is no fault of the canary, and says so", async () => {
  const { env } = onPostgres();
  const butler = child("postgres", env);
  await butler.hello();
  const admin = new Client({ connectionString: postgres.url("postgres") });
  await admin.connect();
  try {
    await admin.query("alter database butler allow_connections false");
    await expect(butler.rehearse(canaryFile(8))).rejects.toThrow(ButlerUnavailableError);
  } finally {
    await admin.query("alter database butler allow_connections true");
    await admin.end();
  }
  expect(await butler.rehearse(canaryFile(8))).toMatchObject({ status: "ingested" });
});

/** A canary's file on this machine, with something in its name for the stand-in. */
function local(name: string): ButlerFile {
  const { key, fits } = makeCanary("b", 1);
  const path = join(dir, key.replace("R22_S11", name));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, fits);
  return { ...canaryFile(1), uri: `file://${path}` };
}

describe("obs mode, with a stand-in for the tasks that only an LSST stack has", () => {
  it("gives the task copies of file and header, takes all back, and tells why it failed", async () => {
    const { rows } = onSqlite("obs");
    const butler = child("obs", { BUTLER_MODE: "auto", PYTHONPATH: join(__dirname, "standin") });
    expect(await butler.hello()).toMatchObject({ mode: "obs" });
    const real = { path: "r", uri: "s3://embargo@rubin-summit/LSSTCam/20260603/MC_O_20260603_000001/MC_O_20260603_000001_R22_S11.fits" }; // prettier-ignore
    expect(await butler.ingest("raw", [real])).toMatchObject([{ status: "ingested" }]);
    const before = await rows();
    expect(await butler.rehearse(local("R22_S11"))).toMatchObject({
      path: canaryFile(1).path,
      status: "ingested",
      exposure: { id: 1990010100001, obsId: "MC_V_19900101_000001" },
    });
    expect(await butler.rehearse(local("R22_S11_bad"))).toMatchObject({ status: "failed", code: "METADATA" });
    expect((await butler.rehearse(local("R22_S11_broken"))).message).toContain("one file of the exposure is broken");
    await expect(butler.rehearse(local("R22_S11_lost"))).rejects.toThrow(ButlerUnavailableError);
    expect(await rows()).toEqual(before);
  });

  it("says so when an exposure stays all the same", async () => {
    const env = { ...onPostgres().env, BUTLER_MODE: "auto", PYTHONPATH: join(__dirname, "standin") };
    expect(await child("postgres", env).rehearse(local("R22_S11_stubborn"))).toMatchObject({
      status: "failed",
      code: "CANARY_REMAINS",
      retryable: false,
      message:
        'Exposure "MC_V_19900101_000001" is in the Butler though its ingest was rolled back. Remove it, and ask why it stayed.',
    });
  });
});
