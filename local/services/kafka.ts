import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { classArchive, type ClassArchive } from "./classArchive";
import type { Progress } from "./find";
import { ensureJars } from "./jars";

/**
 * Finds or installs Java and fetches Kafka, once a machine.
 * @returns The class path and the Java to use.
 */
export const ensureKafka = (progress?: Progress) => ensureJars({ what: "Kafka", name: "kafka" }, progress);

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
  const formatted = join(data, "meta.properties");
  if (!existsSync(formatted)) {
    await rm(data, { recursive: true, force: true });
    await mkdir(data, { mode: 0o700 });
    // What `kafka.tools.StorageTool format` writes, without another start of Java.
    const clusterId = randomBytes(16).toString("base64url");
    await writeFile(formatted, `version=1\ncluster.id=${clusterId}\nnode.id=1\n`);
  }
  let archive: ClassArchive;
  const begin = async () => {
    archive = classArchive(classPath, "broker", outlivesParent);
    const all = [...archive.args, ...args, "kafka.Kafka", config];
    const spec = { name: "kafka", command: java, args: all, logFile, outlivesParent };
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
      const { Kafka, logLevel } = await import("../../workloads/src/lib/kafkajs");
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
    async stop() {
      await running.stop();
      await archive.keep();
    },
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
