import Fastify from "fastify";
import { messageOf } from "../../workloads/src/lib/errors";
import { Kafka, logLevel, Partitioners } from "../../workloads/src/lib/kafkajs";

export interface RelayOptions {
  readonly host: string;
  /** Default 8090. */
  readonly port?: number;
  /** Bootstrap servers, `host:port`. */
  readonly brokers: readonly string[];
  /** Longest wait for the broker to take a message, ms; then the caller hears 503 and tries again. Default 20,000. */
  readonly produceLimitMs?: number;
}

export interface RunningRelay {
  /** URL to register as push-endpoint of a topic: what is POSTed there goes to the Kafka topic of that name. */
  pushEndpoint(kafkaTopic: string): string;
  /** Messages that the broker has acknowledged. */
  readonly produced: number;
  close(): Promise<void>;
}

/**
 * Stands in for the Kafka endpoint of RGW, which Debian builds without: takes the gateway's webhook calls and produces
 * each body, byte for byte, to the Kafka topic that the path names. It answers 200 only after every replica in sync has
 * the message, as `kafka-ack-level=broker` would, so the gateway's persistent queue keeps what Kafka has not.
 * This is the one place of the local stack where something else than the real thing runs; the attributes that a
 * `kafka://` topic is made with are proved in test/ceph instead.
 */
export async function startRelay(options: RelayOptions): Promise<RunningRelay> {
  const { host, port = 8090, brokers, produceLimitMs = 20_000 } = options;
  const kafka = new Kafka({
    clientId: "usdf-relay",
    brokers: [...brokers],
    logLevel: logLevel.NOTHING, // what fails is answered to the caller, who tries again
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    // 100 ms, doubled up to 2 s: tries for about as long as the caller waits.
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 4 + Math.ceil(produceLimitMs / 2_000) },
  });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  let produced = 0;
  const pending = new Set<Promise<unknown>>(); // also those whose caller has been told 503: they may still arrive
  const app = Fastify({ bodyLimit: 4 * 1024 * 1024, forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.post<{ Params: { topic: string }; Body: Buffer | undefined }>("/:topic", async (request, reply) => {
    const { topic } = request.params;
    const value = request.body;
    if (!/^[\w.-]{1,249}$/.test(topic)) return reply.code(404).send({ error: `"${topic}" is no Kafka topic` });
    if (!value?.length) return reply.code(400).send({ error: "the body is empty" });
    const sending = producer.send({ topic, acks: -1, messages: [{ value }] });
    pending.add(sending);
    sending.catch(() => {}).finally(() => pending.delete(sending));
    try {
      await within(produceLimitMs, sending);
    } catch (error) {
      return reply
        .code(503)
        .header("retry-after", "1")
        .send({ error: messageOf(error) });
    }
    produced++;
    return reply.send();
  });
  await app.listen({ host, port });
  return {
    pushEndpoint: (kafkaTopic) => `http://${host}:${port}/${kafkaTopic}`,
    get produced() {
      return produced;
    },
    async close() {
      await app.close();
      await Promise.allSettled(pending);
      await producer.disconnect();
    },
  };
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Kafka did not take the message within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
