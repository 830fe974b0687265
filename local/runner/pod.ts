import { join } from "node:path";
import type { PodStatus } from "./api";
import { ContainerRun, type ContainerStatus } from "./container";
import { type LocalImage, localImage } from "./images";
import type { Container, PodTemplate } from "./manifest";
import { type ContainerProcess, containerProcess, makeVolumes, podHash, type PodPlace } from "./process-spec";
import type { ProcessRegistry } from "./registry";

/** A pod with every reference resolved: what to run, and its digest. */
export interface PodPlan {
  readonly place: PodPlace;
  readonly template: PodTemplate;
  /** `Deployment embargo-butler-enqueue`. */
  readonly controller: string;
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  readonly init: readonly PlannedContainer[];
  readonly main: readonly PlannedContainer[];
  readonly hash: string;
}
interface PlannedContainer {
  readonly container: Container;
  readonly process: ContainerProcess;
}

/**
 * Resolves a pod.
 * @throws UnknownImage, DanglingReference
 */
export async function planPod(
  place: PodPlace,
  template: PodTemplate,
  controller: string,
  restartPolicy: PodPlan["restartPolicy"],
): Promise<PodPlan> {
  const { spec } = template;
  const images: LocalImage[] = [];
  const plan = async (container: Container): Promise<PlannedContainer> => {
    const image = await localImage(container.image);
    images.push(image);
    return { container, process: containerProcess(container, spec, place, image) };
  };
  const init: PlannedContainer[] = [];
  for (const container of spec.initContainers ?? []) init.push(await plan(container));
  const main: PlannedContainer[] = [];
  for (const container of spec.containers) main.push(await plan(container));
  const processes = [...init, ...main].map(({ process }) => process);
  return { place, template, controller, restartPolicy, init, main, hash: podHash(spec, processes, images) };
}

/** A pod on this machine: volumes, init containers one after the other, then its containers side by side. */
export class Pod {
  private readonly sinceMs = Date.now();
  private containers: ContainerRun[] = [];
  private phase: PodStatus["phase"] = "Pending";
  private reason: string | undefined;
  private stopped = false;
  /** Settles when every container has ended for good: true when all of them ended well. */
  readonly ended: Promise<boolean>;

  constructor(
    readonly plan: PodPlan,
    private readonly registry: ProcessRegistry,
    private readonly logsDir: string,
  ) {
    this.ended = this.run().catch((error: Error) => {
      this.phase = "Failed";
      this.reason = error.message;
      return false;
    });
  }

  get name(): string {
    return this.plan.place.name;
  }

  /** Whether Services send clients here. */
  get ready(): boolean {
    return this.phase === "Running" && this.containers.every((container) => container.status().ready);
  }

  status(): PodStatus {
    const { place, controller } = this.plan;
    const containers: ContainerStatus[] = this.containers.map((container) => container.status());
    return {
      name: place.name,
      namespace: place.namespace,
      controller,
      phase: this.phase,
      ready: this.ready,
      restarts: containers.reduce((sum, { restarts }) => sum + restarts, 0),
      address: place.address,
      sinceMs: this.sinceMs,
      reason: this.reason ?? containers.find(({ reason }) => reason)?.reason,
      containers,
    };
  }

  /** Asks every container to end, and kills after the grace period of the pod. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.phase !== "Succeeded" && this.phase !== "Failed") this.phase = "Terminating";
    await Promise.all(this.containers.map((container) => container.stop()));
    await this.ended;
  }

  private async run(): Promise<boolean> {
    const { plan } = this;
    // The volumes of a pod that runs already (under an earlier supervisor) are in use: they stay.
    const isAdopted = plan.main.some(({ container }) => this.registry.get(this.key(container))?.hash === plan.hash);
    if (!isAdopted) {
      makeVolumes(plan.template.spec, plan.place);
      for (const planned of plan.init) {
        // An init container is tried again until it succeeds, unless the pod shall never be.
        const run = this.start(planned, plan.restartPolicy === "Never" ? "Never" : "OnFailure", true);
        this.containers = [run];
        const exit = await run.ended;
        if (this.stopped || exit.code !== 0) {
          this.phase = "Failed";
          this.reason = `init container ${planned.container.name} ended with ${exit.signal ?? `code ${exit.code}`}`;
          return false;
        }
      }
    }
    if (this.stopped) return false;
    this.containers = plan.main.map((planned) => this.start(planned, plan.restartPolicy, false));
    this.phase = "Running";
    const exits = await Promise.all(this.containers.map((container) => container.ended));
    const succeeded = exits.every(({ code }) => code === 0);
    this.phase = succeeded ? "Succeeded" : "Failed";
    return succeeded;
  }

  private start({ container, process }: PlannedContainer, restartPolicy: PodPlan["restartPolicy"], isInit: boolean) {
    const { place, hash, template } = this.plan;
    // An init container has no probes of its own in this runner.
    const probes = isInit ? { startupProbe: undefined, livenessProbe: undefined, readinessProbe: undefined } : {};
    return new ContainerRun({
      container: { ...container, ...probes },
      process,
      address: place.address,
      logFile: join(this.logsDir, place.namespace, place.name, `${container.name}.log`),
      registry: this.registry,
      key: this.key(container),
      hash,
      restartPolicy,
      graceMs: (template.spec.terminationGracePeriodSeconds ?? 30) * 1000,
    });
  }

  private key(container: Container): string {
    return `pod/${this.plan.place.namespace}/${this.name}/${container.name}`;
  }
}
