import { spawn } from "node:child_process";
import { connect } from "node:net";
import type { Container, Probe } from "./manifest";
import type { ContainerProcess } from "./process-spec";

/** Why a probe failed; `undefined` when it succeeded. */
export type ProbeFailure = string | undefined;

/** Runs a probe once, as the kubelet does. */
export async function runProbe(
  probe: Probe,
  container: Container,
  address: string,
  process: ContainerProcess,
): Promise<ProbeFailure> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const portOf = (port: string | number) =>
    typeof port === "number" ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
  if (probe.httpGet) {
    const port = portOf(probe.httpGet.port);
    return port
      ? httpProbe(`http://${address}:${port}${probe.httpGet.path ?? "/"}`, timeoutMs)
      : noPort(probe.httpGet.port);
  }
  if (probe.tcpSocket) {
    const port = portOf(probe.tcpSocket.port);
    return port ? tcpProbe(address, port, timeoutMs) : noPort(probe.tcpSocket.port);
  }
  return execProbe(probe.exec?.command ?? [], process, timeoutMs);
}

const noPort = (port: string | number) => `the container has no port ${port}`;

async function httpProbe(url: string, timeoutMs: number): Promise<ProbeFailure> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: "manual" });
    const body = (await response.text()).trim().slice(0, 200);
    return response.status >= 200 && response.status < 400 ? undefined : `${url}: ${response.status} ${body}`;
  } catch (error) {
    const { name, cause } = error as Error & { cause?: { code?: string } };
    return `${url}: ${name === "TimeoutError" ? `no answer in ${timeoutMs} ms` : (cause?.code ?? name)}`;
  }
}

function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeFailure> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (failure: ProbeFailure) => {
      socket.destroy();
      resolve(failure);
    };
    socket.once("connect", () => end(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => end(`${host}:${port}: ${error.code}`));
    socket.once("timeout", () => end(`${host}:${port}: no answer in ${timeoutMs} ms`));
  });
}

function execProbe(words: readonly string[], { env, cwd }: ContainerProcess, timeoutMs: number): Promise<ProbeFailure> {
  const [command = "false", ...args] = words;
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let output = "";
    const add = (chunk: Buffer) => void (output.length < 200 && (output += chunk.toString()));
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    const timer = setTimeout(() => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // it ended in this moment
      }
      resolve(`${command}: no end in ${timeoutMs} ms`);
    }, timeoutMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve(`${command}: ${error.message}`);
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? undefined : `${command}: exit ${code} ${output.trim()}`);
    });
  });
}
