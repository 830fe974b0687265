import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

const shared = resolve(__dirname, "../../../shared");
const tools = join(shared, "tools");

/** Why a real engine and a real API server cannot be had here; `undefined` when they can. */
export const missing: string | undefined = !existsSync(join(tools, "cluster"))
  ? "no Pulumi engine and API server: ../shared/tools is not there"
  : process.getuid?.() !== 0
    ? "the API server of ../shared/tools needs root"
    : undefined;

/** Folder of the Pulumi CLI, its language host and its providers. */
export const unpackTools = () => execFileSync(join(tools, "unpack"), { encoding: "utf8" }).trim().split("\n").at(-1)!;

/** A real API server with its controllers. There is no node: {@link settle} says what a kubelet would say. */
export class ControlPlane {
  readonly kubeconfig: string;
  private readonly environment: NodeJS.ProcessEnv;

  constructor(dir: string) {
    this.environment = { ...process.env, CLUSTER_DIR: dir };
    const output = execFileSync(join(tools, "cluster"), ["up", "--control-plane-only"], {
      env: this.environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.kubeconfig = output.trim().split("\n").at(-1)!;
    for (const kind of ["externalsecrets", "podmonitors", "prometheusrules"]) {
      this.kubectl("apply", "--server-side", "-f", crdFile(kind));
    }
  }

  kubectl(...args: string[]): string {
    const result = spawnSync("kubectl", ["--kubeconfig", this.kubeconfig, ...args], { encoding: "utf8" });
    if (result.status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  }

  list(kinds: string): any[] {
    return JSON.parse(this.kubectl("get", kinds, "--all-namespaces", "-o", "json")).items;
  }

  /** Reports every pod as ready and gives every load balancer an address. */
  settle(): void {
    const now = new Date().toISOString();
    for (const object of this.list("pods,services")) {
      const { kind, metadata, spec, status } = object;
      if (kind === "Pod" && status.phase !== "Running" && !metadata.deletionTimestamp) {
        const types = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
        this.report(object, {
          phase: "Running",
          conditions: types.map((type) => ({ type, status: "True", lastTransitionTime: now })),
          containerStatuses: spec.containers.map(({ name, image }: any) => {
            const state = { running: { startedAt: now } };
            return { name, image, imageID: "", ready: true, started: true, restartCount: 0, state };
          }),
        });
      }
      if (kind === "Service" && spec.type === "LoadBalancer" && !status.loadBalancer?.ingress) {
        this.report(object, { loadBalancer: { ingress: [{ ip: "127.0.0.9" }] } });
      }
    }
  }

  private report({ kind, metadata }: any, status: object): void {
    const target = ["--namespace", metadata.namespace, "patch", kind, metadata.name];
    // A pod may be gone by now: the next turn sees what is there.
    spawnSync("kubectl", [
      ...["--kubeconfig", this.kubeconfig, ...target],
      ...["--subresource=status", "--type=merge", "--patch", JSON.stringify({ status })],
    ]);
  }

  down(): void {
    execFileSync(join(tools, "cluster"), ["down"], { env: this.environment, stdio: "ignore" });
  }
}

function crdFile(kind: string): string {
  const root = join(shared, "data/crds");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const found = files.find((file) => file.endsWith(`_${kind}.yaml`));
  if (!found) throw new Error(`no CRD of ${kind} in ${root}`);
  return join(root, found);
}
