import type { RgwAccess } from "../../components/ceph";
import { CommandError } from "../exit";
import { readJson, type State, writeJson } from "../state";
import type { ApplyRequest, EnvironmentOf, LocalStack, StatusReport } from "./api";
import { Backing, type BackingName, backingNames, explicitUrl } from "./backing";
import { type CephDesired, readCeph, usersOf } from "./ceph-desired";
import { controllerOf, describeStack } from "./describe";
import { Forwarder } from "./forwarder";
import { CronRun, JobRun } from "./jobs";
import { foreignTopics, makeKafkaTopics } from "./kafka-topics";
import {
  type Controller,
  type Desired,
  type JobTemplate,
  type PodTemplate,
  readDesired,
  type ScaledJob,
  type SecretSource,
  type Service,
} from "./manifest";
import { type Hosts, hostsFor, resolveNames } from "./names";
import { planPod, Pod, type PodPlan } from "./pod";
import type { PodPlace } from "./process-spec";
import { ProcessRegistry } from "./registry";
import { ScaledRun, streamLag } from "./scaled";
import { SecretStore } from "./secrets";

/** User of the local gateway who owns the buckets and topics: the camera's side. */
const owner = "usdf";

interface ServiceForward {
  readonly service: Service;
  readonly forwarders: readonly Forwarder[];
}

/**
 * Runs the recorded objects of one stack as processes of this machine, and keeps them so. For development: past one machine,
 * Kubernetes does this.
 */
export class Supervisor {
  readonly sinceMs = Date.now();
  private readonly registry: ProcessRegistry;
  private readonly backing: Backing;
  private desired: Desired = {
    controllers: [],
    services: [],
    secrets: [],
    configMaps: [],
    kafkaTopics: [],
    sharedClaims: [],
  };
  private ceph: CephDesired = { buckets: [], policies: [], topics: [], notifications: [] };
  private stack: string;
  private pods = new Map<string, Pod>();
  private crons = new Map<string, { cron: CronRun; text: string }>();
  private jobs = new Map<string, { job: JobRun; text: string }>();
  private scaled = new Map<string, { run: ScaledRun; text: string }>();
  private forwards = new Map<string, ServiceForward>();
  private queue: Promise<unknown> = Promise.resolve();
  private settled = false;

  /** @param code - Digest of the code that this process runs: another one asks it to hand over. */
  constructor(
    private readonly state: State,
    private readonly code: string,
  ) {
    this.registry = new ProcessRegistry(state.path("processes.json"));
    this.stack = "local";
    this.backing = new Backing({
      state,
      registry: this.registry,
      rgwUsers: () => this.gatewayUsers(),
      postgresPassword: () => this.secrets.postgres().password,
    });
  }

  /** Starts the services that are named, see {@link backingNames}; Kafka with the topics that the stack declares. */
  async startServices(names: readonly string[]): Promise<void> {
    const known = names.filter((name): name is BackingName => (backingNames as readonly string[]).includes(name));
    if (known.length < names.length)
      throw new CommandError(`services are ${backingNames.join(", ")}, not ${names.join(", ")}`);
    await Promise.all(
      known.map(async (name) => {
        await this.backing.start(name);
        if (name !== "kafka") return;
        const { kafkaTopics, controllers } = this.desired;
        const declared = new Set(kafkaTopics.map((topic) => topic.name));
        const others = foreignTopics(controllers).filter((topic) => !declared.has(topic.name));
        await makeKafkaTopics([this.backing.place(name)], [...kafkaTopics, ...others]);
      }),
    );
  }

  /** Takes over what a stack wants; {@link apply} makes it so. */
  want(request: ApplyRequest): Promise<void> {
    return this.inTurn(async () => {
      this.desired = readDesired(request.resources);
      this.ceph = readCeph(request.resources);
      this.stack = request.stack;
    });
  }

  /** Makes pods, Services and schedules as the stack wants them; what is so already is left alone. */
  apply(): Promise<{ changed: string[] }> {
    return this.inTurn(async () => {
      const changed = [...(await this.applyServices()), ...(await this.applyControllers())];
      await this.registry.sweep((key) => key.startsWith("service/") || this.ownsProcess(key));
      return { changed };
    });
  }

  /** Value of a secret of the local store. */
  secret(source: SecretSource): string {
    return this.secrets.value(source);
  }

  /** A push endpoint with addresses for names, as the local gateway can reach it. */
  pushEndpoint(endpoint: string, topic: string): Promise<string> {
    return this.backing.pushEndpoint(resolveNames(endpoint, this.hosts("")), topic);
  }

  /** The gateway, with the keys of the buckets' owner. */
  gateway(): RgwAccess {
    const { accessKey, secretKey } = this.secrets.s3(owner);
    return { url: this.backing.httpUrl("rgw"), accessKeyId: accessKey, secretAccessKey: secretKey };
  }

  status(): StatusReport {
    return {
      supervisor: { pid: process.pid, sinceMs: this.sinceMs, network: `${this.state.network}.0/24`, code: this.code },
      services: this.backing.status(),
      pods: this.allPods().map((pod) => pod.status()),
      crons: [...this.crons.values()].map(({ cron }) => cron.status()),
      scaled: [...this.scaled.values()].map(({ run }) => run.status()),
      forwards: [...this.forwards.values()].map(({ service }) => ({
        name: service.metadata.name,
        address: this.serviceAddress(service),
        ports: service.ports.map(({ port }) => port),
        ready: this.podsOf(service).filter((pod) => pod.ready).length,
      })),
    };
  }

  /** Where things are. @throws CommandError before a stack with an ingester was applied. */
  localStack(): Promise<LocalStack> {
    return describeStack({
      stack: this.stack,
      desired: this.desired,
      backing: this.backing,
      secrets: this.secrets,
      owner,
      variablesOf: async (controller) => (await this.plan(controller, 0)).main[0]!.process.env,
      addressOf: (service) => this.serviceAddress(service),
      resolved: (text) => resolveNames(text, this.hosts("")),
    });
  }

  /** Runs a CronJob now, whatever its schedule says, and waits for its end. @returns How it ended. */
  async runNow(namespace: string, name: string): Promise<string> {
    const found = this.crons.get(`${namespace}/${name}`);
    if (!found) throw new CommandError(`stack ${this.stack} has no CronJob ${name} in namespace ${namespace}`);
    return found.cron.runNow();
  }

  /**
   * What a component's first container runs, with its variables.
   * @param environment - Which one, where several environments have the component. Default: the first.
   */
  async environment(component: string, environment?: string): Promise<EnvironmentOf> {
    const controller = controllerOf(this.desired, this.stack, component, environment);
    const { process } = (await this.plan(controller, 0)).main[0]!;
    return { env: process.env, cwd: process.cwd, command: [process.command, ...process.args] };
  }

  /** Stops everything: Services first, so that nobody new comes, then pods, then what they stand on. */
  shutdown(): Promise<void> {
    return this.inTurn(async () => {
      await Promise.all([...this.crons.values()].map(({ cron }) => cron.stop()));
      await Promise.all([...this.jobs.values()].map(({ job }) => job.stop()));
      await Promise.all([...this.scaled.values()].map(({ run }) => run.stop()));
      // Redis goes after those who write to it.
      const [stores, others] = partition([...this.pods.values()], (pod) =>
        pod.plan.controller.startsWith("StatefulSet"),
      );
      await Promise.all(others.map((pod) => pod.stop()));
      await Promise.all(stores.map((pod) => pod.stop()));
      await Promise.all(
        [...this.forwards.values()].flatMap(({ forwarders }) => forwarders.map((each) => each.close())),
      );
      await this.backing.stop();
      await this.registry.sweep(() => false);
    });
  }

  private get secrets(): SecretStore {
    const explicit = explicitUrl("rgw");
    const [reader = owner] = usersOf(this.ceph.policies);
    return new SecretStore(this.state.path("secrets.json"), explicit?.href ?? this.backing.httpUrl("rgw"), reader);
  }

  private gatewayUsers() {
    return [owner, ...usersOf(this.ceph.policies)].map((uid) => {
      const [tenant, name] = uid.includes("$") ? uid.split("$") : [undefined, uid];
      return { uid: name!, tenant, ...this.secrets.s3(uid) };
    });
  }

  // --- Services -------------------------------------------------------------------------------------------------------

  private async applyServices(): Promise<string[]> {
    const changed: string[] = [];
    const wanted = new Map(this.desired.services.map((service) => [nameOf(service), service]));
    for (const [name, forward] of this.forwards) {
      const service = wanted.get(name);
      if (service && JSON.stringify(service) === JSON.stringify(forward.service)) continue;
      await Promise.all(forward.forwarders.map((each) => each.close()));
      this.forwards.delete(name);
      changed.push(`Service ${name} ${service ? "changed" : "removed"}`);
    }
    for (const [name, service] of wanted) {
      if (this.forwards.has(name)) continue;
      const forwarders = service.ports.map(({ targetPort }) => new Forwarder(() => this.targets(service, targetPort)));
      await Promise.all(
        forwarders.map((each, index) => each.listen(this.serviceAddress(service), service.ports[index]!.port)),
      );
      this.forwards.set(name, { service, forwarders });
      if (!changed.includes(`Service ${name} changed`)) changed.push(`Service ${name} started`);
    }
    return changed;
  }

  private targets(service: Service, targetPort: string | number) {
    return this.podsOf(service)
      .filter((pod) => pod.ready)
      .flatMap((pod) => {
        const named = () =>
          pod.plan.template.spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === targetPort)
            ?.containerPort;
        const port = typeof targetPort === "number" ? targetPort : named();
        return port ? [{ host: pod.plan.place.address, port }] : [];
      });
  }

  private podsOf({ selector, metadata }: Service): Pod[] {
    const wanted = Object.entries(selector);
    return [...this.pods.values()].filter(
      ({ plan: { place } }) =>
        wanted.length > 0 &&
        place.namespace === metadata.namespace &&
        wanted.every(([key, value]) => place.labels[key] === value),
    );
  }

  private serviceAddress(service: Service): string {
    return this.state.address(`service/${nameOf(service)}`);
  }

  private hosts(namespace: string): Hosts {
    const backing = this.backing.hosts();
    return hostsFor(namespace, this.desired.services, (service) => this.serviceAddress(service), backing);
  }

  // --- Pods -----------------------------------------------------------------------------------------------------------

  private async applyControllers(): Promise<string[]> {
    const changed: string[] = [];
    const wanted = new Map<string, PodPlan>();
    const crons = new Map<string, Controller & { kind: "CronJob" }>();
    const jobs = new Map<string, Controller & { kind: "Job" }>();
    const scaled = new Map<string, ScaledJob>();
    for (const controller of this.desired.controllers) {
      if (controller.kind === "CronJob") crons.set(nameOf(controller), controller);
      else if (controller.kind === "Job") jobs.set(nameOf(controller), controller);
      else if (controller.kind === "ScaledJob") scaled.set(nameOf(controller), controller);
      else {
        for (let index = 0; index < controller.replicas; index++) {
          const plan = await this.plan(controller, index);
          wanted.set(keyOf(plan), plan);
        }
      }
    }
    // Address by address: the old pod must have left before the new one binds.
    await Promise.all(
      [...this.pods].map(async ([key, pod]) => {
        const plan = wanted.get(key);
        if (plan?.hash === pod.plan.hash) return;
        changed.push(`pod ${pod.name} ${plan ? "changed" : "removed"}`);
        await pod.stop();
        this.pods.delete(key);
      }),
    );
    for (const [key, plan] of wanted) {
      if (this.pods.has(key)) continue;
      this.pods.set(key, this.newPod(plan));
      if (!changed.includes(`pod ${plan.place.name} changed`)) changed.push(`pod ${plan.place.name} started`);
    }
    changed.push(
      ...(await this.applyCrons(crons)),
      ...(await this.applyJobs(jobs)),
      ...(await this.applyScaled(scaled)),
    );
    return changed;
  }

  private async applyCrons(wanted: Map<string, Controller & { kind: "CronJob" }>): Promise<string[]> {
    const changed: string[] = [];
    for (const [name, { cron, text }] of this.crons) {
      const next = wanted.get(name);
      if (next && (await this.textOf(next, next.job)) === text) continue;
      await cron.stop();
      this.crons.delete(name);
      changed.push(`CronJob ${name} ${next ? "changed" : "removed"}`);
    }
    for (const [name, controller] of wanted) {
      if (this.crons.has(name)) continue;
      const text = await this.textOf(controller, controller.job);
      const isDue = () => this.isSettled();
      const cron = new CronRun(controller, (job) => this.jobPod(controller, job), isDue);
      this.crons.set(name, { cron, text });
      if (!changed.includes(`CronJob ${name} changed`)) changed.push(`CronJob ${name} scheduled`);
    }
    return changed;
  }

  /**
   * Whether every pod has been ready once. Before that a job would find no Butler yet, fail, and come back to its task only
   * minutes later.
   */
  private isSettled(): boolean {
    return (this.settled ||= [...this.pods.values()].every((pod) => pod.ready));
  }

  /** A Job runs once: again only when it is another one. */
  private async applyJobs(wanted: Map<string, Controller & { kind: "Job" }>): Promise<string[]> {
    const changed: string[] = [];
    const doneFile = this.state.path("jobs.json");
    const done = readJson<Record<string, string>>(doneFile, {});
    for (const [name, { job, text }] of this.jobs) {
      const next = wanted.get(name);
      if (next && (await this.textOf(next, next)) === text) continue;
      await job.stop();
      this.jobs.delete(name);
      changed.push(`Job ${name} removed`);
    }
    for (const [name, controller] of wanted) {
      const text = await this.textOf(controller, controller);
      if (this.jobs.has(name) || done[name] === text) continue;
      const job = new JobRun(controller, (job) => this.jobPod(controller, job));
      this.jobs.set(name, { job, text });
      void job.ended.then((result) => {
        if (result === "Succeeded") writeJson(doneFile, { ...readJson(doneFile, {}), [name]: text });
      });
      changed.push(`Job ${name} started`);
    }
    return changed;
  }

  private async applyScaled(wanted: Map<string, ScaledJob>): Promise<string[]> {
    const changed: string[] = [];
    for (const [name, { run, text }] of this.scaled) {
      const next = wanted.get(name);
      if (next && (await this.textOf(next, next.job)) === text) continue;
      await run.stop();
      this.scaled.delete(name);
      changed.push(`ScaledJob ${name} ${next ? "changed" : "removed"}`);
    }
    for (const [name, job] of wanted) {
      if (this.scaled.has(name)) continue;
      const { trigger, metadata } = job;
      const [host, port] = resolveNames(trigger.address, this.hosts(metadata.namespace)).split(":");
      const password =
        trigger.password && this.secretOf(metadata.namespace, trigger.password.name)?.[trigger.password.key];
      const lag = streamLag({ host: host!, port: Number(port), password, stream: trigger.stream, group: trigger.consumerGroup }); // prettier-ignore
      const start = async (place: number) =>
        this.newPod(await this.planTemplate(job, job.job.template, place, "Never"));
      const prefix = `pod/${metadata.namespace}/${metadata.name}-`;
      const left = this.registry.keys().filter((key) => key.startsWith(prefix));
      const taken = [...new Set(left.map((key) => Number(/^\d+/.exec(key.slice(prefix.length))?.[0] ?? NaN)))];
      const run = new ScaledRun(
        job,
        start,
        lag,
        taken.filter((place) => !Number.isNaN(place)),
      );
      this.scaled.set(name, { run, text: await this.textOf(job, job.job) });
      await run.start();
      if (!changed.includes(`ScaledJob ${name} changed`)) changed.push(`ScaledJob ${name} started`);
    }
    return changed;
  }

  /** A controller with the digest of its pod. */
  private async textOf(controller: Controller, job: JobTemplate): Promise<string> {
    const { hash } = await this.planTemplate(controller, job.template, 0, "Never");
    return JSON.stringify([controller, hash]);
  }

  /** The attempts of a job take turns in one name: one address, one log. */
  private async jobPod(controller: Controller, { template }: JobTemplate): Promise<Pod> {
    const plan = await this.planTemplate(controller, template, 0, "Never");
    return this.newPod(plan);
  }

  private newPod(plan: PodPlan): Pod {
    return new Pod(plan, this.registry, this.state.path("logs"));
  }

  private plan(controller: Controller, index: number): Promise<PodPlan> {
    const template = "job" in controller ? controller.job.template : controller.template;
    const restarts = controller.kind === "Deployment" || controller.kind === "StatefulSet";
    return this.planTemplate(controller, template, index, restarts ? "Always" : "Never");
  }

  private planTemplate(
    controller: Controller,
    template: PodTemplate,
    index: number,
    restartPolicy: PodPlan["restartPolicy"],
  ): Promise<PodPlan> {
    const { name: controllerName, namespace } = controller.metadata;
    const name = `${controllerName}-${index}`;
    const { configMaps } = this.desired;
    const place: PodPlace = {
      name,
      namespace,
      labels: template.metadata?.labels ?? {},
      address: this.state.address(`pod/${namespace}/${name}`),
      dir: this.state.path("pods", namespace, name),
      claimsDir: this.state.path("volumes"),
      ownClaims: controller.kind === "StatefulSet" ? controller.claims : [],
      sharedClaims: this.desired.sharedClaims,
      hosts: this.hosts(namespace),
      secret: (wanted) => this.secretOf(namespace, wanted),
      configMap: (wanted) => named(configMaps, namespace, wanted)?.data,
    };
    return planPod(place, template, `${controller.kind} ${controllerName}`, restartPolicy);
  }

  private secretOf(namespace: string, name: string): Record<string, string> | undefined {
    const secret = named(this.desired.secrets, namespace, name);
    return secret && this.secrets.read(secret);
  }

  private allPods(): Pod[] {
    const runs = [...this.jobs.values()].flatMap(({ job }) => job.current() ?? []);
    const crons = [...this.crons.values()].flatMap(({ cron }) => cron.pods());
    const scaled = [...this.scaled.values()].flatMap(({ run }) => run.pods());
    return [...this.pods.values(), ...runs, ...crons, ...scaled];
  }

  private ownsProcess(key: string): boolean {
    return this.allPods().some(({ plan: { place } }) => key.startsWith(`pod/${place.namespace}/${place.name}/`));
  }

  /** One change at a time, in the order asked for. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }
}

function named<T extends { metadata: { name: string; namespace: string } }>(
  all: readonly T[],
  namespace: string,
  name: string,
) {
  return all.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
}

function nameOf({ metadata }: { metadata: { name: string; namespace: string } }): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function keyOf({ place }: { place: PodPlace }): string {
  return `${place.namespace}/${place.name}`;
}

function partition<T>(all: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((item) => !test(item))];
}
