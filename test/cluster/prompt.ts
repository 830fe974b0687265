/** Prompt Processing on the node: from a next_visit event and a raw to workers that KEDA starts, all pods of the real image. */
import type { Redis } from "ioredis";
import type { Bucket, SentExposure } from "../../local/camera";
import { sendExposures } from "../../local/camera";
import { typeOf } from "../../workloads/src/lib/avro";
import { Kafka, logLevel } from "../../workloads/src/lib/kafkajs";
import { promptKey } from "../../workloads/src/lib/visits";
import { until } from "../support/network";
import { notificationOf } from "../support/notification";
import { registerSchema } from "../support/registry";
import { encoded, nextVisitSchema } from "../workloads/prompt/stand";
import { databases, databaseSecrets } from "./databases";
import type { Node } from "./node";
import type { ClusterSasquatch } from "./sasquatch";
import { serviceRedis } from "./serviceRedis";

/** Environment of the stack. Namespaces have the names that they have everywhere. */
export const environment = "cluster-prompt";
const instrument = "LATISS";
const namespace = "prompt-keda-latiss";
/** Bucket of the raws. */
export const rawBucket = "rubin-pp-dev";
const topics = { visits: "lsst.sal.ScriptQueue.logevent_nextVisit", raws: "prompt-processing-cluster" };
const prefix = "secret/rubin/usdf-prompt-processing-cluster";
const password = "cluster-prompt-redis";
const small = { requests: { cpu: "20m", memory: "64Mi" }, limits: { cpu: "2", memory: "400Mi" } };
/** A worker that has no visit ends after this. */
const listenSeconds = 4;

/** All visits go to one pipeline. */
const pipelinesOfAll = {
  main: [{ survey: "BLOCK-1", pipelines: ["Isr"] }],
  preprocessing: [{ survey: "BLOCK-1", pipelines: [] }],
  unmatchedSurvey: "ignore",
};

/** An environment of Prompt Processing with one instrument, whose pipelines are the stand-in. */
export class ClusterPrompt {
  /** Groups whose visit and raw were sent. */
  readonly groups: string[] = [];
  private schemaId = 0;
  private seconds = 0;
  private connected?: Promise<Redis>;

  constructor(
    private readonly node: Node,
    private readonly sasquatch: ClusterSasquatch,
    private readonly bucket: Bucket,
    /** URL of the object store. */
    private readonly s3Url: string,
  ) {}

  /** Makes the topics and the schema, as Summit and facility did before there was this stack. */
  async prepare(): Promise<void> {
    await Promise.all(Object.values(topics).map((topic) => this.sasquatch.kafka.createTopic(topic)));
    this.schemaId = await registerSchema(this.sasquatch.registry.url, `${topics.visits}-value`, nextVisitSchema());
  }

  /** `usdf:prompt`. */
  config(): object {
    const { bootstrap } = this.sasquatch.kafka;
    return {
      environments: {
        [environment]: {
          kubeContext: "local",
          host: "localhost",
          secrets: { prefix },
          redis: { storageClass: "standard", size: "1Gi", requests: { cpu: "50m", memory: "64Mi" }, maxMemoryMi: 128 },
          fanOut: {
            kafka: bootstrap,
            tls: false,
            registryUrl: this.sasquatch.registry.url,
            offset: "earliest",
            ...small,
          },
          router: { kafka: bootstrap, ...small },
          services: {
            [instrument]: {
              standIn: true,
              dbAuth: false,
              sdfData: false,
              centralRepo: "s3://rubin-pp-dev-users/central_repo_2",
              apdbConfig: "label:none",
              s3: { endpointUrl: this.s3Url, imageBucket: rawBucket, credentials: "variables" },
              raws: { topic: topics.raws },
              pipelines: pipelinesOfAll,
              stream: { listenSeconds },
              scaling: { min: 0, max: 3, activationLag: 0 },
              cacheSize: "64Mi",
              requests: { cpu: "20m", memory: "96Mi", ephemeralStorage: "0" }, // this node tells of none
              limits: { cpu: "2", memory: "256Mi", ephemeralStorage: "128Mi" },
            },
          },
          databases: databases(),
        },
      },
    };
  }

  /** Values of its secrets, by Vault path and field. */
  secrets(): Record<string, string> {
    const { accessKey, secretKey } = this.bucket;
    const keys = { s3_access_key: accessKey, s3_secret_key: secretKey };
    const fieldsOf = {
      "prompt-redis": { "redis-password": password },
      "notification-router": keys,
      [namespace]: keys,
      ...databaseSecrets,
    };
    return Object.fromEntries(
      Object.entries(fieldsOf).flatMap(([path, fields]) =>
        Object.entries(fields).map(([field, value]) => [`${prefix}/${path}#${field}`, value]),
      ),
    );
  }

  /** Announces visits and sends their raws, as Summit and camera do. */
  async observe(visits: number): Promise<void> {
    const kafka = new Kafka({ brokers: [this.sasquatch.kafka.bootstrap], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    try {
      const { exposures } = await sendExposures({
        instrument,
        bucket: this.bucket,
        dayObs: "20260603",
        exposures: visits,
        concurrency: 2,
      });
      const events = exposures.map(({ groupId }) => this.event(groupId));
      const raws = exposures.flatMap(({ keys }: SentExposure) => keys.map((key) => notificationOf(rawBucket, key)));
      await producer.send({ topic: topics.visits, messages: events.map((value) => ({ value })) });
      await producer.send({ topic: topics.raws, messages: raws.map((value) => ({ value })) });
      this.groups.push(...exposures.map(({ groupId }) => groupId));
    } finally {
      await producer.disconnect();
    }
  }

  /** Jobs of the ScaledJob that are not over. */
  async running(): Promise<string[]> {
    return (await this.jobs())
      .filter(({ status }) => !status.completionTime && !(status.conditions ?? []).some(ended))
      .map(({ metadata }) => metadata.name as string);
  }

  /** Names of the jobs that KEDA has made and kept. */
  async jobNames(): Promise<string[]> {
    return (await this.jobs()).map(({ metadata }) => metadata.name as string);
  }

  /** Waits until every visit is done, once each; gives what Redis says of each, by group. */
  async settled(): Promise<Record<string, string>> {
    const state = async () => {
      const states = this.groups.map(async (group) => [group, await this.stateOf(group)] as const);
      return Object.fromEntries(await Promise.all(states));
    };
    const isDone = async () => Object.values(await state()).every((one) => one.startsWith("done"));
    await until("every visit to be done", isDone, { pollMs: 500, state: () => this.tell() });
    return state();
  }

  /** What is in the stream and waits or is in hand, and what could not be processed. */
  async left(): Promise<{ pending: number; dead: number; lag: number }> {
    const redis = await this.redis();
    const stream = promptKey.stream(instrument);
    const [fields] = (await redis.xinfo("GROUPS", stream)) as [(string | number)[]];
    const [pending] = (await redis.xpending(stream, promptKey.consumerGroup(instrument))) as [number];
    const lag = fields[fields.indexOf("lag") + 1] as number;
    return { pending, dead: await redis.xlen(promptKey.deadLetters), lag };
  }

  /** Jobs of the ScaledJob that failed. */
  async failed(): Promise<string[]> {
    const isFailed = ({ status }: { status: Status }) =>
      (status.conditions ?? []).some(({ type, status: is }) => type === "Failed" && is === "True");
    return (await this.jobs()).filter(isFailed).map(({ metadata }) => metadata.name as string);
  }

  /** What the workers' programs say that they processed. */
  processed(): Record<string, unknown>[] {
    return this.logs()
      .split("\n")
      .filter((line) => line.includes('"name":"stand-in-pipeline"') && line.includes('"msg":"Processed"'))
      .map((line) => JSON.parse(line.slice(line.indexOf("{"))) as Record<string, unknown>)
      .map(({ group, detector, raws, complete }) => ({ group, detector, raws, complete }));
  }

  private event(groupId: string): Buffer {
    const now = Date.now() / 1000 + this.seconds++;
    const schema = nextVisitSchema() as { fields: { name: string; default: unknown }[] };
    const defaults = Object.fromEntries(schema.fields.map((field) => [field.name, field.default]));
    return encoded(
      { id: this.schemaId, type: typeOf(schema) },
      {
        ...defaults,
        ...{
          salIndex: 2,
          instrument,
          groupId,
          coordinateSystem: 2,
          position: [134.5, -65.3],
          rotationSystem: 2,
          dome: 2,
        },
        ...{ nimages: 1, duration: 20, survey: "BLOCK-1", startTime: now + 37 },
        ...{ private_efdStamp: now, private_sndStamp: now + 37 },
      },
    );
  }

  private async stateOf(group: string): Promise<string> {
    const redis = await this.redis();
    const [state, attempt] = await redis.hmget(promptKey.unit(instrument, group, 0), "state", "attempt");
    return `${state} at attempt ${attempt}`;
  }

  async stop(): Promise<void> {
    (await this.connected)?.disconnect();
  }

  private redis(): Promise<Redis> {
    return (this.connected ??= serviceRedis(this.node, "prompt-redis", "prompt-redis", password));
  }

  /* eslint-disable-next-line @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */
  private async jobs(): Promise<any[]> {
    return (await this.node.call("GET", `/apis/batch/v1/namespaces/${namespace}/jobs`)).items;
  }

  private logs(): string {
    return this.node.kubectl("--namespace", namespace, "logs", "--selector", workers, "--tail=-1", "--prefix");
  }

  /** For the message of a test that fails. */
  async tell(): Promise<unknown> {
    const pods = this.node
      .list("pods")
      .filter(({ metadata }) => /^(prompt|next|notification)/.test(metadata.namespace));
    return {
      left: await this.left(),
      pods: pods.map(({ metadata, status }) => `${metadata.namespace}/${metadata.name} ${status.phase}`),
      log: this.logs().slice(-2000),
    };
  }
}

const workers = "app.kubernetes.io/name=prompt-keda-latiss";
interface Status {
  conditions?: { type: string; status: string }[];
}
const ended = ({ type, status }: { type: string; status: string }) =>
  ["Complete", "Failed"].includes(type) && status === "True";
