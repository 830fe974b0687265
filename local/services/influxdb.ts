import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { ensureInfluxdb } from "./influxdbBuild";

export interface InfluxdbServerOptions {
  /** Folder of its data and log. */
  readonly dir: string;
  readonly address: string;
  /** Default 8086. */
  readonly port?: number;
  readonly outlivesParent?: boolean;
  readonly adopt?: ProcessId;
}

export interface InfluxdbOptions extends InfluxdbServerOptions {
  /** Organisation; default `efd`. */
  readonly org?: string;
  /** Bucket, and database of InfluxQL, which nothing expires from; default `efd`. */
  readonly bucket?: string;
  /** Reads the bucket by InfluxQL with basic authentication, as in 1.x; default `efdreader`. */
  readonly username?: string;
  /** Of that user; 8 to 72 characters. */
  readonly password: string;
  /** May do everything; for writing and for Flux. */
  readonly token: string;
}

export interface RunningInfluxdbServer {
  /** `http://address:port`. */
  readonly url: string;
  readonly process: RunningProcess;
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export interface RunningInfluxdb extends RunningInfluxdbServer {
  readonly org: string;
  readonly bucket: string;
  readonly username: string;
  readonly password: string;
  readonly token: string;
  /** Writes points in line protocol with times in nanoseconds. @throws Error with the server's answer. */
  write(lines: string | Uint8Array): Promise<void>;
}

/** Longest time that one request of the set-up may take. */
const requestLimitMs = 20_000;

/** Starts an InfluxDB 2 with what its folder holds: nothing, at the first time. */
export async function startInfluxdbServer(options: InfluxdbServerOptions): Promise<RunningInfluxdbServer> {
  const { dir, address, port = 8086, outlivesParent = false, adopt } = options;
  const command = await ensureInfluxdb();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const url = `http://${address}:${port}`;
  const logFile = join(dir, "influxd.log");
  const args = Object.entries({
    "bolt-path": join(dir, "influxd.bolt"),
    "sqlite-path": join(dir, "influxd.sqlite"),
    "engine-path": join(dir, "engine"),
    "http-bind-address": `${address}:${port}`,
    "log-level": "warn",
    "query-concurrency": 64,
    "query-queue-size": 1024,
    "query-initial-memory-bytes": 2 ** 20,
    "query-memory-bytes": 2 ** 30,
    "query-max-memory-bytes": 4 * 2 ** 30,
    "reporting-disabled": true,
    "ui-disabled": true,
  }).map(([name, value]) => `--${name}=${value}`);
  const begin = async () => {
    const spec = { name: "influxdb", command, args, logFile, outlivesParent };
    const started = (adopt && adoptProcess("influxdb", adopt, logFile)) || (await startProcess(spec));
    const ready = async () => (await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) })).ok;
    await waitReady(started, ready, { timeoutMs: 60_000, pollMs: 20 });
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
      running = await begin();
    },
    stop: async () => void (await running.stop()),
  };
}

/** Starts an InfluxDB 2 with one bucket, about two seconds; it answers Flux and InfluxQL (`/query`). */
export async function startInfluxdb(options: InfluxdbOptions): Promise<RunningInfluxdb> {
  const { org = "efd", bucket = "efd", username = "efdreader", password, token } = options;
  const server = await startInfluxdbServer(options);
  const { url } = server;
  const request = async (method: string, path: string, body?: object | string | Uint8Array): Promise<unknown> => {
    const isJson = typeof body === "object" && !(body instanceof Uint8Array);
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Token ${token}`, ...(isJson && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: (isJson ? JSON.stringify(body) : body) as string }),
      signal: AbortSignal.timeout(requestLimitMs),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`InfluxDB answers ${method} ${url}${path} with ${response.status}: ${text.slice(0, 300)}`);
    return text ? JSON.parse(text) : undefined;
  };
  await setUp(request, { org, bucket, username, password, token });
  return {
    url,
    org,
    bucket,
    username,
    password,
    token,
    get process() {
      return server.process;
    },
    async write(lines) {
      const target = new URLSearchParams({ org, bucket, precision: "ns" });
      await request("POST", `/api/v2/write?${target}`, lines);
    },
    restart: (signal) => server.restart(signal),
    stop: () => server.stop(),
  };
}

type Request = (method: string, path: string, body?: object) => Promise<unknown>;

/** Each step looks first at what is there, so that a set-up which was broken off is completed by the next start. */
async function setUp(
  request: Request,
  { org, bucket, username, password, token }: Required<Pick<InfluxdbOptions, "org" | "bucket" | "username" | "password" | "token">>, // prettier-ignore
): Promise<void> {
  const { allowed } = (await request("GET", "/api/v2/setup")) as { allowed: boolean };
  if (allowed) await request("POST", "/api/v2/setup", { username: "usdf", password, org, bucket, token });
  const name = encodeURIComponent(bucket);
  const { buckets } = (await request("GET", `/api/v2/buckets?name=${name}`)) as {
    buckets: { id: string; orgID: string }[];
  };
  const { id, orgID } = buckets[0]!;
  const legacy = "/private/legacy/authorizations";
  const list = (await request("GET", `${legacy}?orgID=${orgID}`)) as {
    authorizations?: { id: string; token: string }[];
  };
  let reader = list.authorizations?.find((entry) => entry.token === username);
  if (!reader) {
    const permissions = [{ action: "read", resource: { type: "buckets", id, orgID } }];
    reader = (await request("POST", legacy, { token: username, orgID, permissions })) as { id: string; token: string };
  }
  await request("POST", `${legacy}/${reader.id}/password`, { password });
}
