import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import pino from "pino";
import { clientOf, exposureOf, filesOf, fitsKey, instrumentNamed, sidecarKey } from "../../../local/camera";
import { ensureButlerPython } from "../../../local/services/butler";
import { ButlerChild } from "../../../workloads/src/lib/butler/butlerChild";
import { type CardValue, formatCard, rewriteFits } from "../../../workloads/src/lib/fits";
import { Closers } from "../../../workloads/src/lib/process";
import { parseRawPath } from "../../../workloads/src/lib/rawPath";
import { visitOf } from "../../../workloads/src/lib/visits";
import { nextVisitSchema } from "../../../workloads/src/upload/nextVisit";
import { runUpload } from "../../../workloads/src/upload/run";
import { readSettings } from "../../../workloads/src/upload/settings";
import type { UploadedGroup } from "../../../workloads/src/upload/upload";
import { startGateway, type TestGateway } from "../../support/gateway";
import { testAddress, testFolder } from "../../support/network";
import { warmPython } from "../../support/warmPython";

const log = pino({ level: process.env.TEST_LOG ?? "silent" });
const { dir, remove } = testFolder("upload");
let gateway: TestGateway;
let s3: S3Client;
let proxy: Server;
/** What was POSTed to the REST proxy, with the number of objects that the bucket of raw files had then. */
const posted: { body: Record<string, any>; headers: Record<string, unknown>; objects: number }[] = []; // eslint-disable-line @typescript-eslint/no-explicit-any

beforeAll(async () => {
  gateway = await startGateway(join(dir, "rgw"), testAddress(2));
  for (const name of ["rubin-pp-dev", "rubin-pp-dev-users"]) await gateway.createBucket(name);
  s3 = clientOf(gateway.bucket("rubin-pp-dev"));
  proxy = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", async () => {
      posted.push({ body: JSON.parse(Buffer.concat(parts).toString()), headers: request.headers, objects: (await keysOf("")).length }); // prettier-ignore
      response.end(JSON.stringify({ value_schema_id: 170, offsets: [{ partition: 0, offset: posted.length }] }));
    });
  }).listen(8082, testAddress(3));
});
afterAll(async () => {
  proxy?.close();
  s3?.destroy();
  await gateway?.rgw.stop();
  remove();
});
beforeEach(() => posted.splice(0));

async function keysOf(prefix: string, bucket = "rubin-pp-dev"): Promise<string[]> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
  return Contents.sort((a, b) => a.LastModified!.getTime() - b.LastModified!.getTime()).map(({ Key }) => Key!);
}
async function read(key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: "rubin-pp-dev", Key: key }));
  return Buffer.from(await Body!.transformToByteArray());
}
const putPool = (key: string, body: Buffer | string) =>
  s3.send(new PutObjectCommand({ Bucket: "rubin-pp-dev-users", Key: `unobserved/${key}`, Body: body }));

/** Files of an exposure as another tester left them: of a group, with snaps. */
function observed(name: string, seqNum: number, changes: Record<string, CardValue>, detectors = 2) {
  const instrument = instrumentNamed(name);
  const exposure = exposureOf(instrument, "20251001", seqNum);
  return instrument.detectors.slice(0, detectors).map((detector) => {
    const { fits, sidecar } = filesOf(exposure, detector);
    const header = { ...(JSON.parse(sidecar.toString()) as Record<string, CardValue>), ...changes };
    return { key: fitsKey(exposure, detector), fits: rewriteFits(fits, changes), header };
  });
}

const filterOf = (name: string, seqNum: number) =>
  exposureOf(instrumentNamed(name), "20251001", seqNum).physicalFilter.name;

async function run(changes: Record<string, string>): Promise<UploadedGroup[]> {
  const environment = {
    ...gateway.env,
    BUCKET: "embargo@rubin-pp-dev",
    POOL_BUCKET: "embargo@rubin-pp-dev-users",
    NEXT_VISIT_TOPIC: "test.next-visit-job",
    REST_PROXY_URL: `http://${testAddress(3)}:8082/sasquatch-rest-proxy/`,
    REST_PROXY_TOKEN: "a token",
    EXPOSURE_INTERVAL: "0",
    SLEW_INTERVAL: "0",
    ...changes,
  };
  const closers = new Closers(log);
  try {
    return await runUpload(readSettings(environment), environment, {
      log,
      stop: new AbortController().signal,
      closers,
    });
  } finally {
    await closers.closeAll(10_000);
  }
}

/** A sidecar has what the header has, but for what says how the file is laid out. */
function sidecarOf({ SIMPLE: _1, BITPIX: _2, NAXIS: _3, EXTEND: _4, ...header }: Record<string, CardValue>) {
  return header;
}

interface Unit {
  readonly cards: [string, CardValue, string][];
  readonly data: string | null;
}
async function byAstropy(files: Readonly<Record<string, Buffer>>): Promise<Record<string, Unit[]>> {
  const paths = Object.entries(files).map(([name, file]) => {
    const path = join(dir, name.replaceAll("/", "+"));
    writeFileSync(path, file);
    return path;
  });
  const words = [resolve(__dirname, "read_fits.py"), ...paths];
  const { stdout } = await promisify(execFile)(await ensureButlerPython(), words, { maxBuffer: 64 << 20 });
  const read = JSON.parse(stdout) as Record<string, Unit[]>;
  return Object.fromEntries(Object.keys(files).map((name, index) => [name, read[paths[index]!]!]));
}

it("sends groups of the pool anew: next_visit first, each sidecar before its file, nothing else in them changed", async () => {
  for (const [snap, seqNum] of [
    [0, 31],
    [1, 32],
  ] as const)
    for (const { key, fits, header } of observed("LSSTComCam", seqNum, {
      GROUPID: "2025-10-02T01:00:00.000",
      CURINDEX: snap + 1,
      MAXINDEX: 2,
    })) {
      // prettier-ignore
      await putPool(key, fits);
      await putPool(sidecarKey(key), JSON.stringify(header));
    }
  const sent = await run({ INSTRUMENT: "LSSTComCam", N_GROUPS: "1" });
  const [group] = sent as [UploadedGroup];
  expect(group).toMatchObject({ from: "2025-10-02T01:00:00.000", salIndex: 1, detectors: [0, 1], files: 4 });
  const [, day, seq] = /^(\d{4}-\d\d-\d\d)T00:00:00\.(\d{6})$/.exec(group.group)!;
  expect(Number(seq)).toBeGreaterThanOrEqual(20_010);
  expect(Number(seq)).toBeLessThanOrEqual(20_018);
  const dayObs = day!.replaceAll("-", "");
  expect(group.exposureIds).toEqual([0, 1].map((snap) => Number(dayObs) * 100_000 + Number(seq) + snap));

  const [{ body, headers, objects }] = posted as [(typeof posted)[0]];
  expect([posted.length, objects]).toEqual([1, 0]);
  expect(headers).toMatchObject({
    "content-type": "application/vnd.kafka.avro.v2+json",
    authorization: "Bearer a token",
  });
  expect(JSON.parse(body.value_schema)).toEqual(nextVisitSchema);
  const [{ value }] = body.records;
  expect(Object.keys(value)).toEqual(nextVisitSchema.fields.map(({ name }) => name));
  expect(visitOf(value)).toMatchObject({
    ...{ salIndex: 1, scriptSalIndex: 1, instrument: "LSSTComCam", groupId: group.group, nimages: 2, duration: 20 },
    ...{
      coordinateSystem: 2,
      position: [(31 * 3.5) % 360, -30 + ((31 * 7) % 50) - 25],
      rotationSystem: 2,
      cameraAngle: 0,
    },
    ...{ filters: filterOf("LSSTComCam", 31), dome: 2, survey: "SURVEY", totalCheckpoints: 1 },
  });
  expect(value.private_sndStamp - value.private_efdStamp).toBeCloseTo(37, 3);
  expect(value.startTime).toBeCloseTo(value.private_sndStamp, 3); // without a slew

  const keys = await keysOf("LSSTComCam/");
  const files = keys.filter((key) => key.endsWith(".fits"));
  const obsIds = [0, 1].map((snap) => `CC_O_${dayObs}_${String(Number(seq) + snap).padStart(6, "0")}`);
  expect(files.sort()).toEqual(obsIds.flatMap((id) => ["R22_S00", "R22_S01"].map((sensor) => `LSSTComCam/${dayObs}/${id}/${id}_${sensor}.fits`))); // prettier-ignore
  for (const file of files) expect(keys.indexOf(sidecarKey(file))).toBeLessThan(keys.indexOf(file));

  const pool = [31, 32].flatMap((seqNum) => observed("LSSTComCam", seqNum, {}));
  const now = Object.fromEntries(await Promise.all(files.map(async (key) => [key, await read(key)] as const)));
  const units = await byAstropy({ ...now, ...Object.fromEntries(pool.map(({ key, fits }) => [`pool/${key}`, fits])) });
  for (const [index, key] of files.entries()) {
    const [own, before] = [units[key]!, units[`pool/${pool[index]!.key}`]!];
    const header = Object.fromEntries(own[0]!.cards.map(([keyword, one]) => [keyword, one]));
    const was = Object.fromEntries(before[0]!.cards.map(([keyword, one]) => [keyword, one]));
    const snap = Math.floor(index / 2);
    expect(header).toMatchObject({ DAYOBS: dayObs, SEQNUM: Number(seq) + snap, OBSID: obsIds[snap], GROUPID: group.group, CONTRLLR: "O", CURINDEX: snap + 1, MAXINDEX: 2 }); // prettier-ignore
    // Each moment is later by the same time, and the first exposure begins when next_visit said.
    const ms = (text: CardValue) => Date.parse(`${String(text)}Z`);
    const shiftMs = ms(header["DATE-BEG"]!) - ms(was["DATE-BEG"]!);
    expect(ms(header["DATE-END"]!) - ms(was["DATE-END"]!)).toBe(shiftMs);
    expect((Number(header["MJD-BEG"]) - Number(was["MJD-BEG"])) * 86_400_000).toBeCloseTo(shiftMs, -1);
    if (snap === 0) expect(ms(header["DATE-BEG"]!) / 1000).toBeCloseTo(value.startTime, 2);
    const changed = Object.keys({ ...header, ...was }).filter((keyword) => header[keyword] !== was[keyword]);
    const allowed = /^(DATE(-(OBS|BEG|END))?|MJD(-(OBS|BEG|END))?|DAYOBS|SEQNUM|OBSID|GROUPID|CURINDEX|MAXINDEX)$/;
    expect(changed.filter((keyword) => !allowed.test(keyword))).toEqual([]);
    expect(own.slice(1)).toEqual(before.slice(1));
    expect(JSON.parse((await read(sidecarKey(key))).toString())).toEqual(sidecarOf(header));
  }
});

it("counts on from the bucket, keeps the time of the files when asked to, and takes each group of the pool once", async () => {
  for (const [seqNum, group] of [
    [41, "2025-10-02T02:00:00.000"],
    [42, "2025-10-02T02:01:00.000"],
  ] as const)
    // prettier-ignore
    for (const { key, fits, header } of observed("LATISS", seqNum, { GROUPID: group })) {
      await putPool(key, fits);
      await putPool(sidecarKey(key), JSON.stringify(header));
    }
  const options = { INSTRUMENT: "LATISS", SHIFT_TIMES: "false", SURVEY: "BLOCK-306" };
  const [first] = await run({ ...options, N_GROUPS: "1", ORDERED: "true" });
  const both = await run({ ...options, N_GROUPS: "2" });
  expect(first!.from).toBe("2025-10-02T02:00:00.000");
  expect(both.map(({ from }) => from)).toEqual(["2025-10-02T02:00:00.000", "2025-10-02T02:01:00.000"]);
  const numbers = [first!, ...both].map(({ group }) => Number(group.slice(-6)));
  expect(numbers[1]! - numbers[0]!).toBeGreaterThanOrEqual(10);
  expect(numbers[1]! - numbers[0]!).toBeLessThanOrEqual(18);
  expect(numbers[2]! - numbers[1]!).toBe(1);
  const bodies = posted.map(({ body }) => body);
  expect(bodies.map(({ value_schema_id: id }) => id)).toEqual([undefined, undefined, 170]);
  const [{ value }] = bodies[0]!.records;
  const begin = exposureOf(instrumentNamed("LATISS"), "20251001", 41).begin.getTime() / 1000 + 37;
  expect([value.startTime, value.private_sndStamp, value.private_efdStamp]).toEqual([begin, begin - 40, begin - 77]);
  expect(value).toMatchObject({ salIndex: 2, survey: "BLOCK-306", filters: filterOf("LATISS", 41) });

  await expect(run({ ...options, N_GROUPS: "3" })).rejects.toThrow(
    "3 groups were asked for, but the pool unobserved/LATISS/ in bucket rubin-pp-dev-users has 2. Ask for fewer, or put more there.",
  );
  await putPool("LATISS/20251001/AT_O_20251001_000050/AT_O_20251001_000050_R00_S00.fits", "no file");
  await expect(run({ ...options, N_GROUPS: "1" })).rejects.toThrow(
    '"unobserved/LATISS/20251001/AT_O_20251001_000050/AT_O_20251001_000050_R00_S00.fits" of the pool has no sidecar: ' +
      'put "unobserved/LATISS/20251001/AT_O_20251001_000050/AT_O_20251001_000050_R00_S00.json" beside it.',
  );
});

it("plays HSC, whose compressed files have their header in an extension and no sidecar", async () => {
  const blocks = (cards: string[]) => {
    const text = [...cards, "END".padEnd(80)].join("");
    return text.padEnd(Math.ceil(text.length / 2880) * 2880);
  };
  const primary = [["SIMPLE", true], ["BITPIX", 8], ["NAXIS", 0], ["EXTEND", true]] as const; // prettier-ignore
  const extension = [
    ["XTENSION", "IMAGE"], ["BITPIX", 8], ["NAXIS", 1], ["NAXIS1", 5], ["PCOUNT", 0], ["GCOUNT", 1],
    ["EXP-ID", "HSCE00059134"], ["RA2000", "10:00:28.600"], ["DEC2000", "-02:12:36.00"], ["INST-PA", 0.0],
    ["FILTER01", "HSC-G"], ["DATE-OBS", "2016-03-07"], ["UT-STR", "09:00:00.000"], ["MJD-STR", 57454.375],
  ] as const; // prettier-ignore
  const head = Buffer.from(blocks(primary.map(formatCard)) + blocks(extension.map(formatCard)), "latin1");
  const file = Buffer.concat([head, Buffer.from("pixel"), Buffer.alloc(2875)]);
  await putPool("HSC/4/0059134/0/0059134/HSC-G/HSC-0059134-4.fz", file);
  const [group] = await run({ INSTRUMENT: "HSC", N_GROUPS: "1" });
  const keys = await keysOf("HSC/");
  expect(keys).toEqual([`HSC/4/${group!.group}/0/${Number(group!.group)}/HSC-G/HSC-${group!.group}-0-${Number(group!.group)}-HSC-G-4.fz`]); // prettier-ignore
  expect(parseRawPath(keys[0]!)).toMatchObject({
    detector: 4,
    group: group!.group,
    snap: 0,
    exposureId: Number(group!.group),
  });
  const { file: units } = await byAstropy({ file: await read(keys[0]!) });
  const header = Object.fromEntries(units![1]!.cards.map(([keyword, one]) => [keyword, one]));
  expect(header["EXP-ID"]).toBe(`HSCE${group!.group}`);
  expect(Date.parse(`${String(header["DATE-OBS"])}T${String(header["UT-STR"])}Z`) / 86_400_000 + 40_587).toBeCloseTo(Number(header["MJD-STR"]), 5); // prettier-ignore
  const visit = visitOf(posted[0]!.body.records[0].value);
  expect(visit).toMatchObject({ salIndex: 59134, cameraAngle: 270, filters: "HSC-G", nimages: 1 });
  expect(visit.position[0]).toBeCloseTo(150.1191667, 6);
  expect(visit.position[1]).toBeCloseTo(-2.21, 9);
  expect(visit.startTime).toBeCloseTo((Number(header["MJD-STR"]) - 40_587) * 86_400 + 37, 1);
});

it("sends what a Butler repository holds, and asks it only for the groups whose turn it is", async () => {
  const repo = join(dir, "repo");
  const python = await warmPython(dir);
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, BUTLER_MODE: "plain", BUTLER_CREATE: "true" };
  const butler = new ButlerChild({ python, timeoutMs: 60_000, log, env: { ...env, BUTLER_REPO: repo } });
  mkdirSync(join(dir, "raws"));
  const raws = [51, 52, 53].flatMap((seqNum) => observed("LSSTComCam", seqNum, { ...(seqNum > 51 && { GROUPID: "g2" }), ROTPA: 12.5 })); // prettier-ignore
  const files = raws.map(({ key, fits, header }) => {
    const path = join(dir, "raws", key.replaceAll("/", "+"));
    writeFileSync(path, fits);
    return { path, uri: `file://${path}`, size: fits.length, metadata: header };
  });
  expect((await butler.ingest("raw", files)).map(({ status }) => status)).toEqual(files.map(() => "ingested"));
  await butler.close();
  const config = join(dir, "comcam.yaml");
  const configure = (where: string) =>
    writeFileSync(config, `instrument: LSSTComCam\nrepo: ${repo}\nquery:\n  collections: LSSTComCam/raw/all\n  where: "${where}"\n`); // prettier-ignore
  configure("exposure.science_program = 'SIMULATED'");
  const options = {
    SOURCE: "repo",
    REPO_CONFIG: config,
    BUTLER_PYTHON: python,
    PATH: process.env.PATH!,
    HOME: process.env.HOME!,
  };
  const sent = await run({ ...options, N_GROUPS: "2", ORDERED: "true" });
  expect(sent.map(({ files: count, detectors, exposureIds }) => [count, detectors, exposureIds.length])).toEqual([
    [2, [0, 1], 1],
    [4, [0, 1], 2],
  ]);
  const [one, two] = sent as [UploadedGroup, UploadedGroup];
  expect(Number(two.group.slice(-6)) - Number(one.group.slice(-6))).toBe(1);
  expect(posted.map(({ objects }) => objects)[1]! - posted.map(({ objects }) => objects)[0]!).toBe(0); // overlaps
  const visit = visitOf(posted[1]!.body.records[0].value);
  expect(visit).toMatchObject({
    groupId: two.group,
    nimages: 2,
    cameraAngle: 12.5,
    filters: filterOf("LSSTComCam", 52),
    salIndex: 1,
  });
  const dayObs = two.group.slice(0, 10).replaceAll("-", "");
  const keys = [two.exposureIds[1]!].map((id) => `CC_O_${dayObs}_0${String(id).slice(-5)}`).map((id) => `LSSTComCam/${dayObs}/${id}/${id}_R22_S01.fits`); // prettier-ignore
  const { now, before } = await byAstropy({ now: await read(keys[0]!), before: raws[5]!.fits });
  expect(now![1]).toEqual(before![1]);
  expect(JSON.parse((await read(sidecarKey(keys[0]!))).toString())).toMatchObject({ GROUPID: two.group, CURINDEX: 2, RAFTBAY: "R22", CCDSLOT: "S01" }); // prettier-ignore

  await expect(run({ ...options, N_GROUPS: "3" })).rejects.toThrow(
    `3 groups were asked for, but ${repo} (LSSTComCam/raw/all where exposure.science_program = 'SIMULATED') has 2. Ask for fewer, or put more there.`,
  );
  configure("exposure.seq_num = 51");
  expect((await run({ ...options, N_GROUPS: "1" })).map(({ files: count }) => count)).toEqual([2]);
});

it("names every fault of its environment at once", () => {
  const config = join(dir, "faulty.yaml");
  writeFileSync(config, "instrument: LSSTCam\nquery: { collections: [] }\nwhere: x\n");
  const base = { BUCKET: "b", NEXT_VISIT_TOPIC: "t", N_GROUPS: "1" };
  expect(() => readSettings({ ...base, INSTRUMENT: "DECam", KAFKA_BROKERS: "k:9092" })).toThrow(
    "upload cannot start: 3 faults in its environment.\n" +
      "  - POOL_BUCKET is missing: it is needed with SOURCE=pool\n" +
      "  - REGISTRY_URL is empty: it is needed with KAFKA_BROKERS\n" +
      "  - There is no rule for numbers of DECam's exposures, so none can be made up.",
  );
  expect(() => readSettings({ ...base, SOURCE: "repo", REPO_CONFIG: config, REST_PROXY_URL: "x" })).toThrow(
    "upload cannot start: 2 faults in its environment.\n" +
      '  - REST_PROXY_URL="x" is no URL\n' +
      `  - REPO_CONFIG="${config}": repo: Invalid input: expected string, received undefined; query.collections: Too small: expected array to have >=1 items; ` +
      'the document: Unrecognized key: "where"',
  );
});
