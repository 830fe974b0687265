import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { fanOutContract, type FanOutDocument } from "../../workloads/src/fan-out/contract";
import type { ResolvedService } from "../config";
import { portOf, program, usdfImage, Workload } from "../platform";
import { declarePlace, type Environment, identity, redisConnection, redisSecret, toRedis } from "./environment";
import { knativeUrl } from "./knative";

/** Namespace, Deployment and consumer of the fan-out. */
export const fanOutName = "next-visit-fan-out";

const secretName = `${fanOutName}-secret`;

/** Time beyond the longest visit after which a worker that gave no sign is surely gone. */
const marginSeconds = 300;

/** Makes of each next_visit event a message for every detector's worker. */
export class NextVisitFanOut extends pulumi.ComponentResource {
  constructor(environment: Environment, services: readonly ResolvedService[], opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-${fanOutName}`;
    super("usdf:prompt:NextVisitFanOut", name, {}, opts);
    const { fanOut } = environment.settings;
    const own = [...(fanOut.username === undefined ? [] : [fanOut.passwordField]), ...(fanOut.caField === undefined ? [] : [fanOut.caField])]; // prettier-ignore
    const place = declarePlace(
      environment,
      fanOutName,
      { ...redisSecret, [secretName]: { path: fanOutName, fields: Object.fromEntries(own.map((one) => [one, one])) } },
      this,
    );
    for (const platform of ["keda", "knative"] as const) {
      const served = services.filter((service) => service.platform === platform);
      if (served.length > 0) this.declare(environment, place, platform, served);
    }
    this.registerOutputs();
  }

  /** One fan-out delivers in one way; a second one is beside it where instruments differ in that. */
  private declare(
    environment: Environment,
    place: ReturnType<typeof declarePlace>,
    platform: ResolvedService["platform"],
    services: readonly ResolvedService[],
  ): void {
    const { settings, prefix } = environment;
    const { fanOut } = settings;
    const suffix = platform === "knative" ? "-http" : "";
    const component = `${fanOutName}${suffix}`;
    const name = `${prefix}-${component}`;
    const document = JSON.stringify(fanOutDocumentOf(services), undefined, 1);
    const configMap = `instrument-map${suffix}`;
    new k8s.core.v1.ConfigMap(
      name,
      { metadata: { name: configMap, namespace: place.namespace }, data: { instruments: document } },
      { parent: this },
    );
    new Workload(
      name,
      {
        ...identity(environment, place, component),
        // Two at a time would only share the partitions of a topic that has one.
        run: { kind: "Deployment", replicas: 1 },
        container: program(fanOutContract, {
          image: usdfImage.workloads,
          env: {
            ...redisConnection,
            KAFKA_BROKERS: fanOut.kafka,
            KAFKA_TLS: fanOut.tls,
            KAFKA_CA_FILE: fanOut.caField && `/etc/kafka/${fanOut.caField}`,
            KAFKA_USERNAME: fanOut.username,
            KAFKA_PASSWORD: fanOut.username === undefined ? undefined : { secretName, key: fanOut.passwordField },
            REGISTRY_URL: fanOut.registryUrl,
            NEXT_VISIT_TOPIC: fanOut.topic,
            CONSUMER_GROUP: `${fanOut.consumerGroup}${suffix}`,
            OFFSET: fanOut.offset,
            MESSAGE_EXPIRATION: settings.expirationSeconds,
            INSTRUMENT_CONFIG_FILE: "/etc/config/instruments",
            DELIVERY: platform === "keda" ? "redis" : "http",
            STREAM_MAX_ENTRIES: fanOut.maxStreamEntries,
            MAX_PENDING_SECONDS: Math.max(...services.map(({ worker }) => worker.timeoutSeconds + worker.graceSeconds)) + marginSeconds, // prettier-ignore
            MAX_ATTEMPTS: Math.max(...services.map(({ worker }) => worker.attempts)),
            MAX_FAN_OUT_MESSAGES: fanOut.maxRequests,
            HTTP_RETRIES: fanOut.retries,
          },
          resources: fanOut,
          volumeMounts: [
            { name: "config", mountPath: "/etc/config", readOnly: true },
            ...(fanOut.caField === undefined ? [] : [{ name: "kafka", mountPath: "/etc/kafka", readOnly: true }]),
          ],
        }),
        volumes: [
          { name: "config", configMap: { name: configMap } },
          ...(fanOut.caField === undefined
            ? []
            : [{ name: "kafka", secret: { secretName, items: [{ key: fanOut.caField, path: fanOut.caField }] } }]),
        ],
        config: document,
        reaches: [
          toRedis,
          { peers: "anyone", ports: portsOf([fanOut.registryUrl], fanOut.kafka) },
          ...(platform === "knative" ? [{ peers: "anyone" as const, ports: [80] }] : []),
        ],
      },
      { parent: this },
    );
  }
}

/** What the fan-out knows of instruments. */
export function fanOutDocumentOf(services: readonly ResolvedService[]): FanOutDocument {
  return {
    instruments: Object.fromEntries(
      services.map((service) => [
        service.instrument,
        {
          stream: service.stream.name,
          consumerGroup: service.stream.consumerGroup,
          ...(service.platform === "knative" && { url: knativeUrl(service) }),
          detectors: [...service.activeDetectors],
        },
      ]),
    ),
    testVisits: Object.fromEntries(
      services.flatMap(({ instrument, detectors }) =>
        Object.entries(detectors.test).map(([visit, ids]) => [`${instrument}-TEST-${visit}`, [...ids]]),
      ),
    ),
  };
}

/** Ports of URLs and of `host:port,…`, each once. */
export function portsOf(urls: readonly (string | undefined)[], ...servers: readonly (string | undefined)[]): number[] {
  const ofUrls = urls.flatMap((url) => (url === undefined ? [] : [portOf(url)]));
  const ofServers = servers.flatMap((list) => list?.split(",").map((one) => Number(one.split(":")[1])) ?? []);
  return [...new Set([...ofUrls, ...ofServers])].sort((one, other) => one - other);
}
