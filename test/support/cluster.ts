/** A real Kubernetes for tests: the control plane alone, or with a node; see test/engine/controlPlane.ts and test/cluster/node.ts. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

const shared = resolve(__dirname, "../../../shared");
const tools = join(shared, "tools");

/** Path of a tool, e.g. `host-image`. */
export const tool = (name: string) => join(tools, name);

/** Why a real engine and a real API server cannot be had here; `undefined` when they can. */
export const missing: string | undefined = !existsSync(tool("cluster"))
  ? "no Pulumi engine and API server: ../shared/tools is not there"
  : process.getuid?.() !== 0
    ? "the API server of ../shared/tools needs root"
    : undefined;

/** Folder of the Pulumi CLI, its language host and its providers. */
export const unpackTools = () =>
  (unpacked ??= execFileSync(tool("unpack"), { encoding: "utf8" }).trim().split("\n").at(-1)!);
let unpacked: string | undefined; // each look compares checksums of half a gigabyte

/** Custom resources that components declare. */
const customKinds = ["externalsecrets", "secretstores", "vaultsecrets", "podmonitors", "prometheusrules"];

/** A Kubernetes of this test alone, with the CRDs that the program's objects need. */
export abstract class Cluster {
  readonly kubeconfig: string;
  private readonly environment: NodeJS.ProcessEnv;

  /**
   * Starts it.
   * @param dir - Folder of its state, which {@link down} removes.
   * @param args - Options of `cluster up`.
   */
  protected constructor(dir: string, args: readonly string[]) {
    this.environment = { ...process.env, CLUSTER_DIR: dir };
    this.kubeconfig = this.run("up", ...args)
      .trim()
      .split("\n")
      .at(-1)!;
    try {
      this.kubectl("apply", "--server-side", ...customKinds.flatMap((kind) => ["-f", crdFile(kind)]));
    } catch (error) {
      this.down();
      throw error;
    }
  }

  /** Runs kubectl and gives what it prints. @throws Error with what kubectl says. */
  kubectl(...args: string[]): string {
    return this.kubectlWith(undefined, ...args);
  }

  /** The same with standard input, e.g. for `apply -f -`: secrets and whole objects are no arguments. */
  kubectlWith(input: string | undefined, ...args: string[]): string {
    const result = spawnSync("kubectl", ["--kubeconfig", this.kubeconfig, ...args], {
      encoding: "utf8",
      input,
      maxBuffer: 64 << 20,
      timeout: 300_000,
    });
    if (result.status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr || String(result.error)}`);
    return result.stdout;
  }

  /** Objects of the kinds (`pods,services`) of one namespace, or of all. */
  list(kinds: string, namespace?: string): any[] {
    const where = namespace === undefined ? ["--all-namespaces"] : ["--namespace", namespace];
    return JSON.parse(this.kubectl("get", kinds, ...where, "-o", "json")).items;
  }

  /** Writes the status of an object, as the controller would that is not there. */
  report({ kind, metadata }: any, status: object): void {
    const target = ["--namespace", metadata.namespace, "patch", kind, metadata.name];
    // It may be gone by now: who calls again sees what is there.
    spawnSync("kubectl", [
      ...["--kubeconfig", this.kubeconfig, ...target],
      ...["--subresource=status", "--type=merge", "--patch", JSON.stringify({ status })],
    ]);
  }

  down(): void {
    this.run("down");
  }

  /** Runs the tool that makes clusters. */
  protected run(...args: string[]): string {
    return execFileSync(tool("cluster"), args, {
      env: this.environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }
}

function crdFile(kind: string): string {
  const root = join(shared, "data/crds");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const found = files.find((file) => file.endsWith(`_${kind}.yaml`));
  if (!found) throw new Error(`no CRD of ${kind} in ${root}`);
  return join(root, found);
}
