import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { containerSecurity, jmxMetrics, jvmOptions, listeners, podSecurity } from "../kafka";
import { customResource, portOf } from "../platform";
import { type ConnectConnector, influxdbSink, jdbcSink, s3Sink } from "./connectors";
import {
  bootstrapOf,
  clusterCaSecret,
  clusterLabel,
  clusterName,
  type Environment,
  kafkaPods,
  labelsOf,
  reachesRegistry,
} from "./environment";
import { influxUrlOf } from "./influx";
import { egressOnly } from "./mirrorMaker";
import { userCertificate } from "./mirrors";
import { connectUser, usesConnect } from "./users";

/** Kafka Connect with the connectors that run in it, each as an object of its own and as a Kafka user of its own. */
export class KafkaConnect extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-connect`;
    super("usdf:sasquatch:KafkaConnect", name, {}, opts);
    const { namespace, settings } = environment;
    const { kafka, connect } = settings;
    const child = { parent: this };
    const labels = labelsOf(environment, "connect");
    customResource(
      name,
      {
        apiVersion: "kafka.strimzi.io/v1",
        kind: "KafkaConnect",
        metadata: {
          name: clusterName,
          namespace,
          labels,
          annotations: { "strimzi.io/use-connector-resources": "true" },
        },
        spec: {
          version: kafka.version,
          image: connect.image,
          replicas: connect.replicas,
          bootstrapServers: bootstrapOf("tls"),
          groupId: connectUser,
          configStorageTopic: `${connectUser}-configs`,
          statusStorageTopic: `${connectUser}-status`,
          offsetStorageTopic: `${connectUser}-offsets`,
          tls: { trustedCertificates: [{ secretName: clusterCaSecret, pattern: "*.crt" }] },
          authentication: userCertificate(connectUser),
          config: {
            "config.storage.replication.factor": kafka.replication,
            "status.storage.replication.factor": kafka.replication,
            "offset.storage.replication.factor": kafka.replication,
            "request.timeout.ms": connect.requestTimeoutSeconds * 1000,
            "connector.client.config.override.policy": "All",
            "config.providers": "secrets",
            "config.providers.secrets.class": "io.strimzi.kafka.KubernetesSecretConfigProvider",
          },
          resources: { requests: connect.requests, limits: connect.limits },
          jvmOptions: jvmOptions(connect.heapMi),
          metricsConfig: jmxMetrics(clusterName, "connect.yaml"),
          template: {
            pod: podSecurity,
            connectContainer: containerSecurity,
            podDisruptionBudget: { maxUnavailable: 1 },
          },
        },
      },
      child,
    );
    const connectors = connectorsOf(environment);
    for (const { name: own, class: javaClass, tasksMax, config } of connectors) {
      customResource(
        `${name}-${own}`,
        {
          apiVersion: "kafka.strimzi.io/v1",
          kind: "KafkaConnector",
          metadata: { name: own, namespace, labels: { ...labels, ...clusterLabel } },
          spec: { class: javaClass, tasksMax, autoRestart: { enabled: true, maxRestarts: 10 }, config },
        },
        child,
      );
    }
    this.mayReadSecrets(environment, connectors);
    const databases = environment.plan.longTerm.flatMap((plan) =>
      plan.kind === "jdbc"
        ? [jdbcPort(plan.settings.url)]
        : plan.kind === "parquet"
          ? [portOf(plan.settings.endpointUrl)]
          : [],
    );
    const peers = { ...clusterLabel, "strimzi.io/kind": "KafkaConnect" };
    egressOnly(
      environment,
      "connect",
      peers,
      [
        { peers: [{ pods: kafkaPods }], ports: [listeners.tls] },
        { peers: [{ pods: peers }], ports: [8083] },
        { peers: "anyone", ports: [...new Set([443, 6443, portOf(influxUrlOf(environment)), ...databases])] }, // API server, InfluxDB, databases
        reachesRegistry(environment, "local"),
        ...environment.plan.mirrors
          .filter(({ schemas }) => schemas)
          .map(({ from }) => reachesRegistry(environment, { alias: from })),
      ],
      this,
    );
    this.registerOutputs();
  }

  /** Workers read values of configurations from Secrets, of which they may read exactly those. */
  private mayReadSecrets({ prefix, namespace }: Environment, connectors: readonly ConnectConnector[]): void {
    const child = { parent: this };
    const metadata = { name: `${clusterName}-connect-secrets`, namespace };
    const resourceNames = [...new Set(connectors.flatMap(({ secrets }) => secrets))].sort();
    const role = new k8s.rbac.v1.Role(
      `${prefix}-connect`,
      { metadata, rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames, verbs: ["get"] }] },
      child,
    );
    new k8s.rbac.v1.RoleBinding(
      `${prefix}-connect`,
      {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: `${clusterName}-connect`, namespace }],
      },
      child,
    );
  }
}

function connectorsOf(environment: Environment): ConnectConnector[] {
  const { connectors, longTerm } = environment.plan;
  return [
    ...connectors.filter(usesConnect).map((plan) => influxdbSink(environment, plan)),
    ...longTerm
      .filter(usesConnect)
      .flatMap((plan) =>
        plan.kind === "jdbc"
          ? [jdbcSink(environment, plan)]
          : plan.kind === "parquet"
            ? [s3Sink(environment, plan)]
            : [],
      ),
  ];
}

/** Port of a database that JDBC names. */
function jdbcPort(url: string): number {
  const port = /^jdbc:\w+:\/\/[^/:]+:(\d+)/.exec(url)?.[1];
  return port === undefined ? 5432 : Number(port);
}
