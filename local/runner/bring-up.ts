import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, exitCodes } from "../exit";
import { tail } from "../process";
import { recordStack, type RecordedStack, vaultMark } from "../record";
import {
  ensureButlerPython,
  ensureInfluxdb,
  ensureKafka,
  ensurePostgres,
  ensureRedis,
  ensureRegistry,
  ensureRgw,
  type Progress,
} from "../services";
import type { State } from "../state";
import type { PodStatus } from "./api";
import { type BackingName, backingNames, explicitUrl } from "./backing";
import { readCeph } from "./ceph-desired";
import type { SupervisorClient } from "./client";
import { ensureSupervisor } from "./start";

/** A step of `usdf up` as a person sees it. */
export interface Step {
  readonly title: string;
  /** Does the work, and tells what it does meanwhile. The result, if any, is shown behind the title. */
  readonly run: (progress: Progress) => Promise<string | void>;
}

/** Longest wait for pods to be ready, ms. A Python child that is read from a cold disk takes the longest. */
const readyLimitMs = 120_000;

/**
 * The steps that bring a stack up on this machine. All begin at once and wait for what they need, so that the slowest (the
 * gateway, the Butler's Python) overlap.
 */
export class BringUp {
  /** What was not so before: empty when everything ran already. */
  readonly changed: string[] = [];
  private readonly supervisor: Promise<SupervisorClient>;
  private readonly recorded: Promise<RecordedStack>;
  private readonly told: Promise<SupervisorClient>;

  constructor(
    private readonly state: State,
    private readonly stack: string,
  ) {
    this.supervisor = ensureSupervisor(state);
    this.recorded = recordStack(stack);
    this.told = Promise.all([this.supervisor, this.recorded]).then(async ([client, { resources }]) => {
      await client.want({ stack, resources: resources.map(({ type, name, inputs }) => ({ type, name, inputs })) });
      return client;
    });
    for (const each of [this.supervisor, this.recorded, this.told]) each.catch(() => {}); // told by the step that waits
  }

  steps(): Step[] {
    return [
      { title: `Program of stack ${this.stack}`, run: () => this.program() },
      { title: "Redis", run: (progress) => this.once("redis", async () => void (await ensureRedis(progress))) },
      {
        title: "Butler (Python)",
        run: (progress) => this.once("butler", async () => void (await ensureButlerPython(progress))),
      },
      { title: "Backing services", run: (progress) => this.once("services", () => this.services(progress)) },
      { title: "Buckets and policies", run: () => this.once("buckets", () => this.buckets()) },
      { title: "Pods", run: (progress) => this.once("pods", () => this.pods(progress)) },
      { title: "Topics and notifications", run: () => this.once("topics", () => this.topics()) },
    ];
  }

  private async program(): Promise<string> {
    const { resources } = await this.recorded;
    await this.told;
    return `${resources.filter(({ custom }) => custom).length} objects`;
  }

  /** Installs and starts the services that the stack names, side by side. */
  private async services(progress: Progress): Promise<void> {
    const names = backingIn(await this.recorded);
    const before = await this.supervisor.then((client) => client.status());
    await Promise.all(
      names.map((name) =>
        this.once(name, async () => {
          if (!explicitUrl(name)) await ensure[name](progress);
          progress(`starting ${name}`);
          await (await this.told).startServices([name]);
          if (!before?.services.some((service) => service.name === name)) this.changed.push(`service ${name} started`);
        }),
      ),
    );
  }

  private async pods(progress: Progress): Promise<void> {
    const client = await this.told;
    // A connector that finds no Kafka would try again later and later.
    const streams = backingIn(await this.recorded).filter((name) => name === "kafka" || name === "registry");
    await Promise.all(["redis", "butler", ...streams].map((name) => this.wait(name)));
    const { changed } = await client.apply();
    this.changed.push(...changed);
    if (this.changed.length > 0) await this.setUpInfluxdb(client, progress);
    // Ready means: their dependencies answer. Those include the bucket.
    await this.wait("buckets");
    const deadline = Date.now() + readyLimitMs;
    for (;;) {
      const report = (await client.status())!;
      const waiting = report.pods.filter(({ ready, controller }) => !ready && !/Job /.test(controller));
      if (waiting.length === 0) return;
      await this.refuseHopeless(waiting, Date.now() > deadline);
      progress(`waiting for ${waiting.map(({ name }) => name).join(", ")}`);
      await sleep(100);
    }
  }

  /** Makes what the stack declares of InfluxDB now, and not when the schedule of the CronJob says so. */
  private async setUpInfluxdb(client: SupervisorClient, progress: Progress): Promise<void> {
    const { crons } = (await client.status())!;
    for (const { namespace, name } of crons.filter((cron) => /influxdb-setup$/.test(cron.name))) {
      await this.wait("influxdb");
      progress(`setting up InfluxDB: ${namespace}/${name}`);
      const result = await client.runNow(namespace, name);
      if (result === "Succeeded") continue;
      throw new CommandError(`${name} ${result}. See: usdf logs ${name}`, exitCodes.notRunning);
    }
  }

  private async buckets(): Promise<void> {
    const [client, { resources }] = await Promise.all([this.told, this.recorded]);
    await this.wait("services");
    const desired = readCeph(resources);
    if (desired.buckets.length === 0) return;
    const { makeBuckets } = await import("./ceph");
    this.changed.push(...(await makeBuckets(desired, await client.gateway())));
  }

  private async topics(): Promise<void> {
    const [client, { resources }] = await Promise.all([this.told, this.recorded]);
    const desired = readCeph(resources);
    // The receiver first: a gateway that was refused once may keep what it has until it starts again.
    await Promise.all([this.wait("buckets"), this.wait("pods")]);
    if (desired.topics.length + desired.notifications.length === 0) return;
    const { applyCeph } = await import("./ceph");
    const changed = await applyCeph({
      desired,
      rgw: await client.gateway(),
      stateFile: this.state.path("ceph.json"),
      resolveSecret: async (text) => {
        const source = vaultMark.read(text);
        return source ? client.secret(source) : text;
      },
      resolveEndpoint: (endpoint, topic) => client.pushEndpoint(endpoint, topic),
    });
    this.changed.push(...changed);
  }

  /** A pod that cannot get ready ends the wait at once, with the end of its log. */
  private async refuseHopeless(waiting: readonly PodStatus[], overdue: boolean): Promise<void> {
    const hopeless = waiting.filter(
      ({ phase, containers }) =>
        phase === "Failed" || containers.some(({ lastExit }) => lastExit?.code === exitCodes.badConfig),
    );
    const shown = overdue ? waiting : hopeless;
    if (shown.length === 0) return;
    const parts = await Promise.all(shown.map((pod) => this.complaint(pod)));
    const code = hopeless.some(({ phase }) => phase !== "Failed") ? exitCodes.badConfig : exitCodes.notRunning;
    const head = overdue ? `Not ready after ${readyLimitMs / 1000} s:` : "Cannot run:";
    throw new CommandError(`${head}\n${parts.join("\n")}`, code);
  }

  private async complaint({ name, namespace, reason, containers }: PodStatus): Promise<string> {
    const container = containers.at(-1)?.name ?? name;
    const log = await tail(this.state.path("logs", namespace, name, `${container}.log`), 8);
    return `  ${name}: ${reason ?? "no reason given"}\n${log.replace(/^/gm, "    ")}`;
  }

  /** Runs a step's work once; {@link wait} waits for it, whoever comes first. */
  private once(name: string, work: () => Promise<void>): Promise<void> {
    const gate = this.gate(name);
    return work().then(gate.open, (error) => {
      gate.fail(new CommandError(`not begun, since this failed: ${name}`));
      throw error;
    });
  }

  private wait(name: string): Promise<void> {
    return this.gate(name).opened;
  }

  private readonly gates = new Map<string, { opened: Promise<void>; open: () => void; fail: (error: Error) => void }>();

  private gate(name: string) {
    const known = this.gates.get(name);
    if (known) return known;
    let open = () => {};
    let fail = (_error: Error) => {};
    const opened = new Promise<void>((resolve, reject) => {
      open = resolve;
      fail = reject;
    });
    opened.catch(() => {});
    const gate = { opened, open, fail };
    this.gates.set(name, gate);
    return gate;
  }
}

const ensure: Record<BackingName, (progress: Progress) => Promise<unknown>> = {
  rgw: ensureRgw,
  kafka: ensureKafka,
  registry: ensureRegistry,
  postgres: ensurePostgres,
  influxdb: ensureInfluxdb,
};

/** Services that the stack's objects name, as `<name>.usdf.local`. */
export function backingIn({ resources }: Pick<RecordedStack, "resources">): BackingName[] {
  const text = JSON.stringify(resources.map(({ inputs }) => inputs));
  return backingNames.filter((name) => text.includes(`${name}.usdf.local`));
}
