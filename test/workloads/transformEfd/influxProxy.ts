import { createServer, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a request meets on its way; `ok` goes through. */
export type Fault =
  | "ok"
  /** No answer at all. */
  | "silent"
  /** Half of the true answer, then the connection is closed. */
  | "cut"
  /** Half of the true answer, then nothing more. */
  | "stalls"
  /** The first half of the true answer, ended as if it were the whole. */
  | "short"
  /** The connection is closed before any answer. */
  | "refused"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface FaultyProxy {
  readonly url: string;
  /** What the next requests meet, in order; later ones go through. */
  faults: Fault[];
  /** Requests that came. */
  requests: { readonly path: string; readonly body: string; readonly headers: NodeJS.Dict<string | string[]> }[];
  /** Most requests that were under way at one time. */
  mostAtOnce: number;
  stop(): Promise<void>;
}

/** Stands between a client and a real InfluxDB. */
export async function startProxy(target: string, address: string): Promise<FaultyProxy> {
  let atOnce = 0;
  const server = createServer((incoming, outgoing) => {
    const pieces: Buffer[] = [];
    incoming.on("data", (piece: Buffer) => pieces.push(piece));
    incoming.on("end", () => {
      const body = Buffer.concat(pieces);
      proxy.requests.push({ path: incoming.url!, body: body.toString(), headers: incoming.headers });
      proxy.mostAtOnce = Math.max(proxy.mostAtOnce, ++atOnce);
      outgoing.once("close", () => atOnce--);
      const fault = proxy.faults.shift() ?? "ok";
      if (fault === "silent") return;
      if (fault === "refused") return void incoming.socket.destroy();
      if (typeof fault === "object") {
        outgoing.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
        return void outgoing.end(fault.body ?? "");
      }
      const headers = { ...incoming.headers, host: new URL(target).host };
      const onward = request(`${target}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () => {
          const { "content-length": _, "transfer-encoding": __, ...kept } = answer.headers;
          outgoing.writeHead(answer.statusCode!, kept);
          pass(outgoing, Buffer.concat(parts), fault);
        });
      });
      onward.on("error", () => outgoing.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const proxy: FaultyProxy = {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    faults: [],
    requests: [],
    mostAtOnce: 0,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}

function pass(outgoing: ServerResponse, body: Buffer, fault: "ok" | "cut" | "stalls" | "short"): void {
  if (fault === "ok") return void outgoing.end(body);
  const half = body.subarray(0, body.length >> 1);
  if (fault === "short") return void outgoing.end(half);
  outgoing.write(half, () => {
    if (fault === "cut") outgoing.destroy();
  });
}
