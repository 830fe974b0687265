import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { type Container, type EnvValue, envVars, type Opening, type Resources, Workload } from "../platform";
import {
  bootstrapOf,
  clusterCaSecret,
  clusterName,
  type Environment,
  identity,
  labelsOf,
  reachesKafka,
} from "./environment";
import { ingressNamespace } from "./ingress";

/** Arguments of {@link confluentService}. */
export interface ConfluentServiceArgs {
  /** What follows `sasquatch-` in the names of its objects. */
  readonly component: string;
  readonly image: string;
  readonly replicas: number;
  readonly resources: Resources;
  readonly heapMi: number;
  /** Variables of its own, and what every variable of this image begins with. */
  readonly prefix: string;
  readonly env: Readonly<Record<string, EnvValue>>;
  /** What its settings of the connection to Kafka begin with, e.g. `KAFKASTORE_`. */
  readonly kafkaPrefix: string;
  /** Kafka user that it is. */
  readonly user: string;
  readonly port: number;
  /** Folder where its image writes the settings that it makes of the variables. */
  readonly settingsFolder: string;
  /** Path that answers when it can serve. */
  readonly healthPath: string;
  /** Pods of this namespace that may talk to it, beside those of other namespaces that the configuration names. */
  readonly accepts: readonly Opening[];
  readonly reaches?: readonly Opening[];
}

const caFolder = "/run/kafka/ca";

/**
 * A service of Confluent's images: TLS to Kafka with the password that Strimzi made for its user, in settings that the image
 * makes of variables. The user's Secret holds the whole line that Java wants, so no password is put together anywhere.
 */
export function confluentService(environment: Environment, args: ConfluentServiceArgs, parent: pulumi.Resource): void {
  const { component, prefix, kafkaPrefix, port, healthPath } = args;
  const name = `${environment.prefix}-${component}`;
  const kafka: Record<string, EnvValue> = {
    BOOTSTRAP_SERVERS: `SASL_SSL://${bootstrapOf("password")}`,
    SECURITY_PROTOCOL: "SASL_SSL",
    SASL_MECHANISM: "SCRAM-SHA-512",
    SASL_JAAS_CONFIG: { secretName: args.user, key: "sasl.jaas.config" },
    SSL_TRUSTSTORE_TYPE: "PEM",
    SSL_TRUSTSTORE_LOCATION: `${caFolder}/ca.crt`,
  };
  const prefixed = (start: string, values: Readonly<Record<string, EnvValue>>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`${start}${key}`, value]));
  const get = { httpGet: { path: healthPath, port: "http", scheme: "HTTP" as const }, timeoutSeconds: 5 };
  const container: Container = {
    name: component,
    image: args.image,
    env: envVars({
      ...prefixed(prefix, { HOST_NAME: { field: "status.podIP" }, LISTENERS: `http://0.0.0.0:${port}` }),
      ...prefixed(prefix, args.env),
      ...prefixed(`${prefix}${kafkaPrefix}`, kafka),
      [`${prefix}HEAP_OPTS`]: `-Xms${args.heapMi}m -Xmx${args.heapMi}m`,
      LOG_DIR: "/tmp",
    }),
    port: { name: "http", number: port },
    probes: {
      startup: { ...get, periodSeconds: 5, failureThreshold: 60 },
      liveness: { ...get, periodSeconds: 15, failureThreshold: 4 },
      readiness: { ...get, periodSeconds: 5, failureThreshold: 2 },
    },
    resources: args.resources,
    volumeMounts: [
      { name: "kafka-ca", mountPath: caFolder, readOnly: true },
      { name: "settings", mountPath: args.settingsFolder },
    ],
    metrics: false,
    restricted: true,
    longestStepSeconds: 30,
    behindService: true,
  };
  const workload = new Workload(
    name,
    {
      ...identity(environment, component),
      run: { kind: "Deployment", replicas: args.replicas },
      container,
      volumes: [
        { name: "kafka-ca", secret: { secretName: clusterCaSecret } },
        { name: "settings", emptyDir: { sizeLimit: "16Mi" } },
      ],
      accepts: [
        ...args.accepts,
        { peers: [{ namespace: ingressNamespace }], ports: [port] },
        ...environment.settings.kafka.clientNamespaces.map((namespace) => ({ peers: [{ namespace }], ports: [port] })),
      ],
      reaches: [reachesKafka(environment, "password"), ...(args.reaches ?? [])],
    },
    { parent },
  );
  new k8s.core.v1.Service(
    name,
    {
      metadata: {
        name: `${clusterName}-${component}`,
        namespace: environment.namespace,
        labels: labelsOf(environment, component),
        annotations: { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        type: "ClusterIP",
        selector: { ...workload.selector },
        ports: [{ name: "http", port, targetPort: "http", protocol: "TCP" }],
      },
    },
    { parent },
  );
}
