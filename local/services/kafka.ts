import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { cacheDir, ensurePrograms, type Progress, type ProgramSet } from "./find";

const run = promisify(execFile);

export const javaPrograms: ProgramSet = {
  what: "Java (for Kafka)",
  programs: ["java"],
  packages: ["default-jre-headless"],
};

export const mavenPrograms: ProgramSet = { what: "Maven (for Kafka)", programs: ["mvn"], packages: ["maven"] };

/** Longest time that Maven may take for Kafka's fifty files. */
const fetchLimitMs = 600_000;

/**
 * Finds or installs Java, and fetches Kafka with Maven (a mirror is what Maven's settings say), once a machine; every file
 * is checked against its pinned SHA-256.
 * @returns The class path and the Java to use.
 */
export async function ensureKafka(progress: Progress = () => {}): Promise<{ java: string; classPath: string }> {
  const { java } = await ensurePrograms(javaPrograms, progress);
  const pins = await readFile(join(__dirname, "kafka-jars.txt"), "utf8");
  const folder = join(cacheDir, `kafka-${createHash("sha256").update(pins).digest("hex").slice(0, 12)}`);
  if (!existsSync(folder)) {
    progress("fetching Kafka with Maven (once)");
    await fetchKafka(folder, pinnedFiles(pins), progress);
  }
  return { java: java!, classPath: join(folder, "*") };
}

function pinnedFiles(pins: string): Map<string, string> {
  const lines = pins.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => line.split(/\s+/).reverse() as [name: string, sha256: string]));
}

async function fetchKafka(folder: string, pinned: Map<string, string>, progress: Progress): Promise<void> {
  const { mvn } = await ensurePrograms(mavenPrograms, progress);
  const part = `${folder}.${process.pid}`;
  await mkdir(part, { recursive: true });
  try {
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    const args = ["-B", "-q", "-f", join(__dirname, "kafka-pom.xml"), goal, `-DoutputDirectory=${part}`];
    await run(mvn!, args, { timeout: fetchLimitMs, maxBuffer: 16 * 1024 * 1024 }).catch((error) => {
      const said = String(error.stdout || error.message)
        .trim()
        .split("\n")
        .slice(0, 3)
        .join("\n");
      throw new Error(`Maven cannot fetch Kafka:\n${said}\nName a mirror that you reach in Maven's settings.xml.`);
    });
    const unknown = (await readdir(part)).filter((name) => !pinned.has(name));
    if (unknown.length > 0) throw new Error(`kafka-pom.xml resolves to ${unknown.join(", ")}: not in kafka-jars.txt`);
    for (const [name, sha256] of pinned) {
      const found = createHash("sha256")
        .update(await readFile(join(part, name)))
        .digest("hex");
      if (found !== sha256)
        throw new Error(`${name} of Kafka has SHA-256 ${found}, not the pinned ${sha256}: not used`);
    }
    // Whole or not at all; when two runs fetch at once, the second finds it there.
    await rename(part, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

export interface KafkaOptions {
  /** Folder of its data, configuration and log. */
  readonly dir: string;
  readonly address: string;
  /** Default 9092. */
  readonly port?: number;
  /** Controller's port; default 9093. */
  readonly controllerPort?: number;
  readonly outlivesParent?: boolean;
  readonly adopt?: ProcessId;
}

export interface RunningKafka {
  /** `address:port`. */
  readonly bootstrap: string;
  readonly process: RunningProcess;
  /** Creates a topic when it is not there. Brokers do not make topics by themselves here, as in production. */
  createTopic(kafkaTopic: string, partitions?: number): Promise<void>;
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one Kafka broker in KRaft mode that is its own controller, about four seconds. */
export async function startKafka(options: KafkaOptions): Promise<RunningKafka> {
  const { dir, address, port = 9092, controllerPort = 9093, outlivesParent = false, adopt } = options;
  const { java, classPath } = await ensureKafka();
  const config = join(dir, "server.properties");
  const data = join(dir, "data");
  const logFile = join(dir, "kafka.log");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const properties = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@${address}:${controllerPort}`,
    listeners: `PLAINTEXT://${address}:${port},CONTROLLER://${address}:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://${address}:${port}`,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": data,
    "num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    // A broker that was killed may come back after this long, not after 9 s.
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 500,
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": false,
    "controlled.shutdown.enable": false,
  };
  const text = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  await writeFile(config, text.join(""));
  // A small heap, no second compiler: it starts in half the time.
  const jvm = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
  const log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
  const args = [...jvm, ...log, "-cp", classPath];
  if (!existsSync(join(data, "meta.properties"))) {
    await rm(data, { recursive: true, force: true });
    const clusterId = randomBytes(16).toString("base64url");
    await run(java, [...args, "kafka.tools.StorageTool", "format", `--cluster-id=${clusterId}`, "-c", config]);
  }
  const begin = async () => {
    const spec = { name: "kafka", command: java, args: [...args, "kafka.Kafka", config], logFile, outlivesParent };
    const started = (adopt && adoptProcess("kafka", adopt, logFile)) || (await startProcess(spec));
    await waitReady(started, () => kafkaAnswers(address, port), { timeoutMs: 60_000, pollMs: 100 });
    return started;
  };
  let running = await begin();
  return {
    bootstrap: `${address}:${port}`,
    get process() {
      return running;
    },
    async createTopic(kafkaTopic, partitions = 1) {
      const { Kafka, logLevel } = await import("kafkajs");
      const kafka = new Kafka({ brokers: [`${address}:${port}`], clientId: "usdf", logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      try {
        await admin.createTopics({ topics: [{ topic: kafkaTopic, numPartitions: partitions }], waitForLeaders: true });
      } finally {
        await admin.disconnect();
      }
    },
    async restart(signal = "SIGTERM") {
      running.kill(signal);
      await running.stop();
      running = await begin();
    },
    stop: async () => void (await running.stop()),
  };
}

/** True when a broker answers an ApiVersions request (key 18, version 0). */
function kafkaAnswers(address: string, port: number): Promise<boolean> {
  const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => socket.write(request));
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
