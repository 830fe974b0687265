import { connect, type Socket } from "node:net";

export interface LoadOptions {
  /** `http://address:port`. */
  readonly url: string;
  readonly connections: number;
  readonly requests: number;
  /** The request of a number, whole: see {@link httpRequest}. */
  readonly request: (index: number) => string;
}

/** An HTTP/1.1 request as text. */
export function httpRequest(method: string, path: string, host: string, body = ""): string {
  const entity = body === "" ? "" : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${entity}\r\n${body}`;
}

/**
 * Sends requests over plain sockets, one at a time on each, and waits for every answer. Costs so little that the server is
 * what is measured, also when both share two cores.
 * @returns duration in ms, connecting included.
 * @throws when an answer is not 200.
 */
export async function load({ url, connections, requests, request }: LoadOptions): Promise<number> {
  const { hostname, port } = new URL(url);
  const start = performance.now();
  let next = 0;
  const worker = async () => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    try {
      await exchange(socket, () => (next < requests ? request(next++) : undefined));
    } finally {
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: Math.min(connections, requests) }, worker));
  return performance.now() - start;
}

function exchange(socket: Socket, take: () => string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let buffered = "";
    const send = () => {
      const text = take();
      if (text === undefined) resolve();
      else socket.write(text);
    };
    socket.on("connect", send);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed the connection")));
    socket.on("data", (data) => {
      buffered += data.toString("latin1");
      const head = buffered.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(buffered.slice(0, head))?.[1] ?? 0);
      if (buffered.length < head + 4 + length) return;
      if (!buffered.startsWith("HTTP/1.1 200")) return reject(new Error(`answer: ${buffered.slice(0, 300)}`));
      buffered = "";
      send();
    });
  });
}
