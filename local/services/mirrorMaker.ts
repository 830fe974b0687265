import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startProcess, waitReady, type RunningProcess } from "../process";
import { classArchive, type ClassArchive } from "./classArchive";
import type { Progress } from "./find";
import { ensureJars } from "./jars";

/** What of a `KafkaMirrorMaker2` (v1) says what is mirrored; how it logs in and what its pods look like is left out. */
export interface MirrorMakerSpec {
  readonly target: {
    readonly alias: string;
    readonly bootstrapServers: string;
    readonly groupId: string;
    readonly configStorageTopic: string;
    readonly offsetStorageTopic: string;
    readonly statusStorageTopic: string;
    readonly config?: Readonly<Record<string, unknown>>;
  };
  readonly mirrors: readonly MirrorSpec[];
}

interface MirrorSpec {
  readonly source: {
    readonly alias: string;
    readonly bootstrapServers: string;
    readonly config?: Readonly<Record<string, unknown>>;
  };
  readonly topicsPattern?: string;
  readonly topicsExcludePattern?: string;
  readonly groupsPattern?: string;
  readonly groupsExcludePattern?: string;
  readonly sourceConnector?: ConnectorSpec;
  readonly checkpointConnector?: ConnectorSpec;
}

interface ConnectorSpec {
  readonly tasksMax?: number;
  readonly config?: Readonly<Record<string, unknown>>;
}

type Properties = Record<string, string>;

const byteArrays = "org.apache.kafka.connect.converters.ByteArrayConverter";

/** Properties of the Connect worker that the operator would run for this object. */
export function workerProperties({ target }: MirrorMakerSpec): Properties {
  return {
    "group.id": target.groupId,
    "config.storage.topic": target.configStorageTopic,
    "offset.storage.topic": target.offsetStorageTopic,
    "status.storage.topic": target.statusStorageTopic,
    "bootstrap.servers": target.bootstrapServers,
    "key.converter": byteArrays,
    "value.converter": byteArrays,
    ...strings(target.config),
  };
}

/** Configuration of each connector that the operator would create for this object, by the operator's names. */
export function mirrorConnectors({ target, mirrors }: MirrorMakerSpec): Record<string, Properties> {
  const found: Record<string, Properties> = {};
  for (const mirror of mirrors) {
    const { source, sourceConnector, checkpointConnector } = mirror;
    const clusters = {
      "source.cluster.alias": source.alias,
      "source.cluster.bootstrap.servers": source.bootstrapServers,
      ...strings(source.config, "source.cluster."),
      "target.cluster.alias": target.alias,
      "target.cluster.bootstrap.servers": target.bootstrapServers,
    };
    const patterns = strings({
      topics: mirror.topicsPattern,
      "topics.exclude": mirror.topicsExcludePattern,
      groups: mirror.groupsPattern,
      "groups.exclude": mirror.groupsExcludePattern,
    });
    const add = (kind: "Source" | "Checkpoint", connector: ConnectorSpec) => {
      found[`${source.alias}->${target.alias}.Mirror${kind}Connector`] = {
        "connector.class": `org.apache.kafka.connect.mirror.Mirror${kind}Connector`,
        "tasks.max": String(connector.tasksMax ?? 1),
        ...clusters,
        ...patterns,
        ...strings(connector.config),
      };
    };
    if (sourceConnector) add("Source", sourceConnector);
    if (checkpointConnector) add("Checkpoint", checkpointConnector);
  }
  return found;
}

/** Values as properties hold them; what is undefined or null is left out. */
function strings(values: Readonly<Record<string, unknown>> = {}, prefix = ""): Properties {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given.map(([key, value]) => [prefix + key, String(value)]));
}

/** Finds or installs Java and fetches MirrorMaker 2, once a machine. */
export const ensureMirrorMaker = (progress?: Progress) =>
  ensureJars({ what: "MirrorMaker 2", name: "mirror" }, progress);

export interface MirrorMakerOptions {
  /** Folder of its configuration and log. */
  readonly dir: string;
  /** Where its REST interface listens. */
  readonly address: string;
  /** Default 8083. */
  readonly port?: number;
  /** A declared object; its bootstrap servers must be reachable without TLS and login. */
  readonly spec: MirrorMakerSpec;
}

export interface RunningMirrorMaker {
  readonly process: RunningProcess;
  /** `RUNNING`, `FAILED: <reason>`, … of each connector and task, by `connector` or `connector/task`. */
  states(): Promise<Record<string, string>>;
  /** Ends it by the signal and starts it again; it goes on where it was. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Runs a declared MirrorMaker 2 as one Connect worker, the way the operator does: by its REST interface. */
export async function startMirrorMaker(options: MirrorMakerOptions): Promise<RunningMirrorMaker> {
  const { dir, address, port = 8083, spec } = options;
  const { java, classPath } = await ensureMirrorMaker();
  const url = `http://${address}:${port}`;
  const file = join(dir, "connect.properties");
  const logFile = join(dir, "mirror.log");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const properties = {
    ...workerProperties(spec),
    listeners: url,
    // Everything is on the class path; looking into each class of it takes seconds.
    "plugin.discovery": "service_load",
  };
  await writeFile(file, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join("")); // prettier-ignore
  const jvm = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
  const log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
  // While a broker is away its clients say so ten times a second.
  const quiet = ["-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients=error"];
  const args = [...jvm, ...log, ...quiet, "-cp", classPath, "org.apache.kafka.connect.cli.ConnectDistributed", file];
  let archive: ClassArchive;
  const begin = async () => {
    archive = classArchive(classPath, "mirror");
    const started = await startProcess({
      name: "mirror-maker",
      command: java,
      args: [...archive.args, ...args],
      logFile,
    });
    // It answers once the worker is in its group, out of which the one before may have to be timed out.
    const ready = async () => (await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })).ok;
    await waitReady(started, ready, { timeoutMs: 120_000, pollMs: 200 });
    return started;
  };
  let running = await begin();
  for (const [name, config] of Object.entries(mirrorConnectors(spec))) await putConnector(url, name, config);
  return {
    get process() {
      return running;
    },
    states: () => states(url),
    async restart(signal = "SIGTERM") {
      running.kill(signal);
      await running.stop();
      running = await begin();
    },
    async stop() {
      await running.stop(30_000); // the first one writes its archive of classes
      await archive.keep();
    },
  };
}

/** Puts a connector; while the worker joins its group it answers 409. */
async function putConnector(url: string, name: string, config: Properties): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${url}/connectors/${encodeURIComponent(name)}/config`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(config),
      signal: AbortSignal.timeout(30_000),
    });
    if (response.ok) return void (await response.arrayBuffer());
    const said = await response.text();
    if (response.status !== 409 || attempt === 60) throw new Error(`Connector ${name}: ${response.status} ${said}`);
    await sleep(250);
  }
}

async function states(url: string): Promise<Record<string, string>> {
  interface State {
    readonly state: string;
    readonly trace?: string;
  }
  type Listing = Record<string, { status: { connector: State; tasks: ({ id: number } & State)[] } }>;
  const answer = await fetch(`${url}/connectors?expand=status`, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  const say = ({ state, trace }: State) => (trace ? `${state}: ${trace.split("\n")[0]}` : state);
  return Object.fromEntries(
    Object.entries((await answer.json()) as Listing).flatMap(([name, { status }]) => [
      [name, say(status.connector)],
      ...status.tasks.map((task) => [`${name}/${task.id}`, say(task)]),
    ]),
  );
}
