import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { CommandError } from "../exit";

/** Longest wait for one answer of kubectl, and for a tunnel to stand, ms. */
const answerMs = 20_000;

/** A way into a cluster that is closed when it is not needed any more. */
export interface Tunnel {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** kubectl in one namespace of one context. */
export class Kubectl {
  constructor(
    private readonly context: string,
    private readonly namespace: string,
  ) {}

  /** Reads an object. @throws CommandError with kubectl's own reason. */
  async get<T>(kind: string, name: string): Promise<T> {
    const args = this.words("get", kind, name, "--output=json", `--request-timeout=${answerMs}ms`);
    return new Promise((resolve, reject) => {
      execFile("kubectl", args, { timeout: answerMs + 5_000, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
        if (error) reject(this.fault(`get ${kind} ${name}`, error, stderr));
        else resolve(JSON.parse(stdout) as T);
      });
    });
  }

  /** Opens a port of this machine to a port of a Service. */
  async forward(service: string, port: number): Promise<Tunnel> {
    const host = "127.0.0.1";
    const args = this.words(
      "port-forward",
      `--address=${host}`,
      "--pod-running-timeout=10s",
      `service/${service}`,
      `:${port}`,
    );
    const child = spawn("kubectl", args, { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const end = () => void child.kill("SIGKILL");
    process.once("exit", end);
    const close = async () => {
      process.removeListener("exit", end);
      child.kill();
      const timer = setTimeout(end, 2_000);
      await ended;
      clearTimeout(timer);
    };
    let stderr = "";
    child.stderr.on("data", (chunk) => (stderr = (stderr + String(chunk)).slice(-2_000)));
    const what = `port-forward service/${service}`;
    try {
      const local = await new Promise<number>((resolve, reject) => {
        const timer = setTimeout(() => reject(this.fault(what, new Error("no tunnel in 20 s"), stderr)), answerMs);
        child.once("error", (error) => reject(this.fault(what, error, stderr)));
        void ended.then(() => reject(this.fault(what, new Error("it ended"), stderr)));
        createInterface({ input: child.stdout }).on("line", (line) => {
          const found = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line);
          if (!found) return;
          clearTimeout(timer);
          resolve(Number(found[1]));
        });
      });
      return { host, port: local, close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  private words(...args: string[]): string[] {
    return ["--context", this.context, "--namespace", this.namespace, ...args];
  }

  private fault(what: string, error: Error, stderr: string): CommandError {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return new CommandError("kubectl is not on the PATH; it is how usdf reaches a cluster.", undefined, {
        cause: error,
      });
    }
    const reason = stderr.trim().split("\n").at(-1) || error.message.split("\n")[0];
    return new CommandError(`kubectl ${what} in ${this.context}, namespace ${this.namespace}, failed: ${reason}`);
  }
}
