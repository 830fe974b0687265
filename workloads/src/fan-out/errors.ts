import { FacilityError, messageOf } from "../lib/errors";

/** What is waited for: Kafka keeps the events meanwhile. */
export class DependencyError extends FacilityError {
  readonly retryable = true;
  constructor(
    readonly code: "REDIS_UNAVAILABLE" | "KAFKA_UNAVAILABLE",
    what: string,
    cause: unknown,
  ) {
    super(`${what}: ${messageOf(cause)}.`, { cause });
  }
}

/** The workers do not keep up, or there are none. */
export class StreamFullError extends FacilityError {
  readonly code = "STREAM_FULL";
  readonly retryable = true;
  constructor(stream: string, entries: number) {
    super(
      `Stream ${stream} has ${entries} entries that no worker has read or ended, and takes no visit more. ` +
        "Look at the workers of its group, or raise STREAM_MAX_ENTRIES.",
    );
  }
}

/** Does something on Redis. Whatever it answers may pass: a server that loads, is full or is being replaced. */
export async function onRedis<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FacilityError) throw error;
    throw new DependencyError("REDIS_UNAVAILABLE", `${what} failed in Redis`, error);
  }
}
