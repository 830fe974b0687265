import { execFile } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { Redis } from "ioredis";
import type { LocalStack, StatusReport, SupervisorClient } from "../../local/runner";
import type { ExposureRows } from "../../local/runner/first-rows";
import type { VisitJourney } from "../../local/runner/first-visits";
import type { ProcessRecord } from "../../local/runner/registry";
import { clientOf } from "../../local/camera";
import { awaitStored, countPoints, type Stored } from "../../local/efd/awaitStored";
import type { ValueExplained } from "../../local/efd/explain";
import { fillTelemetry, simulatedTopics } from "../../local/efd/fillTelemetry";
import { countRows, isEvent, samplesOf, signalsOf } from "../../local/efd/telemetry";
import { isAlive, type ProcessId } from "../../local/process";
import type { StackVerified } from "../../local/verify";
import { Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import type { UploadedGroup } from "../../workloads/src/upload/upload";
import { registryRows } from "../support/butler";
import { testFolder, until } from "../support/network";
import { root } from "../support/pod";
import { differences, expectedFor, spanIn, storedFor } from "../support/summaries";

const run = promisify(execFile);
const folder = testFolder("system");

/** A checkout beside this one: its files as they are now, the packages that are installed here. */
function checkoutNamed(name: string): string {
  const checkout = join(folder.dir, name);
  const notCopied = new Set([".git", ".usdf", "node_modules", "dist", "coverage"]);
  cpSync(root, checkout, { recursive: true, filter: (path) => path === root || !notCopied.has(basename(path)) });
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  return checkout;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `usdf` of a checkout to its end. */
async function usdf(checkout: string, ...args: string[]): Promise<Ended> {
  const words = [join(checkout, "local/usdf.mjs"), ...args];
  try {
    const { stdout, stderr } = await run(process.execPath, words, { cwd: checkout, maxBuffer: 64 << 20 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

async function json<T>(checkout: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await usdf(checkout, ...args, "--json");
  if (code !== 0) throw new Error(`usdf ${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

interface Up {
  readonly changed: string[];
  readonly network: string;
  readonly presenceUrl: string;
  readonly journey?: {
    readonly files: number;
    readonly ingestSeconds: number;
    readonly telemetry: Stored;
    readonly rows: ExposureRows;
    readonly visits: readonly VisitJourney[];
  };
}

/** Processes of a checkout that stay; those of schedules and prompt workers come and go. */
const recorded = (checkout: string) => {
  const file = join(checkout, ".usdf/processes.json");
  const all = Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, ProcessRecord>);
  return Object.fromEntries(all.filter(([key]) => !/transformed-efd|reconcile|setup|prompt-keda/.test(key)));
};
const supervisorOf = (checkout: string) =>
  JSON.parse(readFileSync(join(checkout, ".usdf/supervisor.json"), "utf8")) as ProcessId;

/** Detector and raws of each commit that the workers' pipelines made for a group, as their files tell. */
function commitsOf(checkout: string, instrument: string, group: string): [detector: number, ...keys: string[]][] {
  const pods = join(checkout, ".usdf/pods", `prompt-keda-${instrument.toLowerCase()}`);
  const folders = readdirSync(pods).map((pod) => join(pods, pod, "tmp-butler/commits", instrument, group));
  const files = folders.filter(existsSync).flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  const commits = files.map((file): [number, ...string[]] => {
    const { raws } = JSON.parse(readFileSync(file, "utf8")) as { raws: string[] };
    return [Number(basename(file)), ...raws];
  });
  return commits.sort(([a], [b]) => a - b);
}

/** The same as it must be: the raws of the bucket whose sidecars name the group. */
async function rawsOf(checkout: string, instrument: string, group: string): Promise<[detector: number, key: string][]> {
  const { s3, bucket } = await stackOf(checkout);
  const client = clientOf({ ...s3, name: bucket.name });
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: bucket.name, Prefix: `${instrument}/` }),
  );
  const raws = Contents.map(async ({ Key }) => {
    const [, stem, row, column] = /^(.*_S(\d)(\d))\.json$/.exec(Key!) ?? [];
    if (stem === undefined) return [];
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket.name, Key }));
    const { GROUPID } = JSON.parse(await Body!.transformToString()) as { GROUPID: string };
    return GROUPID === group ? [[3 * Number(row) + Number(column), `${stem}.fits`] as [number, string]] : [];
  });
  const found = (await Promise.all(raws)).flat();
  client.destroy();
  return found.sort(([a], [b]) => a - b);
}

/** Every process of the machine that works in a checkout or was started with a path of it. */
function processesOf(checkout: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return words.includes(checkout) || readlinkSync(`/proc/${pid}/cwd`).startsWith(checkout);
    } catch {
      return false; // it has ended
    }
  });
}

/** Listening TCP sockets of the machine on a network `127.A.B`. */
function listenersOn(network: string): string[] {
  const [a, b, c] = network.split(".").map((part) => Number(part).toString(16).padStart(2, "0").toUpperCase());
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  const listening = rows.map((row) => row.trim().split(/\s+/)).filter(([, , , state]) => state === "0A");
  // The kernel writes addresses in the byte order of the machine.
  return listening.map(([, local]) => local!).filter((local) => local.slice(2, 8) === `${c}${b}${a}`);
}

describe("usdf up", () => {
  const one = checkoutNamed("one");
  const two = checkoutNamed("two");
  let first: Up;
  let second: Up;

  afterAll(async () => {
    await Promise.all([one, two].map((checkout) => usdf(checkout, "down")));
    folder.remove();
  });

  /** Runs `usdf down`, which leaves no process, no port and nothing that answers. */
  async function ended(checkout: string, { network }: Up): Promise<void> {
    const all = Object.values(recorded(checkout));
    expect((await usdf(checkout, "down")).code).toBe(0);
    expect(all.filter(isAlive)).toEqual([]);
    expect(processesOf(checkout)).toEqual([]);
    expect(listenersOn(network.replace(/\.0\/24$/, ""))).toEqual([]);
    expect((await usdf(checkout, "status")).code).toBe(3);
  }

  it("says that nothing runs before", async () => {
    const status = await usdf(one, "status");
    expect([status.code, status.stderr]).toEqual([3, "usdf: The local stack does not run; start it: npm run up\n"]);
    expect((await usdf(one, "down")).stdout).toBe("Nothing ran.\n");
    expect(await usdf(one, "verify", "local")).toMatchObject({ code: 3, stdout: "" });
  });

  it("takes an exposure the whole way, in two checkouts at the same time", async () => {
    [first, second] = await Promise.all([
      json<Up>(one, "up", "--instrument", "LSSTComCam"),
      json<Up>(two, "up", "--instrument", "LATISS"),
    ]);
    expect([first.journey?.files, second.journey?.files]).toEqual([9, 1]);
    const visited = ({ journey }: Up) => journey?.visits.map(({ instrument, detectors }) => [instrument, detectors]);
    expect([first, second].map(visited)).toEqual([[["LSSTComCam", 9], ["LATISS", 1]], [["LATISS", 1]]]); // prettier-ignore
    expect(first.network).not.toBe(second.network);
  });

  it("shows it in status: every pod ready, nothing left in the queues", async () => {
    const status = await json<StatusReport & { healthy: boolean; queues: object[] }>(one, "status");
    expect(status.healthy).toBe(true);
    const pods = status.pods.filter(({ controller }) => !controller.startsWith("CronJob"));
    expect(pods.map(({ ready, restarts }) => [ready, restarts])).toEqual(pods.map(() => [true, 0]));
    expect(status.services.map(({ name, phase }) => `${name} ${phase}`).sort()).toEqual([
      "influxdb Running",
      "kafka Running",
      "postgres Running",
      "registry Running",
      "rgw Running",
    ]);
    expect(status.queues).toEqual([{ bucket: "embargo@rubin-summit", waiting: 0, inHand: 0, retry: 0, dead: 0 }]);
    const table = (await usdf(one, "status")).stdout;
    for (const { name, address } of pods) expect(table).toMatch(new RegExp(`${name} .*yes.*${address}`));
    expect((await usdf(one, "logs", "enqueue")).stdout).toContain("Enqueued embargo@rubin-summit/LSSTComCam/");
  });

  it("has given each raw to the worker of its detector, which committed it once", async () => {
    for (const [checkout, { journey }] of [
      [one, first],
      [two, second],
    ] as const)
      // prettier-ignore
      for (const { instrument, group, detectors } of journey!.visits) {
        const commits = commitsOf(checkout, instrument, group);
        expect(commits).toHaveLength(detectors);
        expect(commits).toEqual(await rawsOf(checkout, instrument, group));
      }
    const { scaled } = await statusOf(one);
    expect(scaled.map(({ name, waiting, failed }) => [name, waiting, failed])).toEqual([
      ["prompt-keda-latiss", 0, 0],
      ["prompt-keda-lsstcomcam", 0, 0],
      ["prompt-keda-lsstcam", 0, 0],
    ]);
    expect((await usdf(one, "status")).stdout).toMatch(/prompt-keda-lsstcomcam +\d +3 +0 +0 well, 0 failed/);
  });

  it("has summarised the telemetry of the exposure, and every value is that of the simulator's formula", async () => {
    const { efd } = await stackOf(one);
    const { exposureId, schema, columns, filled, unpivoted } = first.journey!.rows;
    expect([schema, columns, unpivoted]).toEqual(["efd_lsstcomcam", 471, 2583]);
    const stored = await storedFor(efd!.consdbUrl, schema, exposureId);
    expect(filled).toBe(
      [...stored.entries()].filter(([name, value]) => !name.includes(" ") && value !== null).length - 4,
    );
    const expected = await expectedFor("LSSTComCam", await spanIn(registryOf(efd!.consdbUrl), exposureId));
    expect(expected.size).toBeGreaterThan(471 - 8 + 2500);
    expect(differences(stored, expected)).toEqual([]);
    expect(
      (await statusOf(one)).crons.map(({ namespace, name, lastResult }) => [namespace, name, lastResult]),
    ).toContainEqual(["local-lsstcomcam", "transformed-efd-failure-monitor", "Succeeded"]);
    expect((await usdf(one, "logs", "local-lsstcomcam", "-n", "1000")).stdout).toContain(String(exposureId));
  });

  it("tells an operator that nothing is missing, and how a value came to be", async () => {
    const instrument = ["--instrument", "LSSTComCam"];
    const gaps = await json<object>(one, "efd", "gaps", ...instrument);
    expect(gaps).toMatchObject({ counts: { missing: 0, empty: 0, partial: 0 }, holes: [] });
    const words = ["mt_salindex301_temperature_0_mean", String(first.journey!.rows.exposureId), ...instrument];
    const explained = await json<ValueExplained[]>(one, "efd", "explain", ...words);
    expect(explained.map(({ explanation }) => explanation.table)).toEqual(["exposure_efd", "visit1_efd"]);
    for (const { explanation, stored } of explained) {
      expect(explanation.samplesUsed).toBeGreaterThan(0);
      expect(explanation.values).toEqual(stored);
    }
  });

  it("has stored each message of the producers as one point, and answers as clients of the EFD ask", async () => {
    const efd = (await stackOf(one)).efd!;
    const topics = await simulatedTopics("LSSTComCam");
    const exposure = await spanIn(registryOf(efd.consdbUrl), first.journey!.rows.exposureId);
    // Events of the hour before, then all topics; three seconds more on both sides.
    const span = { beginNs: exposure.beginNs - 3_000_000_000n, endNs: exposure.endNs + 3_000_000_000n };
    const before = { beginNs: exposure.beginNs - 3_600_000_000_000n, endNs: span.beginNs };
    const expected = new Map(countRows(topics, span).map(({ topic, rows }) => [topic, rows]));
    for (const { topic, rows } of countRows(topics.filter(isEvent), before)) expected.set(topic, expected.get(topic)! + rows); // prettier-ignore
    const names = [...expected.keys()];
    const whole = { beginNs: before.beginNs, endNs: span.endNs };
    expect(await countPoints(efd.influxdb, names, whole)).toEqual(expected);
    expect(first.journey!.telemetry).toMatchObject({
      messages: [...expected.values()].reduce((sum, rows) => sum + rows, 0),
      topics: names.length,
    });

    const ask = (query: string) => influxql(efd.influxdb, query);
    const text = (timeNs: bigint) => new Date(Number(timeNs / 1_000_000n)).toISOString();
    const topic = topics.find(({ name }) => name === "lsst.sal.ESS.temperature")!;
    const signal = signalsOf(topic).find(({ salIndex }) => salIndex === 301)!;
    const table = `"efd"."autogen"."${topic.name}"`;
    const within = `time >= '${text(exposure.beginNs)}' AND time <= '${text(exposure.endNs)}' AND salIndex = 301`;
    const { timesNs, values } = samplesOf(signal, exposure);
    const last = timesNs.map((timeNs, index) => [Number(timeNs / 1000n), values.get("temperatureItem7")![index]]);
    expect(last.length).toBeGreaterThan(20);
    const [series] = await ask(`SELECT temperatureItem7 FROM ${table} WHERE ${within}`);
    expect(series).toEqual({ name: topic.name, columns: ["time", "temperatureItem7"], values: last });
    const [newest] = await ask(`SELECT temperatureItem7 FROM ${table} WHERE ${within} GROUP BY * ORDER BY DESC LIMIT 2`); // prettier-ignore
    expect(newest!.values).toEqual(last.slice(-2).reverse());
    const [measurements] = await ask("SHOW MEASUREMENTS");
    expect(measurements!.values.flat().sort()).toEqual([...names].sort());
    const [keys] = await ask(`SHOW FIELD KEYS FROM ${table}`);
    const types = Object.fromEntries(keys!.values) as Record<string, string>;
    expect(types).toMatchObject({ salIndex: "integer", private_efdStamp: "float", private_identity: "string" });
    expect(
      Object.keys(types)
        .filter((name) => !/^private_|^salIndex$/.test(name))
        .sort(),
    ).toEqual([...topic.fields]);
    expect((await fetch(`${efd.influxdb.url}/health`)).status).toBe(200);
    const subject = `${efd.sal.registryUrl}/subjects/${topic.name}-value/versions/latest`;
    const { schema } = (await (await fetch(subject)).json()) as { schema: string };
    expect(JSON.parse(schema)).toMatchObject({ namespace: "lsst.sal.ESS", name: "temperature" });
    // Who reads may not write.
    const { username, password, url } = efd.influxdb;
    const write = await fetch(`${url}/write?db=efd`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` },
      body: "lsst.sal.ESS.temperature temperatureItem0=1",
    });
    expect([401, 403]).toContain(write.status);
  });

  it("stores a client's JSON in a bucket of its own", async () => {
    const efd = (await stackOf(one)).efd!;
    const kafka = new Kafka({ brokers: [...efd.sal.brokers], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    const timestamp = Date.now();
    await producer.connect();
    try {
      const value = JSON.stringify({ timestamp, band: "y", instrument: "LSSTCam", meanSky: -213.75 });
      await producer.send({ topic: "lsst.example.skyFluxMetric", messages: [{ value }] });
    } finally {
      await producer.disconnect();
    }
    const query = 'SELECT meanSky FROM "lsst.example"."autogen"."lsst.example.skyFluxMetric" GROUP BY *';
    const points = () => influxql({ ...efd.influxdb, database: "lsst.example" }, query);
    const [series] = await until("the point", async () => {
      const found = await points();
      return found.length > 0 && found;
    });
    expect(series).toEqual({
      name: "lsst.example.skyFluxMetric",
      tags: { band: "y", instrument: "LSSTCam" },
      columns: ["time", "meanSky"],
      values: [[timestamp * 1000, -213.75]],
    });
  });

  it("has summarised the packed series of the auxiliary telescope", async () => {
    const { efd } = await stackOf(two);
    const { exposureId, schema } = second.journey!.rows;
    const stored = await storedFor(efd!.consdbUrl, schema, exposureId);
    for (const name of ["at_mount_jitter_azimuth", "at_mount_jitter_elevation", "at_mount_jitter_nasmyth"])
      expect(stored.get(name)).toBeGreaterThan(0);
  });

  it("down leaves no process and no port, and another checkout does not notice", async () => {
    await ended(two, second);
    expect((await json<{ healthy: boolean }>(one, "status")).healthy).toBe(true);
  });

  it("verify sends a canary through it, and leaves nothing", async () => {
    const before = await dataOf(one);
    const { stack, ok, journeys } = await json<StackVerified>(one, "verify", "local");
    expect([stack, ok]).toEqual(["local", true]);
    expect(journeys.map(({ hops }) => hops.map(({ hop }) => hop))).toEqual([
      ["connect", "put", "notify", "claim", "ingest", "present"],
    ]);
    const { stdout } = await usdf(one, "verify", "local");
    expect(stdout).toMatch(
      /^local: embargo@rubin-summit\/LSSTCam\/19900101\/.*\n( {2}\w+ +\d+ ms\n){6} {2}ok, \d+ ms\n$/,
    );
    expect(await dataOf(one)).toEqual(before);
  });

  it("verify names the hop that is broken, and cleans up also after ctrl-C", async () => {
    const before = await dataOf(one);
    const { pods } = await statusOf(one);
    const ingest = pods.find(({ name }) => name.includes("ingest"))!.containers[0]!.pid!;
    process.kill(ingest, "SIGSTOP"); // it lives, and takes nothing
    try {
      const { code, stdout } = await usdf(one, "verify", "local", "--timeout", "5");
      expect([code, stdout]).toEqual([
        1,
        expect.stringMatching(/ {2}FAILED at claim\n {2}claim: Not in 5 s\. It waits in the/),
      ]);
      const words = [join(one, "local/usdf.mjs"), "verify", "local", "--json"];
      const child = execFile(process.execPath, words, { cwd: one });
      const ended = new Promise((done) => child.once("close", done));
      const redis = await redisOf(one);
      await until("the canary in the queue", async () => (await redis.llen("QUEUE:embargo@rubin-summit")) === 1);
      redis.disconnect();
      child.kill("SIGINT");
      expect(await ended).toBe(1);
    } finally {
      process.kill(ingest, "SIGCONT");
    }
    expect(await dataOf(one)).toEqual(before);
  });

  it("plays the observatory: raws of the simulated camera, and those of its own Butler, go to the workers as new groups", async () => {
    const config = join(folder.dir, "comcam.yaml");
    const repo = (await stackOf(one)).butlerRepo;
    const where = `exposure = ${first.journey!.rows.exposureId}`;
    writeFileSync(config, JSON.stringify({ instrument: "LSSTComCam", repo, query: { collections: "LSSTComCam/raw/all", where } })); // prettier-ignore
    const now = ["--interval", "0", "--slew", "0"];
    for (const words of [
      ["upload", "LSSTComCam", "1"],
      ["upload-from-repo", config, "1"],
    ]) {
      // prettier-ignore
      const { groups } = await json<{ groups: UploadedGroup[] }>(one, "prompt", ...words, ...now);
      const [{ group, files }] = groups as [UploadedGroup];
      expect(files).toBe(9);
      await until("all commits", () => commitsOf(one, "LSSTComCam", group).length === 9);
      expect(commitsOf(one, "LSSTComCam", group)).toEqual(await rawsOf(one, "LSSTComCam", group));
    }
    const tooMany = await usdf(one, "prompt", "upload-from-repo", config, "2");
    expect([tooMany.code, tooMany.stderr]).toEqual([
      1,
      `usdf: 2 groups were asked for, but ${repo} (LSSTComCam/raw/all where ${where}) has 1. Ask for fewer, or put more there.\n`,
    ]);
  });

  it("changes nothing when it is typed again", async () => {
    const before = recorded(one);
    const again = await json<Up>(one, "up");
    expect([again.changed, again.journey]).toEqual([[], undefined]);
    expect(recorded(one)).toEqual(before);
  });

  it("starts a pod again that was killed, and loses no exposure over it", async () => {
    const pidOf = async () => {
      const pod = (await statusOf(one)).pods.find(({ name }) => name.includes("ingest"));
      return pod?.ready ? pod.containers[0]!.pid : undefined;
    };
    const pid = (await pidOf())!;
    process.kill(pid, "SIGKILL");
    const send = ["camera", "send", "--instrument", "LSSTComCam", "--no-telemetry"];
    const sent = await json<{ exposures: { keys: string[] }[] }>(one, ...send);
    await until("another process", async () => ((await pidOf()) ?? pid) !== pid, { pollMs: 500 });
    const redis = await redisOf(one);
    try {
      for (const key of sent.exposures[0]!.keys) {
        const ingested = () => redis.hget(`FILE:embargo@rubin-summit/${key}`, "ingest_time");
        await until(`${key} to be ingested`, ingested);
      }
    } finally {
      redis.disconnect();
    }
  });

  it("loses no message when its connector is killed in the middle of them", async () => {
    const efd = (await stackOf(one)).efd!;
    const connector = async () => (await statusOf(one)).pods.find(({ name }) => name.includes("connector-efd"))!;
    const pid = (await connector()).containers[0]!.pid!;
    const endNs = BigInt(Date.parse("2026-06-03T02:00:00Z")) * 1_000_000n;
    const span = { beginNs: endNs - 30_000_000_000n, endNs };
    const offsets = async () => {
      const admin = new Kafka({ brokers: [...efd.sal.brokers], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      try {
        const [partition] = await admin.fetchTopicOffsets("lsst.sal.MTMount.encoder");
        return Number(partition!.high);
      } finally {
        await admin.disconnect();
      }
    };
    const before = await offsets();
    const sending = fillTelemetry(efd.sal, "LSSTComCam", [span]);
    await until("messages", async () => (await offsets()) > before, { pollMs: 20 });
    process.kill(pid, "SIGKILL");
    const filled = await sending;
    await awaitStored(efd, filled);
    const points = await countPoints(efd.influxdb, [...filled.sent.keys()], filled.span);
    expect(points).toEqual(new Map([...filled.sent].map(([topic, { messages }]) => [topic, messages])));
    expect((await connector()).containers[0]!.pid).not.toBe(pid);
  });

  it("finds what a supervisor that was killed left running, and takes it over", async () => {
    const before = recorded(one);
    const workers = async () => (await statusOf(one)).pods.filter(({ controller }) => /^ScaledJob/.test(controller)).map(({ name, containers }) => [name, containers[0]!.pid]).sort(); // prettier-ignore
    const workersBefore = await workers();
    process.kill(supervisorOf(one).pid, "SIGKILL");
    expect((await usdf(one, "status")).code).toBe(3);
    await json<Up>(one, "up", "--no-exposure");
    expect(recorded(one)).toEqual(before);
    expect(await workers()).toEqual(workersBefore);
    expect((await json<{ healthy: boolean }>(one, "status")).healthy).toBe(true);
  });

  it("keeps its secrets out of every process list and every log", async () => {
    const values = Object.values(JSON.parse(readFileSync(join(one, ".usdf/secrets.json"), "utf8")) as object);
    expect(values.length).toBeGreaterThanOrEqual(4);
    const words = processesOf(one).map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8")).join("\n"); // prettier-ignore
    const logs = (await usdf(one, "logs", "-n", "100000")).stdout;
    expect(logs.length).toBeGreaterThan(1000);
    for (const value of values as string[]) {
      expect(words).not.toContain(value);
      expect(logs).not.toContain(value);
    }
  });

  it("up after down still has the data", async () => {
    const redis = await redisOf(one);
    const groups = await redis.keys("GROUP:*");
    redis.disconnect();
    expect(groups).toHaveLength(9 + 1 + 9 + 9 + 9); // up with its LATISS visit, two uploads, camera send
    await ended(one, first);
    const up = await json<Up>(one, "up", "--instrument", "LSSTComCam");
    expect(up.network).toBe(first.network);
    const again = await redisOf(one);
    const groupsAgain = await again.keys("GROUP:*").finally(() => again.disconnect());
    expect(groupsAgain).toHaveLength(groups.length + 9 + 1);
  });

  it("down without a supervisor ends what it left, and --purge removes the data", async () => {
    process.kill(supervisorOf(one).pid, "SIGKILL");
    expect((await usdf(one, "down", "--purge")).code).toBe(0);
    expect(processesOf(one)).toEqual([]);
    for (const name of ["services", "volumes", "secrets.json"])
      expect(existsSync(join(one, ".usdf", name))).toBe(false);
  });
});

/** What the system holds: keys of Redis without leases, the bucket, and the rows of the Butler's registry. */
async function dataOf(checkout: string): Promise<object> {
  const { s3, bucket, efd } = await stackOf(checkout);
  const redis = await redisOf(checkout);
  const keys = (await redis.keys("*")).filter((key) => !/^(LEASE|WORKERS)/.test(key)).sort();
  redis.disconnect();
  const client = clientOf({ ...s3, name: bucket.name });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket.name }));
  client.destroy();
  const rows = await registryRows(registryOf(efd!.consdbUrl));
  return { keys, objects: Contents.map(({ Key }) => Key), rows };
}

interface Series {
  readonly name: string;
  readonly columns: string[];
  readonly values: unknown[][];
}

/** What InfluxDB answers a client of the EFD; times in microseconds. */
async function influxql(
  { url, database, username, password }: NonNullable<LocalStack["efd"]>["influxdb"],
  query: string,
): Promise<Series[]> {
  const target = new URLSearchParams({ db: database, q: query, epoch: "u" });
  const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  const answer = await fetch(`${url}/query?${target}`, { headers });
  const { results, error } = (await answer.json()) as {
    results?: { series?: Series[]; error?: string }[];
    error?: string;
  };
  const fault = error ?? results?.find((result) => result.error !== undefined)?.error;
  if (fault !== undefined) throw new Error(`${query}: ${fault}`);
  return results!.flatMap(({ series = [] }) => series);
}

/** The registry is a database beside the consolidated one. */
const registryOf = (consdbUrl: string) => consdbUrl.replace(/\/consdb$/, "/butler");

/** Asks the supervisor of a checkout, as its commands do; without a process for each question. */
async function supervisorAt(checkout: string): Promise<SupervisorClient> {
  const { SupervisorClient } = await import("../../local/runner");
  const { openState } = await import("../../local/state");
  return new SupervisorClient(await openState(checkout));
}

async function statusOf(checkout: string): Promise<StatusReport> {
  const status = await (await supervisorAt(checkout)).status();
  if (!status) throw new Error(`No supervisor runs in ${checkout}.`);
  return status;
}

async function stackOf(checkout: string): Promise<LocalStack> {
  return (await supervisorAt(checkout)).stack();
}

async function redisOf(checkout: string): Promise<Redis> {
  const { env } = await (await supervisorAt(checkout)).environment("ingest");
  return new Redis({ host: env.REDIS_HOST, password: env.REDIS_PASSWORD });
}
