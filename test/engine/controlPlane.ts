import { Cluster } from "../support/cluster";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

export { missing, unpackTools } from "../support/cluster";

/** A real API server with its controllers. There is no node: {@link settle} says what a kubelet would say. */
export class ControlPlane extends Cluster {
  constructor(dir: string) {
    super(dir, ["--control-plane-only"]);
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
}
