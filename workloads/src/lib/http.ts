import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { collectDefaultMetrics, register } from "prom-client";
import { messageOf } from "./errors";
import type { Logger } from "./log";

/** A named condition; `check` throws (or rejects) with the reason when it does not hold. */
export interface Probe {
  readonly name: string;
  check(): void | Promise<void>;
}

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
  /** Conditions of `/healthz`: the process itself is alive. A lost dependency does not belong here. */
  readonly live?: readonly Probe[];
  /** Conditions of `/readyz`: dependencies answer. Each has {@link probeLimitMs} to do so. */
  readonly ready?: readonly Probe[];
  /** Routes of the service itself. */
  readonly routes?: (app: FastifyInstance) => void;
  /** Largest request body, bytes. Default 1 MiB. */
  readonly bodyLimitBytes?: number;
}

/** Longest time that one probe may take, ms. */
export const probeLimitMs = 2_000;

/** Longest time that {@link HttpServer.close} waits for requests in hand, ms. */
const closeLimitMs = 3_000;
/** Longest time before that in which kept connections get a last answer, ms. */
const lastAnswerLimitMs = 1_000;

export interface HttpServer {
  /** `http://host:port` as bound (port 0 asks for a free one). */
  readonly url: string;
  /** From now on `/readyz` answers 503, so that the Service sends nothing new, and each answer ends its connection. */
  drain(): void;
  /** Drains, and ends when no connection is left: at once without any, else within {@link lastAnswerLimitMs} and {@link closeLimitMs}. */
  close(): Promise<void>;
}

/** The one HTTP server of a process: `/healthz`, `/readyz`, `/metrics` and the routes given. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port, live = [], ready = [], routes, bodyLimitBytes = 1024 * 1024 } = options;
  let draining = false;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: 75_000, // above the idle limit of the load balancers in front, else they meet closed connections
    requestTimeout: 30_000,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 1024 },
  });
  if (!register.getSingleMetric("process_cpu_seconds_total")) collectDefaultMetrics();
  app.get("/healthz", async (_request, reply) => {
    const failed = await failures(live);
    return reply.code(failed.length ? 503 : 200).send(failed.length ? { status: "failing", failed } : { status: "ok" });
  });
  app.get("/readyz", async (_request, reply) => {
    const failed = draining ? [{ probe: "process", reason: "is stopping" }] : await failures(ready);
    return reply
      .code(failed.length ? 503 : 200)
      .send(failed.length ? { status: "not ready", failed } : { status: "ready" });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.header("content-type", register.contentType).send(await register.metrics()),
  );
  app.addHook("onSend", async (_request, reply) => {
    if (draining) void reply.header("connection", "close");
  });
  routes?.(app);
  await app.listen({ host, port });
  const bound = app.server.address() as { address: string; port: number };
  const url = `http://${bound.address.includes(":") ? `[${bound.address}]` : bound.address}:${bound.port}`;
  options.log.info({ url }, "HTTP server listens");
  return {
    url,
    drain: () => {
      draining = true;
    },
    close: async () => {
      draining = true;
      // A client that keeps its connection learns from an answer that it ends; a closed one it would take for a fault.
      const deadlineMs = Date.now() + lastAnswerLimitMs;
      while (Date.now() < deadlineMs && (await connectionsOf(app)) > 0) await sleep(20);
      // answer what is in hand; connections that never sent a request would hold the server open for a minute
      const limit = setTimeout(() => app.server.closeAllConnections(), closeLimitMs);
      await app.close().finally(() => clearTimeout(limit));
    },
  };
}

function connectionsOf(app: FastifyInstance): Promise<number> {
  return new Promise((resolve) => app.server.getConnections((error, count) => resolve(error ? 0 : count)));
}

async function failures(probes: readonly Probe[]): Promise<{ probe: string; reason: string }[]> {
  const results = await Promise.all(
    probes.map(async (probe) => {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer in ${probeLimitMs} ms`)), probeLimitMs);
      });
      try {
        await Promise.race([probe.check(), limit]);
        return undefined;
      } catch (error) {
        return { probe: probe.name, reason: messageOf(error) };
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  return results.filter((result) => result !== undefined);
}

/** Liveness of a loop: fails when {@link LoopWatch.turn} was not called for `limitMs`. */
export class LoopWatch implements Probe {
  readonly name: string;
  private last = Date.now();
  constructor(
    name: string,
    private readonly limitMs: number,
  ) {
    this.name = name;
  }
  turn(): void {
    this.last = Date.now();
  }
  check(): void {
    const ageMs = Date.now() - this.last;
    if (ageMs > this.limitMs) throw new Error(`did not turn for ${Math.round(ageMs / 1000)} s`);
  }
}
