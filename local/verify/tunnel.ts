import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { kubectlAnswerMs, kubectlFault, type KubePlace, placeWords } from "../kubectl";

/** A way into a cluster that is closed when it is not needed any more. */
export interface Tunnel {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Opens a port of this machine to a port of a Service. @throws KubectlError when there is no tunnel in time. */
export async function forward(place: KubePlace, service: string, port: number): Promise<Tunnel> {
  const host = "127.0.0.1";
  const args = [
    ...placeWords(place),
    "port-forward",
    `--address=${host}`,
    "--pod-running-timeout=10s",
    `service/${service}`,
    `:${port}`,
  ];
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
      const timer = setTimeout(
        () => reject(kubectlFault(place, what, new Error("no tunnel in 20 s"), stderr)),
        kubectlAnswerMs,
      );
      child.once("error", (error) => reject(kubectlFault(place, what, error, stderr)));
      void ended.then(() => reject(kubectlFault(place, what, new Error("it ended"), stderr)));
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
