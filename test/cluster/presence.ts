import { Agent, get } from "node:http";

/** What presence says of one image. */
export interface PresenceAnswer {
  readonly error: boolean;
  readonly present: boolean;
  readonly uri?: string;
}

/** Asks presence once. @throws Error when the connection is refused or breaks, or the status is not 200. */
export function ask(url: string, agent: Agent | false = false): Promise<PresenceAnswer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, timeout: 5_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(body) as PresenceAnswer);
        else
          reject(Object.assign(new Error(`status ${response.statusCode}: ${body}`), { status: response.statusCode }));
      });
    });
    request.on("timeout", () => request.destroy(new Error("no answer in 5 s")));
    request.on("error", reject);
  });
}

/** Clients that ask all the time, over a connection that they keep and over new ones, and note who is not served. */
export class PresenceClients {
  asked = 0;
  /** Requests that no pod answered, by reason. */
  readonly refused: Record<string, number> = {};
  /** Requests that presence answered with 500, since Redis took too long: a busy machine, not a pod that leaves. */
  late = 0;
  private stopping = false;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly loops: Promise<void>[];

  constructor(private readonly url: string) {
    this.loops = [this.agent, false as const].map((agent) => this.askOn(agent));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.loops);
    this.agent.destroy();
  }

  private async askOn(agent: Agent | false): Promise<void> {
    while (!this.stopping) {
      this.asked++;
      await ask(this.url, agent).catch((error: NodeJS.ErrnoException & { status?: number }) => {
        const reason = `${agent ? "kept" : "new"} connection: ${error.code ?? error.message}`;
        if (error.status === 500) this.late++;
        else this.refused[reason] = (this.refused[reason] ?? 0) + 1;
      });
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
