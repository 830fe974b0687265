import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a connection waits for a ready pod, ms: longer than a container takes to start again. */
const patienceMs = 3_000;

/** Where a connection to a Service goes: the addresses of its ready pods. */
export type Targets = () => readonly { readonly host: string; readonly port: number }[];

/**
 * A port of a Service: takes connections at the Service's address and passes the bytes to its ready pods in turn. Without a
 * ready pod a connection waits a little, so that a restart is not felt, and is then reset.
 */
export class Forwarder {
  private readonly server: Server;
  private readonly open = new Set<Socket>();
  private turn = 0;

  constructor(private readonly targets: Targets) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void this.accept(client));
  }

  /** @throws Error that names the address when something else has it. */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", (cause) => reject(new Error(`cannot listen on ${host}:${port}`, { cause })));
      this.server.listen(port, host, resolve);
    });
  }

  async close(): Promise<void> {
    this.open.forEach((socket) => socket.destroy());
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async accept(client: Socket): Promise<void> {
    this.track(client);
    for (const deadline = Date.now() + patienceMs; !client.destroyed;) {
      const upstream = await this.dial();
      if (upstream) return join(client, upstream);
      if (Date.now() > deadline) client.resetAndDestroy();
      else await sleep(50);
    }
  }

  /** A connection to the next ready pod that takes it. */
  private async dial(): Promise<Socket | undefined> {
    const targets = this.targets();
    const first = this.turn++;
    for (let tried = 0; tried < targets.length; tried++) {
      const target = targets[(first + tried) % targets.length]!;
      const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
      this.track(upstream);
      const connected = await new Promise<boolean>((resolve) => {
        upstream.once("connect", () => resolve(true));
        upstream.once("close", () => resolve(false));
      });
      if (connected) return upstream;
    }
    return undefined;
  }

  private track(socket: Socket): void {
    this.open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.open.delete(socket));
  }
}

/** Passes bytes both ways; the end of one side is passed on, a break of one breaks the other. */
function join(client: Socket, upstream: Socket): void {
  if (client.destroyed) return void upstream.destroy();
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.pipe(to);
    from.once("close", () => (from.readableEnded ? undefined : to.destroy()));
  }
}
