/** Exposures and visits of a registry that a real Butler made. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pino from "pino";
import { clientOf } from "../../../local/camera";
import { ensureButlerPython } from "../../../local/services/butler";
import { type RunningPostgres, startPostgres } from "../../../local/services/postgres";
import { findRegistry, Registry, type RepositoryEnv } from "../../../workloads/src/transform-efd/records";
import { prepareRegistry } from "../../support/butler";
import { startGateway, type TestGateway, testProfile } from "../../support/gateway";
import { testAddress, testFolder } from "../../support/network";

const { dir, remove } = testFolder("efd-records");
const repo = join(dir, "repo");
const log = pino({ level: "silent" });
let postgres: RunningPostgres;
let registry: Registry | undefined;

/** Times in TAI: UTC was 36 s behind until the end of 2016, and has been 37 s behind since. */
const records: [
  element: "exposure" | "visit",
  id: number,
  timespan: string | null,
  dayObs?: number,
  seqNum?: number,
][] = [
  ["exposure", 2026060300001, "2026-06-04T00:09:37,2026-06-04T00:10:07"], // ends 00:09:30 UTC
  ["exposure", 2026060300002, "2026-06-04T00:14:37,2026-06-04T00:15:37"], // ends 00:15:00 UTC, with the window
  ["exposure", 2026060300003, "2026-06-03T23:50:37,2026-06-04T00:15:36.999999999"], // longer than windows
  ["exposure", 2026060300004, "2026-06-03T23:59:37,2026-06-04T00:10:37"], // over midnight, ends 00:10:00
  ["exposure", 2026060300005, ",2026-06-04T00:11:00"],
  ["exposure", 2026060300006, "2026-06-04T00:11:00,"],
  ["exposure", 2026060300007, null],
  ["visit", 2026060300001, "2026-06-04T00:09:37,2026-06-04T00:10:07"],
  ["visit", 2026060300002, "2026-06-04T00:12:37,2026-06-04T00:13:07", 20260603, 2],
  ["visit", 92026060300002, "2026-06-04T00:12:37,2026-06-04T00:13:07", 20260603, 2], // of another visit system
  ["exposure", 2016123100001, "2017-01-01T00:00:16,2017-01-01T00:00:36.5", 20161231], // 23:59:40 to 23:59:60.5 UTC
  ["exposure", 2016123100002, "2017-01-01T00:00:26,2017-01-01T00:00:41", 20161231], // 23:59:50 to 00:00:04 UTC
];

beforeAll(async () => {
  const [python] = await Promise.all([
    ensureButlerPython(),
    startPostgres({ dir: join(dir, "pg"), address: testAddress(3), password: "hush", databases: ["butler"] }).then(
      (started) => (postgres = started),
    ),
  ]);
  await prepareRegistry(postgres.url("butler"));
  const { host, port, user, password } = postgres;
  const db = `postgresql+psycopg://${user}@${host}:${port}/butler`;
  const given = {
    root: repo,
    settings: { "registry.db": db, "registry.namespace": "embargo" },
    instruments: ["LATISS", "LSSTCam"],
    records: [
      ...records.map(([element, id, timespan, dayObs = 20260603, seqNum = id % 1000]) => ({
        instrument: "LATISS",
        ...{ element, id, timespan, day_obs: dayObs, seq_num: seqNum },
      })),
      { instrument: "LSSTCam", element: "exposure", id: 9, timespan: records[0]![2], day_obs: 20260603, seq_num: 1 },
    ],
  };
  await new Promise<void>((done, fail) => {
    const env = { ...process.env, PGPASSWORD: password };
    const script = join(__dirname, "recordsRepository.py");
    const child = execFile(python, [script], { env, timeout: 120_000 }, (error) => (error ? fail(error) : done()));
    child.stdin!.end(JSON.stringify(given));
  });
  registry = new Registry(await findRegistry(env(), {}), "LATISS", { log, applicationName: "test" });
});
afterAll(async () => {
  await registry?.close();
  await postgres.stop();
  remove();
});

const env = (given: Partial<RepositoryEnv> = {}): RepositoryEnv => ({
  BUTLER_REPO: repo,
  DAF_BUTLER_REPOSITORY_INDEX: "",
  S3_ENDPOINT_URL: "",
  S3_TIMEOUT: 2,
  PGHOST: "elsewhere",
  PGPORT: 5432,
  PGUSER: "",
  PGDATABASE: "",
  PGPASSWORD: "hush",
  ...given,
});

const ns = (utc: string) => BigInt(Date.parse(`${utc}Z`)) * 1_000_000n;
const endingIn = (start: string, end: string) => registry!.endingIn({ startNs: ns(start), endNs: ns(end) });
const idsEndingIn = async (start: string, end: string) =>
  (await endingIn(start, end)).records.map(({ kind, id }) => `${kind} ${id}`);

describe("records of a window", () => {
  it("are those that end in it, with their true timespans in UTC", async () => {
    const { records: found, notes } = await endingIn("2026-06-04T00:10:00", "2026-06-04T00:15:00");
    expect(found.map(({ id }) => id)).toEqual([2026060300003, 2026060300004, 2026060300002, 92026060300002]);
    expect(found[0]).toEqual({
      kind: "exposure",
      id: 2026060300003,
      dayObs: 20260603,
      seqNum: 3,
      span: { beginNs: ns("2026-06-03T23:50:00"), endNs: ns("2026-06-04T00:14:59") + 999_999_999n },
    });
    expect(notes).toEqual(["exposure 2026060300005 has no begin"]);
  });

  it("that touch another are of one of the two", async () => {
    const windows = ["00:00", "00:05", "00:10", "00:15", "00:20"].map((time) => `2026-06-04T${time}:00`);
    const found = await Promise.all(windows.slice(1).map((end, index) => idsEndingIn(windows[index]!, end)));
    expect(found).toEqual([
      [],
      ["exposure 2026060300001", "visit1 2026060300001"],
      ["exposure 2026060300003", "exposure 2026060300004", "visit1 2026060300002", "visit1 92026060300002"],
      ["exposure 2026060300002"],
    ]);
  });

  it("over a leap second are found once; one that ends within it ends at the midnight that follows", async () => {
    const before = await endingIn("2016-12-31T23:55:00", "2017-01-01T00:00:00");
    expect(before.records).toMatchObject([
      { id: 2016123100001, span: { beginNs: ns("2016-12-31T23:59:40"), endNs: ns("2017-01-01T00:00:00") } },
    ]);
    const after = await endingIn("2017-01-01T00:00:00", "2017-01-01T00:05:00");
    expect(after.records).toMatchObject([
      { id: 2016123100002, span: { beginNs: ns("2016-12-31T23:59:50"), endNs: ns("2017-01-01T00:00:04") } },
    ]);
  });

  it("of days are all of them; what is incomplete is named", async () => {
    const { records: found, notes } = await registry!.ofDays(20260603, 20260603);
    expect(found).toHaveLength(7);
    expect(notes).toEqual([
      "exposure 2026060300005 has no begin",
      "exposure 2026060300006 has no end",
      "exposure 2026060300007 has no begin, no end",
    ]);
  });
});

describe("a repository", () => {
  const index = join(dir, "index.yaml");
  const settings = (name: string, text: string) => {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, "butler.yaml"), text);
    return join(dir, name);
  };
  const place = () => ({
    url: `postgresql://${postgres.user}:hush@${postgres.host}:5432/butler`,
    namespace: "embargo",
  });

  it("is a folder, a file, or a label of the index", async () => {
    writeFileSync(index, `embargo: ${repo}\nmain: s3://main/butler.yaml\n`);
    for (const BUTLER_REPO of [repo, `${repo}/`, join(repo, "butler.yaml"), `file://${repo}`])
      expect(await findRegistry(env({ BUTLER_REPO }), {})).toEqual(place());
    const labelled = env({ BUTLER_REPO: "embargo", DAF_BUTLER_REPOSITORY_INDEX: index });
    expect(await findRegistry(labelled, {})).toEqual(place());
  });

  it("that leaves host, database and user open gets them from the environment", async () => {
    const BUTLER_REPO = settings("open", "registry: { db: 'postgresql+psycopg2:///' }");
    const given = env({ BUTLER_REPO, PGHOST: "db.example", PGPORT: 6432, PGDATABASE: "lsstdb1", PGUSER: "rubin", PGPASSWORD: "a@b" }); // prettier-ignore
    expect(await findRegistry(given, {})).toEqual({ url: "postgresql://rubin:a%40b@db.example:6432/lsstdb1" });
  });

  it.each([
    ["has SQLite", "registry: { db: 'sqlite:///<butlerRoot>/gen3.sqlite3' }", "registry.db of FILE is of kind sqlite: exposures and visits are read from a registry in PostgreSQL"],
    ["has no registry", "datastore: {}", "registry.db of FILE is missing: exposures and visits are read from a registry in PostgreSQL"],
    ["lacks what nobody tells", "registry: { db: 'postgresql://host' }", "registry.db of FILE leaves open what PGDATABASE, PGUSER must tell"],
    ["is no YAML", "a: [", "FILE is not YAML: "],
    ["is empty", "", "FILE holds no settings"],
  ])("that %s cannot be used", async (_about, text, reason) => {
    const BUTLER_REPO = settings("bad", text);
    await expect(findRegistry(env({ BUTLER_REPO }), {})).rejects.toThrow(
      `transform-efd cannot start: 1 fault in its environment.\n  - ${reason.replace("FILE", join(BUTLER_REPO, "butler.yaml"))}`,
    );
  }); // prettier-ignore

  it("that does not exist is named, with what there is", async () => {
    const fault = (text: string) => `transform-efd cannot start: 1 fault in its environment.\n  - ${text}`;
    await expect(findRegistry(env({ BUTLER_REPO: "emb", DAF_BUTLER_REPOSITORY_INDEX: index }), {})).rejects.toThrow(
      fault(`BUTLER_REPO="emb" is not a label of ${index}; it has embargo, main`),
    );
    await expect(findRegistry(env({ BUTLER_REPO: "emb" }), {})).rejects.toThrow(
      fault('BUTLER_REPO="emb" is neither a path nor a URI, and DAF_BUTLER_REPOSITORY_INDEX is not set'),
    );
    await expect(findRegistry(env({ BUTLER_REPO: "/no/where" }), {})).rejects.toThrow(
      fault("/no/where/butler.yaml cannot be read: ENOENT: no such file or directory, open '/no/where/butler.yaml'"),
    );
  });
});

describe("a repository in a bucket", () => {
  const index = join(dir, "buckets.yaml");
  const place = (key: string) => `s3://${testProfile}@repositories/${key}`;
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway(join(dir, "ceph"), testAddress(5));
    const s3 = clientOf(await gateway.createBucket("repositories"));
    const Body = "registry: { db: 'postgresql://rubin@db.example/lsstdb1', namespace: embargo }";
    await s3.send(new PutObjectCommand({ Bucket: "repositories", Key: "embargo/butler.yaml", Body }));
    s3.destroy();
    writeFileSync(index, `embargo: ${place("embargo")}\ngone: ${place("gone/butler.yaml")}\n`);
  });
  afterAll(() => gateway.rgw.stop());
  const labelled = (label: string) => env({ BUTLER_REPO: label, DAF_BUTLER_REPOSITORY_INDEX: index, S3_TIMEOUT: 20 });

  it("is read by the keys of its profile, by its URI or by a label of the index", async () => {
    const url = "postgresql://rubin:hush@db.example:5432/lsstdb1";
    const direct = env({ BUTLER_REPO: place("embargo/"), S3_TIMEOUT: 20 });
    for (const given of [labelled("embargo"), direct])
      expect(await findRegistry(given, gateway.env)).toEqual({ url, namespace: "embargo" });
  });

  it("that is not there is named", async () => {
    await expect(findRegistry(labelled("gone"), gateway.env)).rejects.toThrow(
      `transform-efd cannot start: 1 fault in its environment.\n  - ${place("gone/butler.yaml")} does not exist`,
    );
  });

  it("that the keys do not open, or whose profile is not told, fails without showing a key", async () => {
    const [[name, value]] = Object.entries(gateway.env) as [[string, string]];
    const wrong = value.replace(/:[^:@/]+@/, ":wrong-key@");
    await expect(findRegistry(labelled("embargo"), { [name]: wrong })).rejects.toThrow(
      /^S3 GET "embargo\/butler.yaml" in bucket "repositories" failed: (?!.*wrong-key).*Look at the gateway and at the keys of the profile\.$/,
    );
    await expect(findRegistry(labelled("embargo"), {})).rejects.toThrow(`${name} is missing: the endpoint and keys`);
  });
});

it("cannot write to the registry, and says where it looked when the table is not there", async () => {
  const { url } = await findRegistry(env(), {});
  const other = new Registry({ url, namespace: "nowhere" }, "LATISS", { log, applicationName: "test" });
  await expect(other.endingIn({ startNs: 0n, endNs: 1n })).rejects.toThrow(
    `reading exposures and visits failed in ${postgres.host}:5432/butler: relation "nowhere.exposure" does not exist.`,
  );
  await other.close();
});
