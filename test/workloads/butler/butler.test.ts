import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { instrumentNamed } from "../../../local/camera";
import { ensureButlerPython } from "../../../local/services/butler";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import { type ButlerFile, ButlerUnavailableError, objectUri } from "../../../workloads/src/lib/butler/butler";
import { ButlerChild, type ButlerChildOptions } from "../../../workloads/src/lib/butler/butlerChild";
import { registryContents } from "../../support/butler";
import { testAddress, testFolder, until } from "../../support/network";
import { warmPython } from "../../support/warmPython";
import { log } from "../ingest/stand";

const { dir, remove } = testFolder("butler");
/** One that starts as in production, one that is quick to start. */
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
});
afterEach(() => Promise.all(children.splice(0).map((child) => child.close())));
afterAll(async () => {
  await postgres.stop();
  remove();
});

function child(repo: string, env: NodeJS.ProcessEnv = {}, options: Partial<ButlerChildOptions> = {}): ButlerChild {
  const made = new ButlerChild({
    python: warm,
    timeoutMs: 120_000,
    log,
    ...options,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      BUTLER_REPO: join(dir, repo),
      BUTLER_CREATE: "true",
      BUTLER_MODE: "plain",
      // Nothing answers there: sizes come with the request, so the child has no need of S3.
      LSST_RESOURCES_S3_PROFILE_embargo: "http://access:secret@127.0.0.1:9",
      AWS_MAX_ATTEMPTS: "1",
      ...env,
    },
  });
  children.push(made);
  return made;
}

/** Files of one LSSTCam exposure, with what `change` makes of each header. */
function files(
  seqNum: number,
  guiders = false,
  change: (header: Record<string, unknown>, i: number) => void = () => {},
): ButlerFile[] {
  const obsId = `MC_O_20260603_${String(seqNum).padStart(6, "0")}`;
  return instrumentNamed("LSSTCam")
    .detectors.filter(({ purpose }) => (purpose === "GUIDER") === guiders)
    .map(({ raft, sensor }, i) => {
      const path = `embargo@rubin-summit/LSSTCam/20260603/${obsId}/${obsId}_${raft}_${sensor}${guiders ? "_guider" : ""}.fits`;
      const metadata: Record<string, unknown> = {
        ...{ INSTRUME: "lsstCam", OBSID: obsId, DAYOBS: "20260603", SEQNUM: seqNum, CONTRLLR: "O", GROUPID: "g1" },
        ...{
          RAFTBAY: raft,
          CCDSLOT: sensor,
          "DATE-BEG": "2026-06-04T01:00:37.000",
          "DATE-END": "2026-06-04T01:01:07.000",
        },
        ...{ TIMESYS: "TAI", EXPTIME: 30, FILTER: "r_57", FILTBAND: "r", IMGTYPE: "OBJECT", RA: 10.5, DEC: -30.25 },
      };
      change(metadata, i);
      return { path, uri: objectUri(path), size: 1_000, metadata };
    });
}

const statuses = (results: readonly { status: string }[]) =>
  results.reduce<Record<string, number>>((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});

it("ingests into a PostgreSQL registry from two pods at once, each dataset exactly once", async () => {
  const { host, port, user, password } = postgres;
  const auth = join(dir, "db-auth.yaml");
  const entry = { url: `postgresql://${host}:${port}/*`, username: user, password };
  writeFileSync(auth, JSON.stringify([entry]), { mode: 0o600 }); // JSON is YAML
  const env = { BUTLER_REGISTRY_URL: `postgresql+psycopg://${host}:${port}/butler`, LSST_DB_AUTH: auth };
  const first = child("postgres", env);
  // The message of a failed creation reaches the operator, and the next attempt is not misled by half a repository.
  await expect(first.hello()).rejects.toThrow("CREATE EXTENSION btree_gist");
  const admin = new Client({ connectionString: postgres.url("butler") });
  await admin.connect();
  await admin.query("create extension btree_gist");
  await admin.end();
  expect(await first.hello()).toMatchObject({ created: true });
  const second = child("postgres", env);
  const exposures = [1, 2, 3].flatMap((seqNum) => files(seqNum));
  const [ours, theirs] = await Promise.all([
    first.ingest("raw", exposures),
    second.ingest("raw", [...exposures].reverse()),
  ]);
  expect(statuses([...ours, ...theirs].filter(({ status }) => status === "failed"))).toEqual({});
  // Both at the same moment, again and again.
  const registry = new Client({ connectionString: postgres.url("butler") });
  await registry.connect();
  for (let turn = 0; turn < 20; turn++) {
    for (const table of ["visit_system_membership", "visit_definition", "visit", "visit_system"])
      await registry.query(`delete from ${table}`);
    const defined = await Promise.all(
      [1, 2, 3].map((n) => [first, second][n % 2]!.defineVisits([{ instrument: "LSSTCam", id: 2026060300000 + n }])),
    );
    expect(defined.flat()).toEqual(defined.flat().map((one) => ({ ...one, status: "defined" })));
  }
  await registry.end();
  const contents = await registryContents(postgres.url("butler"));
  expect(contents).toMatchObject({ datasets: 591, visits: 3 });
  expect(contents.paths.sort()).toEqual(exposures.map(({ path }) => `s3://${path}`).sort());
});

it("isolates bad files by halving: the good ones of the exposure are ingested in the same request", async () => {
  const butler = child("isolate");
  await butler.ingest("raw", files(1));
  const batch = files(2, false, (header, i) => {
    if (i === 17) header.OBSID = "MC_O_20260603_999999";
    if (i === 20) delete header.RAFTBAY;
    if (i === 99) header["DATE-END"] = "2026-06-04T00:00:00";
  });
  const results = await butler.ingest("raw", [...batch, ...files(1).slice(0, 3)]);
  expect(statuses(results)).toEqual({ ingested: 194, failed: 3, already: 3 });
  expect(results[17]).toEqual({
    path: batch[17]!.path,
    status: "failed",
    code: "EXPOSURE_CONFLICT",
    retryable: false,
    message:
      "Exposure 2026060300002 of LSSTCam is in the Butler as another one: " +
      'obs_id is "MC_O_20260603_000002" there and "MC_O_20260603_999999" here.',
    exposure: { instrument: "LSSTCam", id: 2026060300002, obsId: "MC_O_20260603_999999" },
  });
  expect(results[20]).toMatchObject({
    code: "METADATA",
    retryable: true,
    message: `Cannot read the metadata of "${batch[20]!.path}": RAFTBAY is missing.`,
  });
  expect(results[99]!.message).toContain("the exposure ends (2026-06-04T00:00:00.000) before it begins");
});

it("two files of one detector: the first is ingested, the other is told which file the Butler has", async () => {
  const butler = child("conflict");
  const [first] = files(3);
  const copy = { ...first!, path: `${first!.path}.copy`, uri: `${first!.uri}.copy` };
  const [one, two] = await butler.ingest("raw", [first!, copy]);
  expect(one!.status).toBe("ingested");
  expect(two).toMatchObject({ status: "failed", code: "DATASET_CONFLICT", retryable: false });
  expect(two!.message).toContain(`which the Butler has from ${first!.uri}.`);
});

it("guiders wait for their exposure and are guider_raw after; visits are defined once", async () => {
  const butler = child("guiders");
  expect(statuses(await butler.ingest("guider", files(4, true)))).toEqual({ undefinedExposure: 8 });
  await butler.ingest("raw", files(4).slice(0, 1));
  expect(statuses(await butler.ingest("guider", files(4, true)))).toEqual({ ingested: 8 });
  const exposure = { instrument: "LSSTCam", id: 2026060300004 };
  expect(statuses(await butler.defineVisits([exposure, exposure]))).toEqual({ defined: 1, already: 1 });
  expect((await butler.defineVisits([{ instrument: "LSSTCam", id: 5 }]))[0]).toMatchObject({
    status: "failed",
    code: "DEFINE_VISIT",
  });
  expect(await butler.known([...files(4).slice(0, 2), ...files(4, true)].map(({ uri }) => uri))).toEqual([
    true,
    false,
    ...Array<boolean>(8).fill(true),
  ]);
});

it("an exposure that tracked no sky has no visit", async () => {
  const butler = child("bias");
  await butler.ingest("raw", files(6, false, (header) => (delete header.RA, delete header.DEC)).slice(0, 1));
  expect(statuses(await butler.defineVisits([{ instrument: "LSSTCam", id: 2026060300006 }]))).toEqual({ skipped: 1 });
});

it("a lost store is no fault of the file, and says so", async () => {
  const butler = child("store");
  const [file] = files(7);
  const { size, ...withoutSize } = file!;
  expect(size).toBe(1_000);
  await expect(butler.ingest("raw", [withoutSize])).rejects.toThrow(ButlerUnavailableError);
  expect(statuses(await butler.ingest("raw", [file!]))).toEqual({ ingested: 1 });
});

it("starts again after a crash, and after a hang; the request in hand fails, the next ones are answered", async () => {
  // A cold start beside other tests takes its time; the hang costs none but this.
  const butler = child("crash", {}, { python, timeoutMs: 45_000 });
  await butler.hello();
  process.kill(butler.pid as number, "SIGKILL");
  await until("the crash to be seen", () => butler.restarts === 1);
  expect(statuses(await butler.ingest("raw", files(8).slice(0, 2)))).toEqual({ ingested: 2 });
  process.kill(butler.pid as number, "SIGSTOP");
  await expect(butler.ingest("raw", files(8).slice(0, 3))).rejects.toThrow(
    "The Butler is unavailable: no answer to ingest in 45000 ms. Ingest goes on when it answers again.",
  );
  expect(statuses(await butler.ingest("raw", files(8).slice(0, 3)))).toEqual({ already: 2, ingested: 1 });
});

it("says what is wrong when there is no Python, and takes no more requests than it may hold", async () => {
  const butler = child("none", {}, { python: "/no/such/python", maxWaiting: 2 });
  await expect(butler.hello()).rejects.toThrow('cannot run "/no/such/python": spawn /no/such/python ENOENT');
  const waiting = [butler.ping(), butler.ping(), butler.ping()].map((ask) =>
    ask.catch((error: Error) => error.message),
  );
  expect(await waiting[2]).toBe(
    "The Butler is unavailable: 2 requests wait for it already. Ingest goes on when it answers again.",
  );
  await butler.close();
  expect(await waiting[0]).toContain("stopping");
});

it("lets two pods make the same repository at the same time", async () => {
  const pods = [child("race"), child("race")];
  const infos = await Promise.all(pods.map((pod) => pod.hello()));
  expect(infos.map(({ created }) => created).sort()).toEqual([false, true]);
  const results = await Promise.all(pods.map((pod) => pod.ingest("raw", files(9))));
  expect(statuses(results.flat().filter(({ status }) => status === "failed"))).toEqual({});
});

it("makes a repository again whose maker died in the middle", async () => {
  const maker = child("died");
  await maker.hello();
  await maker.close();
  writeFileSync(join(dir, "died/.create.lock"), "the repository is being made"); // as a kill -9 leaves it
  writeFileSync(join(dir, "died/gen3.sqlite3"), "");
  const next = child("died");
  expect(await next.hello()).toMatchObject({ created: true });
  expect(statuses(await next.ingest("raw", files(1).slice(0, 2)))).toEqual({ ingested: 2 });
  expect(await child("died").hello()).toMatchObject({ created: false });
});

it("keeps secrets of others from the child, and answers no nonsense", async () => {
  const butler = child("odd", {}, { python });
  await expect(butler.ingest("moon" as "raw", files(1).slice(0, 1))).rejects.toThrow(
    'kind is "moon", not one of raw, lfa, guider',
  );
  expect(await butler.hello()).toMatchObject({ mode: "plain", versions: { "lsst-daf-butler": "30.2026.4300" } });
});

describe("obs mode, with a stand-in for the tasks that only an LSST stack has", () => {
  const env = { BUTLER_MODE: "auto", PYTHONPATH: join(__dirname, "standin") };
  const obs = () => child("obs", env, { python }); // what is loaded depends on PYTHONPATH
  const named = (seqNum: number, ...names: string[]): ButlerFile[] =>
    names.map((name) => {
      const obsId = `MC_O_20260603_${String(seqNum).padStart(6, "0")}`;
      const path = `embargo@rubin-summit/LSSTCam/20260603/${obsId}/${obsId}_${name}.fits`;
      return { path, uri: objectUri(path) };
    });

  it("is taken where the stack is, and gives each file a result of its own", async () => {
    const butler = obs();
    expect(await butler.hello()).toMatchObject({ mode: "obs" });
    const good = await butler.ingest("raw", named(1, "R22_S11", "R22_S12"));
    expect(good[0]).toMatchObject({
      status: "ingested",
      exposure: { instrument: "LSSTCam", id: 2026060300001, obsId: "MC_O_20260603_000001" },
    });
    // Two were there before, one is broken and fails its exposure, one has no metadata: the rest is ingested all the same.
    const mixed = await butler.ingest("raw", named(1, "R22_S11", "R22_S20", "R22_S21_broken", "R22_S22_bad"));
    expect(mixed.map(({ status, code }) => [status, code])).toEqual([
      ["already", undefined],
      ["ingested", undefined],
      ["failed", "INGEST"],
      ["failed", "METADATA"],
    ]);
    expect(mixed[2]!.message).toContain("one file of the exposure is broken");
    expect(statuses(await butler.ingest("guider", named(2, "R00_SG0_guider")))).toEqual({ undefinedExposure: 1 });
    expect(statuses(await butler.ingest("guider", named(1, "R00_SG0_guider", "R00_SG1_guider")))).toEqual({
      ingested: 2,
    });
    await expect(butler.ingest("raw", named(3, "R22_S11_lost"))).rejects.toThrow(ButlerUnavailableError);
    const visits = [1, 9].map((n) => ({ instrument: "LSSTCam", id: 2026060300000 + n }));
    expect(statuses(await butler.defineVisits(visits))).toEqual({ defined: 1, failed: 1 });
  });
});
