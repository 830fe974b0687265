import { messageOf } from "../errors";
import { backoffMs, sleep } from "../process";
import { RegistryUnavailableError, UnknownSchemaError, UnsupportedSchemaError } from "./errors";
import { AvroSchema, headBytes, schemaIdOf } from "./schema";

export interface RegistryOptions {
  /** Longest time of one request, ms. Default 5,000. */
  readonly timeoutMs?: number;
  /** Schemas kept in memory. Default 10,000. */
  readonly maxSchemas?: number;
  /** Requests for an id that the registry does not know: it may follow its first message a little later. Default 4. */
  readonly unknownTries?: number;
  /** Ends waiting; what waits is rejected as unavailable. */
  readonly stop?: AbortSignal;
}

/** A decoded message. */
export interface AvroMessage {
  readonly schema: AvroSchema;
  /** Fields as avsc gives them; a long as number where that is exact, else bigint. */
  readonly value: Record<string, unknown>;
}

/** Requests for one id while the registry does not answer, before the caller hears of it. */
const tries = 3;
const baseMs = 200;
const maxMs = 2_000;
/** An id that the registry did not know is asked for again after this long. */
const forgetMs = 600_000;

/**
 * Reads schemas by id from a registry with Confluent's API, each once: an id always means the same schema.
 * Errors tell apart what can be read later ({@link RegistryUnavailableError}) and what never can (the others).
 */
export class AvroRegistry {
  private readonly url: string;
  private readonly known = new Map<number, AvroSchema>();
  /** Requests under way, so that one id is asked for once at a time. */
  private readonly asked = new Map<number, Promise<AvroSchema>>();
  private readonly refused = new Map<number, { error: Error; sinceMs: number }>();

  constructor(
    url: string,
    private readonly options: RegistryOptions = {},
  ) {
    this.url = url.replace(/\/+$/, "");
  }

  /** The schema when it is in memory. */
  cached(id: number): AvroSchema | undefined {
    return this.known.get(id);
  }

  /** @throws {@link RegistryUnavailableError}, {@link UnknownSchemaError}, {@link UnsupportedSchemaError}. */
  async schema(id: number): Promise<AvroSchema> {
    const found = this.known.get(id);
    if (found) {
      this.known.delete(id); // to the end: the first is the one not asked for longest
      this.known.set(id, found);
      return found;
    }
    const refusal = this.refused.get(id);
    if (refusal && Date.now() - refusal.sinceMs < forgetMs) throw refusal.error;
    let asking = this.asked.get(id);
    if (!asking) {
      asking = this.ask(id).finally(() => this.asked.delete(id));
      this.asked.set(id, asking);
    }
    return asking;
  }

  /** Reads a message in Confluent's wire format. @throws what {@link schema} throws, and {@link AvroMessageError}. */
  async decode(message: Buffer): Promise<AvroMessage> {
    const id = schemaIdOf(message);
    const schema = this.cached(id) ?? (await this.schema(id));
    return { schema, value: schema.read(message.subarray(headBytes)) };
  }

  private async ask(id: number): Promise<AvroSchema> {
    const { unknownTries = 4, maxSchemas = 10_000, stop } = this.options;
    let error: Error;
    for (let attempt = 1; ; attempt++) {
      try {
        const schema = await this.request(id);
        this.refused.delete(id);
        this.known.set(id, schema);
        if (this.known.size > maxSchemas) this.known.delete(this.known.keys().next().value!);
        return schema;
      } catch (caught) {
        error = caught as Error;
      }
      const limit =
        error instanceof RegistryUnavailableError ? tries : error instanceof UnknownSchemaError ? unknownTries : 1;
      if (attempt >= limit || stop?.aborted) break;
      await sleep(backoffMs(attempt, baseMs, maxMs), stop);
    }
    if (!(error instanceof RegistryUnavailableError)) {
      if (this.refused.size >= maxSchemas) this.refused.clear();
      this.refused.set(id, { error, sinceMs: Date.now() });
    }
    throw error;
  }

  private async request(id: number): Promise<AvroSchema> {
    const { timeoutMs = 5_000 } = this.options;
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${this.url}/schemas/ids/${id}`, {
        headers: { accept: "application/vnd.schemaregistry.v1+json, application/json" },
        signal: AbortSignal.timeout(timeoutMs),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      throw new RegistryUnavailableError(this.url, cause === undefined ? messageOf(error) : messageOf(cause));
    }
    const answer = jsonOf(text);
    // A gateway's own 404 is no word of the registry about its schemas.
    if (status === 404 && answer?.error_code === 40403) throw new UnknownSchemaError(id, this.url);
    if (status !== 200 || typeof answer?.schema !== "string")
      throw new RegistryUnavailableError(
        this.url,
        `it answers ${status} to schema ${id} (${text.slice(0, 200).trim()})`,
      );
    const { schemaType = "AVRO", references } = answer;
    if (schemaType !== "AVRO") throw new UnsupportedSchemaError(id, `it is of type ${String(schemaType)}, not AVRO`);
    if (Array.isArray(references) && references.length > 0)
      throw new UnsupportedSchemaError(id, "it refers to other subjects; register it with its types written out");
    const definition = jsonOf(answer.schema);
    if (definition === undefined) throw new UnsupportedSchemaError(id, "its text is no JSON object");
    return new AvroSchema(id, definition);
  }
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
