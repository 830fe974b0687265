import { rmSync } from "node:fs";
import { CommandError } from "../exit";
import type { State } from "../state";
import { SupervisorClient } from "./client";
import { ProcessRegistry } from "./registry";
import { supervisorProcess } from "./start";

/** Parts of the state folder that hold data; the network and its claim stay, so that addresses do. */
const data = ["services", "volumes", "pods", "logs", "secrets.json", "ceph.json", "jobs.json", "addresses.json"];

/**
 * Stops all that runs in a checkout: asks its supervisor, and without one ends what an earlier one left behind.
 * @returns Names of what was stopped.
 */
export async function bringDown(state: State, purge: boolean): Promise<string[]> {
  const client = new SupervisorClient(state);
  const report = await client.status();
  const supervisor = supervisorProcess(state);
  const stopped: string[] = [];
  if (report) {
    stopped.push(...report.pods.map(({ name }) => name), ...report.services.map(({ name }) => name));
    await client.shutdown();
  }
  if (supervisor) {
    await supervisor.stop(); // it ends by itself after a shutdown
    stopped.push("the supervisor");
  }
  const registry = new ProcessRegistry(state.path("processes.json"));
  stopped.push(...registry.keys().map((key) => `${key} (left by an earlier supervisor)`));
  await registry.sweep(() => false);
  const left = registry.keys();
  if (left.length > 0) throw new CommandError(`Still running: ${left.join(", ")}. Run usdf down again.`);
  if (purge) for (const name of data) rmSync(state.path(name), { recursive: true, force: true });
  return stopped;
}
