import { execFileSync } from "node:child_process";
import { Cluster } from "../support/cluster";

export { missing } from "../support/cluster";

/**
 * A real Kubernetes of one node on this machine: pods run, Services route, cluster DNS answers, Pod Security is enforced.
 * NetworkPolicies are stored and not enforced; there is no load-balancer controller, see {@link balance}, and no image
 * registry, see {@link load}.
 */
export class Node extends Cluster {
  /** Address of the machine at which pods reach what runs on it; the node's own. */
  readonly address = machineAddress();

  /** Starts it, about ten seconds. @param dir - Folder of its state, which {@link down} removes. */
  constructor(dir: string) {
    super(dir, []);
  }

  /** Brings an image (docker-archive tar) into the node. */
  load(tar: string): void {
    this.run("load", tar);
  }

  /**
   * Gives every load balancer that has no address its own ClusterIP as address: from the machine a ClusterIP answers,
   * so what is published there is what a client reaches.
   */
  async balance(): Promise<void> {
    for (const { metadata, spec, status } of (await this.call("GET", "/api/v1/services")).items) {
      if (spec.type !== "LoadBalancer" || status.loadBalancer?.ingress) continue;
      await this.report("services", metadata, { loadBalancer: { ingress: [{ ip: spec.clusterIP }] } });
    }
  }

  /** Log of a container, its earlier run included where there was one; for messages of failed tests. */
  logs(namespace: string, selector: string, tail = 40): string {
    const args = ["logs", "--namespace", namespace, "--selector", selector, "--all-containers", "--prefix"];
    return this.kubectl(...args, `--tail=${tail}`);
  }
}

/** Address of this machine that the node takes as its own, and pods reach: the first one. */
export function machineAddress(): string {
  const [first] = execFileSync("hostname", ["-I"], { encoding: "utf8" }).trim().split(/\s+/);
  if (!first) throw new Error("This machine has no address beside its loopback: pods could reach nothing on it.");
  return first;
}
