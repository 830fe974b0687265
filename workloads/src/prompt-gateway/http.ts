import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { register } from "prom-client";
import type { Logger } from "../lib/log";

/** Metrics and a sign of life. Not lib/http: what that brings costs an idle worker more than all else that it does. */
export async function serveMetrics(
  host: string,
  port: number,
  log: Logger,
  isReady: () => boolean,
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer({ connectionsCheckingInterval: 300_000 }, (request, response) => {
    if (request.url === "/metrics") {
      void register.metrics().then((text) => response.setHeader("content-type", register.contentType).end(text));
    } else if (request.url === "/healthz" || request.url === "/readyz") {
      const ready = request.url === "/healthz" || isReady();
      response.writeHead(ready ? 200 : 503, { "content-type": "application/json" });
      response.end(ready ? '{"status":"ok"}' : '{"status":"the pipeline is not ready"}');
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  const { port: bound } = server.address() as AddressInfo;
  const url = `http://${host}:${bound}`;
  log.info({ url }, "HTTP server listens");
  return {
    url,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
