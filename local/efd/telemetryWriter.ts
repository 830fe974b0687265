import { HttpError, InfluxDB, setLogger } from "@influxdata/influxdb-client";
import { backoffMs, sleep } from "../../workloads/src/lib/process";

/** The InfluxDB 2 that is written to. */
export interface InfluxTarget {
  /** `http://host:8086`. */
  readonly url: string;
  readonly org: string;
  readonly bucket: string;
  readonly token: string;
}

export interface Written {
  /** Bytes of line protocol. */
  readonly bytes: number;
  readonly requests: number;
}

// The client tells of each failure by itself, stack and all; what matters of it is in the error below.
setLogger({ error: () => {}, warn: () => {} });

const attempts = 6;
const requestMs = 60_000;

/**
 * Writes batches of line protocol with times in ns; a batch that the server does not take is tried again, six times in all.
 * @param concurrency - Requests at the same time. Default 4.
 * @throws Error with the server's words for a batch that it refuses.
 */
export async function writeTelemetry(
  { url, org, bucket, token }: InfluxTarget,
  batches: Iterable<Buffer>,
  concurrency = 4,
): Promise<Written> {
  const influxdb = new InfluxDB({ url, token, timeout: requestMs });
  const iterator = batches[Symbol.iterator]();
  let written: Written = { bytes: 0, requests: 0 };
  let failure: Error | undefined;
  // Each batch goes by itself, when its writer is closed; the own retries of the client are in the background, unwaited for.
  const options = { batchSize: 2, maxBatchBytes: Number.MAX_SAFE_INTEGER, flushInterval: 0, maxRetries: 0 };
  const send = async (batch: Buffer) => {
    for (let attempt = 1; ; attempt++) {
      const writing = influxdb.getWriteApi(org, bucket, "ns", options);
      writing.writeRecord(batch.toString());
      try {
        return await writing.close();
      } catch (error) {
        const isLasting =
          error instanceof HttpError && error.statusCode < 500 && ![408, 429].includes(error.statusCode);
        if (!isLasting && attempt < attempts) {
          await sleep(backoffMs(attempt, 100, 2_000));
          continue;
        }
        const what = error instanceof HttpError ? `${error.statusCode} ${error.body?.slice(0, 200)}` : String(error);
        const tries = `${attempt} ${attempt === 1 ? "try" : "tries"}`;
        throw new Error(`InfluxDB at ${url} did not take telemetry (${tries}): ${what}`);
      }
    }
  };
  const worker = async () => {
    for (let next = iterator.next(); !next.done && !failure; next = iterator.next()) {
      await send(next.value).catch((error: Error) => (failure ??= error));
      if (!failure) written = { bytes: written.bytes + next.value.length, requests: written.requests + 1 };
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (failure) throw failure;
  return written;
}
