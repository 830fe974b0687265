import { connect } from "node:net";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { ensurePrograms, type Progress, type ProgramSet } from "./find";

export const redisPrograms: ProgramSet = {
  what: "Redis",
  programs: ["redis-server", "redis-cli"],
  packages: ["redis-server"],
};

/** Finds or installs Redis. */
export const ensureRedis = (progress?: Progress) => ensurePrograms(redisPrograms, progress);

export interface RedisOptions {
  /** Folder of its data (append-only file) and log. */
  readonly dir: string;
  readonly address: string;
  /** Default 6379. */
  readonly port?: number;
  /** None by default. */
  readonly password?: string;
  readonly outlivesParent?: boolean;
  readonly adopt?: ProcessId;
}

export interface RunningRedis {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  readonly process: RunningProcess;
  /** Ends it (`SIGTERM`, or as told) and starts it again on the same data. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a Redis that writes each change to disk before it answers. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  const { dir, address, port = 6379, password, outlivesParent = false, adopt } = options;
  const programs = await ensureRedis();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = join(dir, "redis.conf");
  const lines = [
    `bind ${address}`,
    `port ${port}`,
    `dir ${dir}`,
    "appendonly yes",
    "appendfsync always",
    'save ""',
    "maxmemory-policy noeviction",
    ...(password === undefined ? ["protected-mode no"] : [`requirepass ${password}`]),
  ];
  await writeFile(config, `${lines.join("\n")}\n`, { mode: 0o600 });
  const logFile = join(dir, "redis.log");
  const begin = async () => {
    const spec = { name: "redis", command: programs["redis-server"]!, args: [config], logFile, outlivesParent };
    const started = (adopt && adoptProcess("redis", adopt, logFile)) || (await startProcess(spec));
    await waitReady(started, () => redisAnswers(address, port), { timeoutMs: 20_000, pollMs: 20 });
    return started;
  };
  let running = await begin();
  return {
    host: address,
    port,
    password,
    get process() {
      return running;
    },
    async restart(signal = "SIGTERM") {
      running.kill(signal);
      await running.stop();
      running = await begin();
    },
    stop: async () => void (await running.stop()),
  };
}

/** True when a server answers PING there and has loaded its data; a refused password is an answer too. */
export function redisAnswers(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => end(/^\+PONG|^-NOAUTH/.test(data.toString())));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
