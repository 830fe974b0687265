import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { classArchive, type ClassArchive } from "./classArchive";
import { cacheDir, ensurePrograms, type Progress } from "./find";
import { javaPrograms, mavenPrograms } from "./jars";
import { withLock } from "./lock";

const run = promisify(execFile);

/** Apicurio Registry: a schema registry that is free and speaks Confluent's API. */
const version = "3.0.9";
const sha256 = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43";
const jar = `apicurio-registry-app-${version}-runner.jar`;

/** Longest time that Maven may take for its 104 MB. */
const fetchLimitMs = 600_000;

/**
 * Finds or installs Java, and fetches the schema registry with Maven, once a machine; the file is checked against its pinned
 * SHA-256.
 * @returns The Java to use and the registry's folder.
 */
export async function ensureRegistry(progress: Progress = () => {}): Promise<{ java: string; folder: string }> {
  const { java } = await ensurePrograms(javaPrograms, progress);
  const folder = join(cacheDir, `registry-${version}-${sha256.slice(0, 12)}`);
  if (!existsSync(folder)) {
    await mkdir(cacheDir, { recursive: true });
    await withLock(`${folder}.lock`, async () => {
      if (existsSync(folder)) return;
      progress("fetching the schema registry with Maven (once, 104 MB)");
      await fetchRegistry(folder, progress);
    });
  }
  return { java: java!, folder };
}

async function fetchRegistry(folder: string, progress: Progress): Promise<void> {
  const { mvn } = await ensurePrograms(mavenPrograms, progress);
  const part = `${folder}.${randomBytes(4).toString("hex")}`;
  const unpacked = join(part, "unpacked");
  await mkdir(unpacked, { recursive: true });
  try {
    // Version 2 of the plugin: the artifact's parent is not in Maven's repository, and later ones read it without need.
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:2.10:copy";
    const artifact = `-Dartifact=io.apicurio:apicurio-registry-app:${version}:tar.gz:all`;
    const args = ["-B", "-q", goal, artifact, `-DoutputDirectory=${part}`];
    await run(mvn!, args, { timeout: fetchLimitMs, maxBuffer: 16 * 1024 * 1024, cwd: part }).catch((error) => {
      const said = String(error.stdout || error.message).trim().split("\n").slice(0, 3).join("\n"); // prettier-ignore
      throw new Error(
        `Maven cannot fetch the schema registry:\n${said}\nName a mirror that you reach in Maven's settings.xml.`,
      );
    });
    const file = join(part, `apicurio-registry-app-${version}-all.tar.gz`);
    const found = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    if (found !== sha256)
      throw new Error(`The schema registry's archive has SHA-256 ${found}, not the pinned ${sha256}: not used`);
    await run("tar", ["-xzf", file, "-C", unpacked, "--no-same-owner"]);
    await rename(unpacked, folder); // whole or not at all
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

export interface RegistryServiceOptions {
  /** Folder of its database and log. */
  readonly dir: string;
  readonly address: string;
  /** Default 8081. */
  readonly port?: number;
  /** Keeps its schemas in a topic, as Confluent's does, instead of a database in `dir`. */
  readonly journal?: {
    /** Bootstrap servers, without TLS and login. */
    readonly bootstrap: string;
    /** Default `kafkasql-journal`. */
    readonly kafkaTopic?: string;
  };
  readonly outlivesParent?: boolean;
  readonly adopt?: ProcessId;
}

export interface RunningRegistry {
  /** What clients of a Confluent registry are told, `http://address:port/apis/ccompat/v7`. */
  readonly url: string;
  readonly process: RunningProcess;
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Where a registry at an address answers as Confluent's does. */
export const registryUrl = (host: string): string => `http://${host}/apis/ccompat/v7`;

/**
 * Starts a schema registry with Confluent's API, about two seconds. A schema that was acknowledged is there after a restart,
 * also after SIGKILL.
 */
export async function startRegistry(options: RegistryServiceOptions): Promise<RunningRegistry> {
  const { dir, address, port = 8081, journal, outlivesParent = false, adopt } = options;
  const { java, folder } = await ensureRegistry();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const url = registryUrl(`${address}:${port}`);
  const logFile = join(dir, "registry.log");
  const properties: Record<string, string | number> = {
    "quarkus.http.host": address,
    "quarkus.http.port": port,
    "quarkus.http.access-log.enabled": "false",
    'quarkus.log.category."io.apicurio".level': "WARN",
    // Each connection of the pool costs time at the start.
    "apicurio.datasource.jdbc.initial-size": 1,
    "apicurio.datasource.jdbc.min-size": 1,
    "apicurio.datasource.jdbc.max-size": 16,
    // An answer to GET /subjects is cut off there, silently.
    "apicurio.ccompat.max-subjects": 100_000,
    ...(journal
      ? {
          "apicurio.storage.kind": "kafkasql",
          "apicurio.kafkasql.bootstrap.servers": journal.bootstrap,
          "apicurio.kafkasql.topic": journal.kafkaTopic ?? "kafkasql-journal",
          "apicurio.storage.snapshot.location": dir,
        }
      : // Without the delay of writes, of half a second, which a process that is killed would lose.
        { "apicurio.datasource.url": `jdbc:h2:file:${join(dir, "schemas")};WRITE_DELAY=0` }),
  };
  const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"];
  const told = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
  let archive: ClassArchive;
  const begin = async () => {
    archive = classArchive(join(folder, "*"), "registry", outlivesParent);
    const args = [...archive.args, ...jvm, ...told, `-Djava.io.tmpdir=${dir}`, "-jar", join(folder, jar)];
    const spec = { name: "registry", command: java, args, cwd: dir, logFile, outlivesParent };
    const started = (adopt && adoptProcess("registry", adopt, logFile)) || (await startProcess(spec));
    const ready = async () => (await fetch(`${url}/config`, { signal: AbortSignal.timeout(2_000) })).ok;
    await waitReady(started, ready, { timeoutMs: 90_000, pollMs: 50 });
    return started;
  };
  let running = await begin();
  return {
    url,
    get process() {
      return running;
    },
    async restart(signal = "SIGTERM") {
      running.kill(signal);
      await running.stop();
      await archive.keep();
      running = await begin();
    },
    async stop() {
      await running.stop();
      await archive.keep();
    },
  };
}
