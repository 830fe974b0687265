import { type Admin, Kafka, logLevel, type Producer } from "../../workloads/src/lib/kafkajs";
import { backoffMs, sleep } from "../../workloads/src/lib/process";
import type { Span } from "../../workloads/src/transform-efd/model";
import { SalMessages, type SalSchema } from "./salMessages";
import { signalsOf } from "./telemetrySamples";
import type { Topic } from "./telemetryTopics";

/** Where producers of the observatory send to. */
export interface SalTarget {
  /** Bootstrap servers, without TLS and login. */
  readonly brokers: readonly string[];
  /** A registry with Confluent's API. */
  readonly registryUrl: string;
}

/** What was sent to a topic. */
export interface Sent {
  readonly messages: number;
  readonly bytes: number;
  /** Offset after the last message in its one partition. */
  readonly end: bigint;
}

/** Bytes of one request: a broker takes a megabyte of one partition. */
const batchBytes = 400_000;
const requestMs = 20_000;
const tries = 5;
/** Topics, or schemas, at the same time. */
const concurrency = 4;

/**
 * Plays the producers of SAL topics: makes their topics, registers their schemas as `<topic>-value` and sends messages, which
 * count as sent when the broker has written them. The same rows are the same messages but for Kafka's own time.
 */
export class SalProducer {
  private readonly admin: Admin;
  private readonly producer: Producer;
  private readonly topics = new Map<string, { messages: SalMessages; schemaId: number }>();
  /** By topic; what Kafka has written. */
  readonly sent = new Map<string, Sent>();

  private constructor(private readonly target: SalTarget) {
    const kafka = new Kafka({
      brokers: [...target.brokers],
      clientId: "sal-simulator",
      logLevel: logLevel.NOTHING,
      requestTimeout: requestMs,
      retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: tries },
    });
    this.admin = kafka.admin();
    this.producer = kafka.producer({ allowAutoTopicCreation: false });
  }

  /** @throws Error when Kafka does not answer. */
  static async connect(target: SalTarget): Promise<SalProducer> {
    const sal = new SalProducer(target);
    try {
      await Promise.all([sal.admin.connect(), sal.producer.connect()]);
    } catch (error) {
      await sal.close().catch(() => {});
      throw new Error(`Kafka at ${target.brokers.join(",")} cannot be reached: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return sal;
  }

  async close(): Promise<void> {
    await Promise.all([this.admin.disconnect(), this.producer.disconnect()]);
  }

  /** Makes what is missing of topics, each with one partition, and of schemas. */
  async declare(topics: readonly Topic[]): Promise<void> {
    const fresh = topics.filter(({ name }) => !this.topics.has(name));
    if (fresh.length === 0) return;
    const made = fresh.map(({ name }) => ({ topic: name, numPartitions: 1 }));
    await this.admin.createTopics({ topics: made, waitForLeaders: true, timeout: requestMs });
    await inParallel(fresh, async (topic) => {
      const messages = new SalMessages(topic);
      const schemaId = await register(this.target.registryUrl, `${topic.name}-value`, messages.schema);
      this.topics.set(topic.name, { messages, schemaId });
    });
  }

  /** Sends the rows of topics at or after the begin of a span and before its end. */
  async send(topics: readonly Topic[], span: Span): Promise<void> {
    await this.declare(topics);
    await inParallel(topics, async (topic) => {
      for (const batch of this.batches(topic, span)) {
        const [answer] = await this.producer.send({ topic: topic.name, messages: batch, acks: -1, timeout: requestMs });
        const { messages, bytes } = this.sent.get(topic.name) ?? { messages: 0, bytes: 0 };
        this.sent.set(topic.name, {
          messages: messages + batch.length,
          bytes: bytes + batch.reduce((sum, { value }) => sum + value.length, 0),
          end: BigInt(answer!.baseOffset!) + BigInt(batch.length),
        });
      }
    });
  }

  private *batches(topic: Topic, span: Span): Generator<{ value: Buffer }[]> {
    const { messages, schemaId } = this.topics.get(topic.name)!;
    let batch: { value: Buffer }[] = [];
    let size = 0;
    for (const signal of signalsOf(topic)) {
      const endRow = signal.firstRow(span.endNs);
      for (let row = signal.firstRow(span.beginNs); row < endRow; row++) {
        const value = messages.encode(signal, row, schemaId);
        batch.push({ value });
        size += value.length;
        if (size < batchBytes) continue;
        yield batch;
        batch = [];
        size = 0;
      }
    }
    if (batch.length > 0) yield batch;
  }
}

/** Id of a schema, which a registry gives anew or has from before. */
async function register(registryUrl: string, subject: string, schema: SalSchema): Promise<number> {
  const url = `${registryUrl}/subjects/${encodeURIComponent(subject)}/versions`;
  const body = JSON.stringify({ schema: JSON.stringify(schema) });
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
      body,
      signal: AbortSignal.timeout(requestMs),
    }).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      (error: Error) => ({ status: 0, text: error.message }),
    );
    if (answer.status === 200) return (JSON.parse(answer.text) as { id: number }).id;
    const isLasting = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    if (isLasting || attempt === tries) {
      const what = `${answer.status || ""} ${answer.text.slice(0, 200)}`.trim();
      throw new Error(`The schema registry did not take ${subject} (POST ${url}, ${attempt} tries): ${what}`);
    }
    await sleep(backoffMs(attempt, 100, 2_000));
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) await work(next.value);
  };
  const workers = Array.from({ length: concurrency }, () =>
    worker().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const faults = (await Promise.allSettled(workers)).filter((result) => result.status === "rejected");
  if (faults[0]) throw faults[0].reason;
}
