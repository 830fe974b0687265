import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unpackTools } from "./pulumi";

/** A reply of Vault. */
export interface VaultReply {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of many paths, looked into field by field
  readonly body: any;
}

/** A real Vault-compatible server in memory; KV version 2 is at `secret`. */
export class TestVault {
  private constructor(
    readonly address: string,
    readonly rootToken: string,
    private readonly server: ChildProcess,
  ) {}

  /** Starts it. @throws Error with what it wrote, when it does not answer within 20 s. */
  static async start(): Promise<TestVault> {
    const rootToken = randomBytes(16).toString("hex");
    const port = await freePort();
    const args = ["server", "-dev", "-dev-no-store-token", `-dev-listen-address=127.0.0.1:${port}`];
    const server = spawn(join(unpackTools(), "bao"), args, {
      env: { ...process.env, BAO_DEV_ROOT_TOKEN_ID: rootToken },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
    const vault = new TestVault(`http://127.0.0.1:${port}`, rootToken, server);
    for (const until = Date.now() + 20_000; ; await sleep(100)) {
      const status = await vault.request("GET", "sys/health").then(
        (reply) => reply.status,
        () => undefined,
      );
      if (status === 200) return vault;
      if (server.exitCode === null && Date.now() < until) continue;
      await vault.stop();
      throw new Error(`bao server did not start:\n${output}`);
    }
  }

  async stop(): Promise<void> {
    if (this.server.exitCode !== null || !this.server.kill("SIGKILL")) return;
    await once(this.server, "exit");
  }

  /** One call of the HTTP interface, by default as root. `method` may be LIST. */
  async request(method: string, path: string, body?: object, token = this.rootToken): Promise<VaultReply> {
    const response = await fetch(`${this.address}/v1/${path}`, {
      method,
      headers: {
        "X-Vault-Token": token,
        "Content-Type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** The same as root, for what must succeed. */
  async must(method: string, path: string, body?: object): Promise<VaultReply["body"]> {
    const { status, body: reply } = await this.request(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path} ended with ${status}: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** Writes a secret of KV version 2; the path has its mount before it, as `vault kv put` takes it. */
  async put(path: string, fields: Readonly<Record<string, string>>): Promise<void> {
    const [mount, ...rest] = path.split("/");
    await this.must("POST", `${mount}/data/${rest.join("/")}`, { data: fields });
  }

  /** Makes a policy and a token that has it, beside the default policy. */
  async tokenWith(policyName: string, policy: string): Promise<string> {
    await this.must("PUT", `sys/policies/acl/${policyName}`, { policy });
    return (await this.must("POST", "auth/token/create", { policies: [policyName] })).auth.client_token;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
