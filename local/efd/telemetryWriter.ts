import { Agent, request } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { backoffMs, sleep } from "../../workloads/src/lib/process";

/** The InfluxDB 2 that is written to. */
export interface InfluxTarget {
  /** `http://host:8086`. */
  readonly url: string;
  readonly org: string;
  readonly bucket: string;
  readonly token: string;
}

export interface WriteOptions {
  /** Requests at the same time. Default 4. */
  readonly concurrency?: number;
  /** Compresses what is sent; on one machine that costs more than it saves. Default false. */
  readonly compress?: boolean;
  readonly onProgress?: (written: Written) => void;
}

export interface Written {
  /** Bytes of line protocol. */
  readonly bytes: number;
  readonly requests: number;
}

const attempts = 6;
const requestMs = 60_000;
const gzipAsync = promisify(gzip);

/**
 * Writes batches of line protocol with times in ns; a batch that the server does not take is tried again, six times in all.
 * @throws Error with the server's words for a batch that it refuses.
 */
export async function writeTelemetry(
  target: InfluxTarget,
  batches: Iterable<Buffer>,
  { concurrency = 4, compress = false, onProgress }: WriteOptions = {},
): Promise<Written> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const iterator = batches[Symbol.iterator]();
  let written: Written = { bytes: 0, requests: 0 };
  let failed = false;
  const worker = async () => {
    while (!failed) {
      const next = iterator.next();
      if (next.done) return;
      const body = compress ? await gzipAsync(next.value, { level: 1 }) : next.value;
      await writeBatch(target, body, compress, agent);
      written = { bytes: written.bytes + next.value.length, requests: written.requests + 1 };
      onProgress?.(written);
    }
  };
  try {
    const workers = Array.from({ length: concurrency }, () =>
      worker().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    );
    const results = await Promise.allSettled(workers);
    const fault = results.find((result) => result.status === "rejected");
    if (fault) throw fault.reason;
  } finally {
    agent.destroy();
  }
  return written;
}

async function writeBatch(target: InfluxTarget, body: Buffer, compressed: boolean, agent: Agent): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await post(target, body, compressed, agent).catch((error: Error) => ({
      status: 0,
      text: error.message,
    }));
    if (answer.status === 204) return;
    const isLasting = answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429;
    if (isLasting || attempt === attempts) {
      const what = answer.status === 0 ? answer.text : `${answer.status} ${answer.text.slice(0, 200)}`;
      throw new Error(
        `InfluxDB at ${target.url} did not take telemetry (${attempt} ${attempt === 1 ? "try" : "tries"}): ${what}`,
      );
    }
    await sleep(backoffMs(attempt, 100, 2_000));
  }
}

function post(
  { url, org, bucket, token }: InfluxTarget,
  body: Buffer,
  compressed: boolean,
  agent: Agent,
): Promise<{ status: number; text: string }> {
  const query = new URLSearchParams({ org, bucket, precision: "ns" });
  const headers = {
    authorization: `Token ${token}`,
    "content-type": "text/plain; charset=utf-8",
    "content-length": body.length,
    ...(compressed ? { "content-encoding": "gzip" } : {}),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${url}/api/v2/write?${query.toString()}`,
      { method: "POST", agent, headers, signal: AbortSignal.timeout(requestMs) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString().trim() }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
