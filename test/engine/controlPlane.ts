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

/** A real API server with its controllers. There is no node: this says what a kubelet would say, and others beside it. */
export class ControlPlane extends Cluster {
  /** What waits to become ready, by uid: how it becomes so. */
  private readonly waiting = new Map<string, () => Promise<unknown>>();
  private isSettling = true;

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
    this.settleEach("pods?fieldSelector=status.phase=Pending", () => true, this.runPod);
    const hasNoAddress = ({ status }: any) => !status.loadBalancer?.ingress;
    this.settleEach("services?fieldSelector=spec.type=LoadBalancer", hasNoAddress, this.giveAddress);
    this.settleEach("persistentvolumeclaims", ({ status }) => status.phase === "Pending", this.giveVolume);
  }

  /** Whether pods become ready or, of a Job, done, load balancers get an address and claims a volume: at once. */
  set settles(does: boolean) {
    this.isSettling = does;
    if (does) for (const settle of this.waiting.values()) void settle();
  }

  private settleEach(which: string, waits: (object: any) => boolean, settle: (object: any) => Promise<unknown>): void {
    this.watch(`/api/v1/${which}`, (type, object) => {
      const { uid, deletionTimestamp } = object.metadata;
      this.waiting.delete(uid);
      if (type === "DELETED" || deletionTimestamp || !waits(object)) return;
      this.waiting.set(uid, () => settle(object).catch(console.error));
      if (this.isSettling) void this.waiting.get(uid)!();
    });
  }

  private readonly runPod = ({ metadata, spec }: any): Promise<void> => {
    if (metadata.ownerReferences?.[0]?.kind === "Job") return this.report("pods", metadata, { phase: "Succeeded" });
    const now = new Date().toISOString();
    const types = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
    const containerStatuses = spec.containers.map(({ name, image }: any) => {
      const state = { running: { startedAt: now } };
      return { name, image, imageID: "", ready: true, started: true, restartCount: 0, state };
    });
    const conditions = types.map((type) => ({ type, status: "True", lastTransitionTime: now }));
    return this.report("pods", metadata, { phase: "Running", conditions, containerStatuses });
  };

  private readonly giveAddress = ({ metadata }: any): Promise<void> =>
    this.report("services", metadata, { loadBalancer: { ingress: [{ ip: "127.0.0.9" }] } });

  private readonly giveVolume = ({ metadata: { namespace, name, uid }, spec }: any): Promise<void> => {
    const { accessModes, storageClassName, resources } = spec;
    // For this claim only: a smaller one would take the volume of a larger one, which then waits for ever.
    const claimRef = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid };
    const hostPath = { path: "/nowhere" };
    const volume = { accessModes, storageClassName, capacity: resources.requests, hostPath, claimRef };
    const object = { metadata: { name: `volume-${uid}` }, spec: volume };
    return this.call("POST", "/api/v1/persistentvolumes", object, [409]);
  };
}
