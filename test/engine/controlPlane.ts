import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { parse, stringify } from "yaml";
import { Cluster } from "../support/cluster";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

export { missing } from "../support/cluster";

/** A real API server with its controllers. There is no node: {@link settle} says what a kubelet would say. */
export class ControlPlane extends Cluster {
  private readonly server: URL;
  private readonly token: string;
  private readonly agent = new Agent({ keepAlive: true, rejectUnauthorized: false });

  /**
   * @param dir - Folder of its state, which {@link down} removes.
   * @param contexts - Names that its kubeconfig knows it by, beside `local`.
   */
  constructor(dir: string, contexts: readonly string[] = []) {
    super(dir, ["--control-plane-only"]);
    const config = parse(readFileSync(this.kubeconfig, "utf8"));
    this.server = new URL(config.clusters[0].cluster.server);
    this.token = config.users[0].user.token;
    config.contexts.push(...contexts.map((name) => ({ ...config.contexts[0], name })));
    writeFileSync(this.kubeconfig, stringify(config), { mode: 0o600 });
  }

  /** Reports every pod as ready, gives every load balancer an address and every claim a volume. */
  async settle(): Promise<void> {
    const now = new Date().toISOString();
    const [pods, services, claims] = await Promise.all(
      ["pods", "services", "persistentvolumeclaims"].map((kinds) => this.call("GET", `/api/v1/${kinds}`)),
    );
    const reports: Promise<unknown>[] = [];
    for (const { metadata, spec, status } of pods.items) {
      if (status.phase === "Running" || metadata.deletionTimestamp) continue;
      const types = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
      const containerStatuses = spec.containers.map(({ name, image }: any) => {
        const state = { running: { startedAt: now } };
        return { name, image, imageID: "", ready: true, started: true, restartCount: 0, state };
      });
      const conditions = types.map((type) => ({ type, status: "True", lastTransitionTime: now }));
      reports.push(this.settled("pods", metadata, { phase: "Running", conditions, containerStatuses }));
    }
    for (const { metadata, spec, status } of services.items) {
      if (spec.type !== "LoadBalancer" || status.loadBalancer?.ingress) continue;
      reports.push(this.settled("services", metadata, { loadBalancer: { ingress: [{ ip: "127.0.0.9" }] } }));
    }
    for (const { metadata, spec, status } of claims.items) {
      if (status.phase !== "Pending" || metadata.deletionTimestamp) continue;
      const { accessModes, storageClassName, resources } = spec;
      const volume = { accessModes, storageClassName, capacity: resources.requests, hostPath: { path: "/nowhere" } };
      const object = { metadata: { name: `volume-${metadata.uid}` }, spec: volume };
      reports.push(this.call("POST", "/api/v1/persistentvolumes", object, [409]));
    }
    await Promise.all(reports);
  }

  private async settled(kind: string, { namespace, name }: any, status: object): Promise<void> {
    // It may be gone by now: the next turn sees what is there.
    await this.call("PATCH", `/api/v1/namespaces/${namespace}/${kind}/${name}/status`, { status }, [404, 409]);
  }

  private call(method: string, path: string, body?: object, mayBe: readonly number[] = []): Promise<any> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers = { Authorization: `Bearer ${this.token}`, "Content-Type": type };
    return new Promise((done, fail) => {
      const options = { method, headers, agent: this.agent, timeout: 20_000 };
      const call = request(new URL(path, this.server), options, (response) => {
        text(response).then((answer) => {
          const status = response.statusCode!;
          if (status < 300 || mayBe.includes(status)) done(JSON.parse(answer));
          else fail(new Error(`${method} ${path} ended with ${status}: ${answer}`));
        }, fail);
      });
      call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer in 20 s`)));
      call.once("error", fail);
      call.end(body && JSON.stringify(body));
    });
  }

  override down(): void {
    this.agent.destroy();
    super.down();
  }
}
