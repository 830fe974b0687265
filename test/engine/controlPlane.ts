import { readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { Cluster, openDefinition } from "../support/cluster";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

export { missing } from "../support/cluster";

/** Custom resources of Kafka and what stands around it. */
export const strimziKinds =
  "kafka kafkanodepool kafkatopic kafkauser kafkaconnect kafkaconnector kafkamirrormaker2 kafkabridge kafkarebalance".split(
    " ",
  );

/** Custom resources of prompt processing, beside those of Kafka. */
export const promptKinds =
  "scaledjobs scaledobjects triggerauthentications clusters databases poolers scheduledbackups".split(" ");

/** A real API server with its controllers. There is no node: {@link settle} says what a kubelet would say. */
export class ControlPlane extends Cluster {
  /**
   * @param dir - Folder of its state, which {@link down} removes.
   * @param contexts - Names that its kubeconfig knows it by, beside `local`.
   */
  constructor(dir: string, contexts: readonly string[] = []) {
    super(dir, ["--control-plane-only"], [...strimziKinds, ...promptKinds, "certificates"]);
    this.apply(openDefinition("barmancloud.cnpg.io", "v1", "ObjectStore")); // of a plugin that is not here
    const config = parse(readFileSync(this.kubeconfig, "utf8"));
    config.contexts.push(...contexts.map((name) => ({ ...config.contexts[0], name })));
    writeFileSync(this.kubeconfig, stringify(config), { mode: 0o600 });
  }

  /** Reports every pod as ready, one of a Job as done, gives every load balancer an address and every claim a volume. */
  async settle(): Promise<void> {
    const now = new Date().toISOString();
    const [pods, services, claims] = await Promise.all(
      // From the API server's cache: what is a moment old is told again the next time.
      [
        "pods?fieldSelector=status.phase=Pending&",
        "services?fieldSelector=spec.type=LoadBalancer&",
        "persistentvolumeclaims?",
      ].map((which) => this.call("GET", `/api/v1/${which}resourceVersion=0`)),
    );
    const reports: Promise<unknown>[] = [];
    for (const { metadata, spec } of pods.items) {
      if (metadata.deletionTimestamp) continue;
      if (metadata.ownerReferences?.[0]?.kind === "Job") {
        reports.push(this.report("pods", metadata, { phase: "Succeeded" }));
        continue;
      }
      const types = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
      const containerStatuses = spec.containers.map(({ name, image }: any) => {
        const state = { running: { startedAt: now } };
        return { name, image, imageID: "", ready: true, started: true, restartCount: 0, state };
      });
      const conditions = types.map((type) => ({ type, status: "True", lastTransitionTime: now }));
      reports.push(this.report("pods", metadata, { phase: "Running", conditions, containerStatuses }));
    }
    for (const { metadata, status } of services.items) {
      if (status.loadBalancer?.ingress) continue;
      reports.push(this.report("services", metadata, { loadBalancer: { ingress: [{ ip: "127.0.0.9" }] } }));
    }
    for (const { metadata, spec, status } of claims.items) {
      if (status.phase !== "Pending" || metadata.deletionTimestamp) continue;
      const { accessModes, storageClassName, resources } = spec;
      const { namespace, name, uid } = metadata;
      // For this claim only: a smaller one would take the volume of a larger one, which then waits for ever.
      const claimRef = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid };
      const hostPath = { path: "/nowhere" };
      const volume = { accessModes, storageClassName, capacity: resources.requests, hostPath, claimRef };
      const object = { metadata: { name: `volume-${uid}` }, spec: volume };
      reports.push(this.call("POST", "/api/v1/persistentvolumes", object, [409]));
    }
    await Promise.all(reports);
  }
}
