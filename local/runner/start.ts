import { join } from "node:path";
import { adoptProcess, startProcess, waitReady } from "../process";
import { readJson, type State, writeJson } from "../state";
import { SupervisorClient } from "./client";
import { codeDigest } from "./code";
import type { ProcessId } from "../process";

/** The supervisor of the checkout, started when none runs; one that runs older code hands over to a new one. */
export async function ensureSupervisor(state: State): Promise<SupervisorClient> {
  const client = new SupervisorClient(state);
  const status = await client.status();
  if (status?.supervisor.code === codeDigest()) return client;
  if (status) {
    await client.handOver();
    await supervisorProcess(state)?.exited;
  }
  const logFile = state.path("logs", "supervisor.log");
  const running = await startProcess({
    name: "supervisor",
    command: process.execPath,
    args: ["--require", join(__dirname, "../typescript.cjs"), join(__dirname, "daemon.ts")],
    cwd: state.root,
    logFile,
    outlivesParent: true,
  });
  writeJson(state.path("supervisor.json"), { pid: running.pid, startTicks: running.startTicks });
  await waitReady(running, async () => (await client.status()) !== undefined, { timeoutMs: 30_000 });
  return client;
}

/** The process of the supervisor that was started last, while it runs. */
export function supervisorProcess(state: State) {
  const id = readJson<ProcessId | undefined>(state.path("supervisor.json"), undefined);
  return id && adoptProcess("supervisor", id, state.path("logs", "supervisor.log"));
}
