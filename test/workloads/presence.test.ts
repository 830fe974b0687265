import { request } from "node:http";
import { join } from "node:path";
import { Redis } from "ioredis";
import { pino } from "pino";
import { type RunningRedis, startRedis } from "../../local/services";
import { type HttpServer, serveHttp } from "../../workloads/src/lib/http";
import { connectRedis } from "../../workloads/src/lib/redis";
import { presenceRoutes } from "../../workloads/src/presence/routes";
import { presenceContract } from "../../workloads/src/presence/contract";
import { parseEnv } from "../../workloads/src/lib/contract";
import { testAddress, testFolder, until } from "../support/network";

const address = testAddress(14);
const folder = testFolder("presence");
const log = pino({ level: "silent" });
let server: RunningRedis;
let redis: Redis;
let own: Redis;
let http: HttpServer;

beforeAll(async () => {
  server = await startRedis({ dir: join(folder.dir, "redis"), address });
  redis = new Redis({ host: address, retryStrategy: () => 100 });
  redis.on("error", () => undefined);
  own = connectRedis({ host: address, commandTimeoutMs: 700 });
  http = await presence(false);
});
afterAll(async () => {
  await http?.close();
  own?.disconnect();
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});
beforeEach(() => redis.flushdb());

function presence(deleteSeen: boolean): Promise<HttpServer> {
  const routes: Parameters<typeof serveHttp>[0]["routes"] = (app) =>
    presenceRoutes(app, { redis: own, log, deleteSeen });
  return serveHttp({ host: address, port: 0, log, routes });
}

/** Sends the path as it is; `fetch` would tidy it up. */
function ask(path: string, { method = "GET", to = http } = {}) {
  return new Promise<{ status: number | undefined; text: string; allow: string | undefined }>((resolve, reject) => {
    const sent = request(to.url, { method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode, text, allow: response.headers.allow }));
    });
    sent.on("error", reject).end();
  });
}

const group = "2026-06-03T12:00:00.000";
const uri = "s3://embargo@rubin-summit/LSSTCam/x.fits";

test("tells where the image is", async () => {
  await redis.set(`GROUP:LSSTCam:${group}:0:R22_S11`, uri);
  expect(await ask(`/presence/LSSTCam/${group}/0/R22_S11`)).toMatchObject({
    status: 200,
    text: `{"error":false,"present":true,"uri":"${uri}"}`,
  });
  expect(await ask(`/presence/LSSTCam/${group}/1/R22_S11`)).toMatchObject({
    status: 200,
    text: '{"error":false,"present":false}',
  });
});

test.each([
  ["LATISS", "R00_S00"],
  ["LSSTComCam", "R22_S00"],
  ["LSSTComCamSim", "R22_S22"],
  ["LSSTCam", "R22_S11"],
  ["LSST-TS8", "R22_S11"],
])("knows instrument %s and detector %s", async (instrument, detector) => {
  await redis.set(`GROUP:${instrument}:g 1+x:3:${detector}`, uri);
  expect((await ask(`/presence/${instrument}/g%201+x/3/${detector}`)).text).toContain(uri);
});

test.each(["R00_SW0", "R04_SW1", "R40_SG0", "R44_SG1"])("D7: knows corner detector %s", async (detector) => {
  await redis.set(`GROUP:LSSTCam:g:0:${detector}`, uri);
  expect((await ask(`/presence/LSSTCam/g/0/${detector}`)).text).toBe(`{"error":false,"present":true,"uri":"${uri}"}`);
});

test.each([
  { path: "/presence/HSC/g/0/R22_S11", message: "Unknown instrument HSC" },
  { path: "/presence/HSC/g/0/xx", message: "Unknown instrument HSC" },
  { path: "/presence/lsstcam/g/0/R22_S11", message: "Unknown instrument lsstcam" },
  { path: "/presence/LSSTCam/g/0/R22_S11xyz", message: "Unrecognized detector name R22_S11xyz" },
  { path: "/presence/LSSTCam/g/0/xR22_S11", message: "Unrecognized detector name xR22_S11" },
  { path: "/presence/LSSTCam/g/0/R22_S11%0A", message: "Unrecognized detector name R22_S11\n" },
  { path: "/presence/LSSTCam/g/0/R00_SW2", message: "Unrecognized detector name R00_SW2" },
  { path: "/presence/LSSTCam/g/0/94", message: "Unrecognized detector name 94" },
])("D7: 400 for $path", async ({ path, message }) => {
  expect(await ask(path)).toMatchObject({ status: 400, text: JSON.stringify({ error: true, message }) });
});

test("reads snap 00 as 0", async () => {
  await redis.set("GROUP:LSSTCam:g:0:R22_S11", uri);
  expect((await ask("/presence/LSSTCam/g/00/R22_S11")).text).toContain(uri);
});

test.each([
  "/presence/LSSTCam/g/-1/R22_S11",
  "/presence/LSSTCam/g/x/R22_S11",
  "/presence/LSSTCam/g/1.0/R22_S11",
  "/presence/LSSTCam/a/b/0/R22_S11",
  "/presence/LSSTCam/a%2Fb/0/R22_S11",
  "/presence/LSSTCam//0/R22_S11",
  "/presence/LSSTCam/g/0/",
  "/presence/LSSTCam/g/0",
  "/presence/LSSTCam/g/0/R22_S11/",
  "/presence",
  "/",
])("404 for %s", async (path) => {
  expect((await ask(path)).status).toBe(404);
});

test("405 with Allow for another method", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    expect(await ask("/presence/LSSTCam/g/0/R22_S11", { method })).toMatchObject({ status: 405, allow: "GET, HEAD" });
  }
});

test("D4: a wrong type or a lost Redis is 500, which does not wait for it, and tells nothing of the inside", async () => {
  const path = "/presence/LSSTCam/g/0/R22_S11";
  const general = '{"error":true,"message":"The store of image locations did not answer; try again"}';
  await redis.rpush("GROUP:LSSTCam:g:0:R22_S11", "x");
  expect(await ask(path)).toMatchObject({ status: 500, text: general });
  await redis.del("GROUP:LSSTCam:g:0:R22_S11");
  server.process.kill("SIGSTOP");
  const frozen = await ask(path);
  server.process.kill("SIGCONT");
  expect(frozen).toMatchObject({ status: 500, text: general });
  await server.stop();
  expect(await ask(path)).toMatchObject({ status: 500, text: general });
  await server.restart();
  await until("presence to answer again", async () => (await ask(path)).status === 200);
});

test("D7: DELETE_SEEN gives each image to one caller only, however many ask at once; 0 means no", async () => {
  const once = await presence(true);
  const key = "GROUP:LSSTCam:g:0:R22_S11";
  const path = "/presence/LSSTCam/g/0/R22_S11";
  await redis.set(key, uri);
  expect((await ask(path, { method: "HEAD", to: once })).status).toBe(200);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(path, { to: once })));
  expect(answers.filter(({ text }) => text.includes('"present":true'))).toHaveLength(1);
  await once.close();
  const env = { REDIS_HOST: "redis", REDIS_PASSWORD: "pw" };
  for (const off of ["0", "false", "", undefined]) {
    expect(parseEnv(presenceContract, { ...env, DELETE_SEEN: off }).DELETE_SEEN).toBe(false);
  }
  expect(parseEnv(presenceContract, { ...env, DELETE_SEEN: "1" }).DELETE_SEEN).toBe(true);
});
