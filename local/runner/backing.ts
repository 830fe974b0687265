import { isAlive, type ProcessId, type RunningProcess } from "../process";
import {
  registryUrl,
  type RgwUser,
  type RunningKafka,
  startInfluxdbServer,
  startKafka,
  startPostgres,
  startRegistry,
  startRgw,
} from "../services";
import { type RunningRelay, startRelay } from "../relay";
import type { State } from "../state";
import type { ServiceStatus } from "./api";
import type { ProcessRegistry } from "./registry";

/** Backing services that a stack may name as `<name>.usdf.local`. (Redis is an object of the stack itself.) */
export const backingNames = ["rgw", "kafka", "registry", "postgres", "influxdb"] as const;
export type BackingName = (typeof backingNames)[number];

const ports: Record<BackingName, number> = { rgw: 7480, kafka: 9092, registry: 8081, postgres: 5432, influxdb: 8086 };

/** Databases of PostgreSQL: the Butler's registry, and the consolidated database. */
export const databases = ["butler", "consdb"] as const;

/** URL of a gateway or Kafka that runs elsewhere, from `USDF_RGW_URL` or `USDF_KAFKA_URL`: it wins. */
export function explicitUrl(name: BackingName): URL | undefined {
  if (name !== "rgw" && name !== "kafka") return undefined; // others need databases and users that we make ourselves
  const variable = `USDF_${name.toUpperCase()}_URL`;
  const text = process.env[variable];
  if (!text) return undefined;
  if (!URL.canParse(text)) throw new Error(`${variable} is not a URL; write e.g. http://ACCESS:SECRET@host:7480`);
  return new URL(text);
}

export interface BackingOptions {
  readonly state: State;
  readonly registry: ProcessRegistry;
  readonly rgwUsers: () => readonly RgwUser[];
  readonly postgresPassword: () => string;
}

interface Entry {
  status: Omit<ServiceStatus, "pids">;
  processes: () => Readonly<Record<string, RunningProcess>>;
  stop: () => Promise<void>;
  stopping: boolean;
}

/** The backing services of a checkout: started once, started again when they end, stopped with the stack. */
export class Backing {
  private readonly entries = new Map<BackingName, Entry>();
  private readonly starts = new Map<BackingName, Promise<void>>();
  private kafka: RunningKafka | undefined;
  private relay: RunningRelay | undefined;

  constructor(private readonly options: BackingOptions) {}

  /** Address of each service by the name that the stack writes. */
  hosts(): Record<string, string> {
    return Object.fromEntries(
      backingNames.flatMap((name) => {
        const explicit = explicitUrl(name);
        const host = `${name}.usdf.local`;
        if (!explicit) return [[host, this.options.state.address(name)]];
        return [
          [host, explicit.hostname],
          [`${host}:${ports[name]}`, explicit.host],
        ];
      }),
    );
  }

  /** URL of a service that speaks HTTP, without keys. */
  httpUrl(name: "rgw" | "influxdb"): string {
    return explicitUrl(name)?.origin ?? `http://${this.options.state.address(name)}:${ports[name]}`;
  }

  /** URL of the schema registry, as clients of Confluent's take it. */
  registryUrl(): string {
    return registryUrl(this.place("registry"));
  }

  /** Host and port of a service. */
  place(name: BackingName): string {
    return explicitUrl(name)?.host ?? `${this.options.state.address(name)}:${ports[name]}`;
  }

  /** Whether a service was started, or runs elsewhere. */
  has(name: BackingName): boolean {
    return this.entries.has(name);
  }

  /** Starts a service, or waits for its start. */
  async start(name: BackingName): Promise<void> {
    const running = this.starts.get(name);
    if (running) return running;
    const start = this.begin(name);
    this.starts.set(name, start);
    start.catch(() => this.starts.delete(name));
    return start;
  }

  status(): ServiceStatus[] {
    return [...this.entries.values()].map(({ status, processes }) => ({
      ...status,
      pids: Object.values(processes()).map(({ pid }) => pid),
    }));
  }

  /**
   * What a topic pushes to: `kafka://…` goes through the relay, since Debian's gateway has no Kafka endpoint; the Kafka topic
   * is made when it is not there.
   */
  async pushEndpoint(endpoint: string, topic: string): Promise<string> {
    if (!endpoint.startsWith("kafka://") || explicitUrl("rgw")) return endpoint;
    const brokers = [new URL(endpoint).host];
    this.relay ??= await startRelay({ host: this.options.state.address("relay"), brokers });
    await this.kafka?.createTopic(topic);
    return this.relay.pushEndpoint(topic);
  }

  async stop(): Promise<void> {
    await this.relay?.close();
    await Promise.allSettled(this.starts.values());
    await Promise.all(
      [...this.entries.values()].map(async (entry) => {
        entry.stopping = true;
        await entry.stop();
      }),
    );
    for (const name of this.entries.keys()) this.forget(name);
  }

  private async begin(name: BackingName): Promise<void> {
    const address = this.place(name);
    const phase = explicitUrl(name) ? "External" : "Starting";
    const entry: Entry = {
      status: { name, phase, address, restarts: this.entries.get(name)?.status.restarts ?? 0, sinceMs: Date.now() },
      processes: () => ({}),
      stop: async () => {},
      stopping: false,
    };
    this.entries.set(name, entry);
    if (phase === "External") return;
    try {
      await this.run(name, entry);
      entry.status = { ...entry.status, phase: "Running" };
    } catch (error) {
      entry.status = { ...entry.status, phase: "Failed", reason: (error as Error).message };
      throw error;
    }
    for (const [part, running] of Object.entries(entry.processes())) {
      this.options.registry.set(`service/${name}/${part}`, running, name);
    }
    this.watch(name, entry);
  }

  private async run(name: BackingName, entry: Entry): Promise<void> {
    const { state, registry } = this.options;
    const common = { dir: state.path("services", name), address: state.address(name), outlivesParent: true };
    const recorded = (part: string): ProcessId | undefined => registry.get(`service/${name}/${part}`);
    switch (name) {
      case "rgw": {
        const parts = ["mon", "osd", "radosgw"].flatMap((part) => {
          const id = recorded(part);
          return id ? [[part, id] as const] : [];
        });
        const rgw = await startRgw({ ...common, users: this.options.rgwUsers(), adopt: Object.fromEntries(parts) });
        entry.processes = () => rgw.processes;
        entry.stop = () => rgw.stop();
        break;
      }
      case "kafka": {
        const kafka = await startKafka({ ...common, adopt: recorded("kafka") });
        this.kafka = kafka;
        entry.processes = () => ({ kafka: kafka.process });
        entry.stop = () => kafka.stop();
        break;
      }
      case "postgres": {
        const password = this.options.postgresPassword();
        const postgres = await startPostgres({
          ...common,
          password,
          databases,
          extensions: ["btree_gist"],
          adopt: recorded("postgres"),
        });
        entry.processes = () => ({ postgres: postgres.process });
        entry.stop = () => postgres.stop();
        break;
      }
      case "registry": {
        const schemas = await startRegistry({ ...common, adopt: recorded("registry") });
        entry.processes = () => ({ registry: schemas.process });
        entry.stop = () => schemas.stop();
        break;
      }
      case "influxdb": {
        // Without contents: the stack's `influxdb-setup` makes what it declares.
        const influxdb = await startInfluxdbServer({ ...common, adopt: recorded("influxdb") });
        entry.processes = () => ({ influxdb: influxdb.process });
        entry.stop = () => influxdb.stop();
      }
    }
  }

  /** Starts a service again when one of its processes ends unasked. */
  private watch(name: BackingName, entry: Entry): void {
    const ends = Object.values(entry.processes()).map((running) => running.exited.then(() => running));
    void Promise.race(ends).then(async (running) => {
      const isCurrent = Object.values(entry.processes()).some((each) => each.pid === running.pid);
      if (entry.stopping || !isCurrent) return;
      entry.status = {
        ...entry.status,
        phase: "Starting",
        reason: `${running.name} ended`,
        restarts: entry.status.restarts + 1,
      };
      await entry.stop(); // the rest of it, too: Ceph's parts come up together
      this.forget(name);
      for (let delayMs = 500; !entry.stopping; delayMs = Math.min(2 * delayMs, 30_000)) {
        this.starts.delete(name);
        const failed = await this.start(name).then(() => undefined, (error: Error) => error); // prettier-ignore
        if (!failed) return;
        await new Promise((wake) => setTimeout(wake, delayMs));
      }
    });
  }

  private forget(name: BackingName): void {
    const { registry } = this.options;
    for (const key of registry.keys().filter((each) => each.startsWith(`service/${name}/`))) {
      const record = registry.get(key);
      if (record && !isAlive(record)) registry.remove(key, record);
    }
  }
}
