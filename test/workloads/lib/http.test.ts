import { Agent, request } from "node:http";
import pino from "pino";
import { LoopWatch, serveHttp } from "../../../workloads/src/lib/http";

const log = pino({ level: "silent" });

it("tells alive from ready, names what fails, and drains", async () => {
  let broken = false;
  const redis = {
    name: "redis",
    check: () => {
      if (broken) throw new Error("connection refused");
    },
  };
  const hung = { name: "butler", check: () => (broken ? new Promise<void>(() => undefined) : undefined) };
  const server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    log,
    live: [new LoopWatch("loop", 60_000)],
    ready: [redis, hung],
  });
  const get = async (path: string) => {
    const response = await fetch(`${server.url}${path}`);
    return [response.status, response.headers.get("content-type")?.includes("json") ? await response.json() : ""];
  };
  expect(await get("/healthz")).toEqual([200, { status: "ok" }]);
  expect(await get("/readyz")).toEqual([200, { status: "ready" }]);
  expect((await get("/metrics"))[0]).toBe(200);
  broken = true;
  expect(await get("/readyz")).toEqual([
    503,
    {
      status: "not ready",
      failed: [
        { probe: "redis", reason: "connection refused" },
        { probe: "butler", reason: "no answer in 2000 ms" },
      ],
    },
  ]);
  expect((await get("/healthz"))[0]).toBe(200);
  broken = false;
  server.drain();
  expect(await get("/readyz")).toEqual([
    503,
    { status: "not ready", failed: [{ probe: "process", reason: "is stopping" }] },
  ]);
  await server.close();
});

it("ends a kept connection with an answer, not under a request", async () => {
  const server = await serveHttp({ host: "127.0.0.1", port: 0, log });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = () =>
    new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
      request(`${server.url}/healthz`, { agent }, (response) => {
        response.resume().on("end", () => resolve([response.statusCode, response.headers.connection]));
      })
        .on("error", reject)
        .end();
    });
  expect(await get()).toEqual([200, "keep-alive"]);
  const closed = server.close();
  expect(await get()).toEqual([200, "close"]);
  await closed;
  await expect(get()).rejects.toThrow("ECONNREFUSED");
  agent.destroy();
});

it("fails liveness when the loop does not turn", () => {
  const loop = new LoopWatch("loop", -1);
  expect(() => loop.check()).toThrow(/did not turn for \d+ s/);
});
