import { createServer, connect, type Server, type Socket } from "node:net";

/** Stands before a PostgreSQL and counts the statements that pass, of one life of a program after the other. */
export interface StatementProxy {
  readonly port: number;
  /** Begins to count anew; `onStatement` is told each statement's number when the server has it, but not its answer the client. */
  watch(onStatement: (count: number) => void): void;
  close(): Promise<void>;
}

/** Messages that begin a statement: a simple query, one with parameters, the end of a COPY. */
const statements = new Set(["Q", "P", "c"].map((letter) => letter.charCodeAt(0)));

export async function startStatementProxy(address: string, port: number): Promise<StatementProxy> {
  let count = 0;
  let onStatement: (count: number) => void = () => {};
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(port, address);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {}); // a killed client, a restarted server: the other side learns of it by the end
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    upstream.pipe(client);
    const reader = new MessageReader((type, text) => {
      // After BEGIN the server is as it was before it.
      if (statements.has(type) && !text().startsWith("begin")) onStatement(++count);
    });
    client.on("data", (bytes: Buffer) => upstream.write(bytes, () => reader.read(bytes)));
  });
  await new Promise<void>((done) => server.listen(0, address, done));
  return {
    port: (server.address() as { port: number }).port,
    watch(next) {
      count = 0;
      onStatement = next;
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Follows the frontend's messages: one without a type at first, then type, length, body. */
class MessageReader {
  private rest = Buffer.alloc(0);
  private hasStarted = false;

  constructor(private readonly onMessage: (type: number, text: () => string) => void) {}

  read(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      const head = this.hasStarted ? 5 : 4;
      if (this.rest.length < head) return;
      const length = this.rest.readInt32BE(head - 4) + head - 4;
      if (this.rest.length < length) return;
      const message = this.rest.subarray(0, length);
      this.rest = this.rest.subarray(length);
      if (this.hasStarted) this.onMessage(message[0]!, () => message.toString("utf8", 5, 10));
      this.hasStarted = true;
    }
  }
}
