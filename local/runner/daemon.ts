import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { openState, supervisorPort } from "../state";
import type { ApplyRequest } from "./api";
import type { SecretSource } from "./manifest";
import { codeDigest } from "./code";
import { Supervisor } from "./supervisor";

/** Largest request: a stack's objects. */
const largestBodyBytes = 64 * 2 ** 20;

/** The supervisor's process: `usdf up` starts it, `usdf down` ends it. Listens at address `.1` of the checkout's network. */
async function main(): Promise<void> {
  const state = await openState();
  const supervisor = new Supervisor(state, codeDigest());
  const secret = digest(`Bearer ${state.token}`);
  const routes: Record<string, (body: string, first: string, second?: string) => Promise<unknown>> = {
    "GET /status": async () => supervisor.status(),
    "GET /stack": () => supervisor.localStack(),
    "GET /environment": (_body, component, environment) => supervisor.environment(component, environment),
    "POST /run": (body) => {
      const { namespace, name } = JSON.parse(body) as { namespace: string; name: string };
      return supervisor.runNow(namespace, name);
    },
    "PUT /desired": (body) => supervisor.want(JSON.parse(body) as ApplyRequest),
    "POST /apply": () => supervisor.apply(),
    "POST /services": (body) => supervisor.startServices((JSON.parse(body) as { names: string[] }).names),
    "POST /secret": async (body) => supervisor.secret(JSON.parse(body) as SecretSource),
    "POST /endpoint": (body) => {
      const { endpoint, topic } = JSON.parse(body) as { endpoint: string; topic: string };
      return supervisor.pushEndpoint(endpoint, topic);
    },
    "GET /gateway": async () => supervisor.gateway(),
    "POST /shutdown": () => supervisor.shutdown(),
    // The children stay: the next supervisor finds them in the registry.
    "POST /handover": async () => {},
  };
  const server = createServer(async (request, response) => {
    try {
      // The loopback is open to every user of the machine; the token is not.
      if (!timingSafeEqual(digest(request.headers.authorization ?? ""), secret))
        return answer(response, 401, "no token");
      const [, first = "", ...rest] = (request.url ?? "/").split("/").map(decodeURIComponent);
      const route = routes[`${request.method} /${first}`];
      if (!route) return answer(response, 404, `no ${request.method} ${request.url}`);
      const result = await route(await bodyOf(request), rest[0] ?? "", rest[1]);
      answer(response, 200, result === undefined ? "" : JSON.stringify(result));
      if (first === "shutdown" || first === "handover") response.once("close", () => process.exit(0));
    } catch (error) {
      log(error);
      answer(response, 500, messagesOf(error).join("\n  because: "));
    }
  });
  server.listen(supervisorPort, `${state.network}.1`, () => log(`supervises ${state.root} on ${state.network}.0/24`));
  server.on("error", (error) => {
    log(error);
    process.exit(1);
  });
  // The terminal that started it may go; `usdf down` or a signal ends it.
  process.on("SIGHUP", () => {});
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void supervisor.shutdown().finally(() => process.exit(0)));
  }
  process.on("unhandledRejection", log);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(text);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new Error("the request is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function messagesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  return error.cause ? [error.message, ...messagesOf(error.cause)] : [error.message];
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function log(what: unknown): void {
  console.log(`${new Date().toISOString()} ${what instanceof Error ? (what.stack ?? what.message) : String(what)}`);
}

void main();
