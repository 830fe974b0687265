import type { Type } from "avsc";
import type { Kafka } from "kafkajs";
import { typeOf } from "../lib/avro";
import { FacilityError, messageOf } from "../lib/errors";
import { backoffMs, sleep } from "../lib/process";
import { type NextVisitEvent, nextVisitFields, nextVisitSchema } from "./nextVisit";

/** Where next_visit events are published. */
export interface Announcer {
  /** Returns when every replica in sync has the event. @throws {@link AnnounceError} */
  send(visit: NextVisitEvent): Promise<void>;
  close(): Promise<void>;
}

/** A next_visit event could not be published; nothing of its group is sent. */
export class AnnounceError extends FacilityError {
  readonly code = "NEXT_VISIT";
  readonly retryable = true;
}

export interface AvroTarget {
  readonly kafka: Kafka;
  readonly topic: string;
  /** A registry with Confluent's API. */
  readonly registryUrl: string;
  readonly registryTimeoutMs: number;
  /** Register our schema where the registry has none for the topic. */
  readonly register: boolean;
}

const tries = 5;
const requestMs = 20_000;
/** How long Kafka is tried again, ms. */
const giveUpAfterMs = 30_000;

/** Publishes to Kafka in Confluent's wire format, by the schema that the registry has for the topic. */
export async function kafkaAnnouncer({ kafka, topic, ...registry }: AvroTarget): Promise<Announcer> {
  const { id, type } = await topicSchema({ topic, ...registry });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await persist(topic, () => producer.connect());
  return {
    async send(visit) {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(id, 1);
      const value = Buffer.concat([head, type.toBuffer(visit)]);
      await persist(topic, () => producer.send({ topic, messages: [{ value }], acks: -1, timeout: requestMs }));
    },
    close: () => producer.disconnect(),
  };
}

/** Again within a bound, as while a partition has no leader. An event that arrived though nobody heard so is no visit more. */
async function persist(topic: string, call: () => Promise<unknown>): Promise<void> {
  const deadlineMs = Date.now() + giveUpAfterMs;
  for (let attempt = 1; ; attempt++) {
    try {
      await call();
      return;
    } catch (error) {
      const { name, retriable, cause } = error as {
        name?: string;
        retriable?: boolean;
        cause?: { retriable?: boolean };
      };
      const isPassing = retriable === true || cause?.retriable === true || name === "KafkaJSNumberOfRetriesExceeded";
      if (!isPassing || Date.now() >= deadlineMs)
        throw new AnnounceError(
          `Kafka did not take a next_visit for topic ${topic} (${attempt} ${attempt === 1 ? "try" : "tries"}): ${messageOf(error)}. ` +
            "Look at the brokers, and whether the topic exists.",
          { cause: error },
        );
      await sleep(backoffMs(attempt, 300, 3_000));
    }
  }
}

/** The newest schema of the topic, which may have fields more than ours (they keep their defaults); ours where it has none. */
async function topicSchema(target: Omit<AvroTarget, "kafka">): Promise<{ id: number; type: Type }> {
  const { topic, registryUrl, register, registryTimeoutMs: timeoutMs } = target;
  const subject = `${topic}-value`;
  const url = `${registryUrl.replace(/\/+$/, "")}/subjects/${encodeURIComponent(subject)}/versions`;
  const newest = await request(`${url}/latest`, { timeoutMs, absent: 404 });
  if (newest) {
    const type = typeOf(JSON.parse(String(newest.schema)));
    const known = new Set((type as unknown as { fields?: { name: string }[] }).fields?.map(({ name }) => name));
    const missing = nextVisitFields.filter((name) => !known.has(name));
    if (missing.length > 0)
      throw new AnnounceError(
        `The schema of ${subject} (id ${String(newest.id)}) has no ${missing.join(", ")}: is ${topic} a topic of next_visit?`,
      );
    return { id: Number(newest.id), type };
  }
  if (!register)
    throw new AnnounceError(
      `The registry ${registryUrl} has no schema of ${subject}. Correct the topic, or allow to register one (REGISTER_SCHEMA).`,
    );
  const made = await request(url, { timeoutMs, body: { schema: JSON.stringify(nextVisitSchema) }, contentType: "application/vnd.schemaregistry.v1+json" }); // prettier-ignore
  return { id: Number(made!.id), type: typeOf(nextVisitSchema) };
}

export interface RestTarget {
  /** The REST proxy, e.g. `https://usdf-rsp-dev.slac.stanford.edu/sasquatch-rest-proxy`. */
  readonly url: string;
  readonly topic: string;
  /** Shown as `Authorization: Bearer`. */
  readonly token?: string;
}

/** Publishes by a Kafka REST proxy: the first request carries the schema, and its answer the id for the others. */
export function restAnnouncer({ url, topic, token }: RestTarget): Announcer {
  const target = `${url.replace(/\/+$/, "")}/topics/${encodeURIComponent(topic)}`;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  let schemaId: number | undefined;
  return {
    async send(visit) {
      const schema =
        schemaId === undefined ? { value_schema: JSON.stringify(nextVisitSchema) } : { value_schema_id: schemaId };
      const body = { ...schema, records: [{ value: visit }] };
      const answer = await request(target, { timeoutMs: requestMs, body, headers, contentType: "application/vnd.kafka.avro.v2+json" }); // prettier-ignore
      const { value_schema_id: id, offsets } = answer as { value_schema_id?: unknown; offsets?: { error?: unknown }[] };
      const fault = offsets?.find(({ error }) => error !== undefined && error !== null)?.error;
      if (fault !== undefined)
        throw new AnnounceError(`The REST proxy (POST ${target}) wrote no next_visit: ${String(fault)}`);
      if (typeof id === "number") schemaId = id;
    },
    close: async () => {},
  };
}

interface Request {
  readonly timeoutMs: number;
  readonly body?: object;
  readonly contentType?: string;
  readonly headers?: Record<string, string>;
  /** Status that means "there is none": then the answer is undefined. */
  readonly absent?: number;
}

/** A JSON request, made again within a bound while nobody answers it. @throws {@link AnnounceError} */
async function request(url: string, options: Request): Promise<Record<string, unknown> | undefined> {
  const { timeoutMs, body, contentType, headers, absent } = options;
  const method = body ? "POST" : "GET";
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, {
      method,
      headers: { accept: "application/json, */*", ...headers, ...(contentType && { "content-type": contentType }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    }).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      (error: Error) => ({ status: 0, text: messageOf(error.cause ?? error) }),
    );
    const { status, text } = answer;
    if (status === absent) return undefined;
    if (status >= 200 && status < 300) return JSON.parse(text) as Record<string, unknown>;
    const isLasting = status >= 400 && status < 500 && status !== 408 && status !== 429;
    if (isLasting || attempt === tries)
      throw new AnnounceError(
        `${method} ${url} failed (${attempt} ${attempt === 1 ? "try" : "tries"}): ${status || "no answer"} ${text.slice(0, 200)}`.trim(),
      );
    await sleep(backoffMs(attempt, 200, 5_000));
  }
}
