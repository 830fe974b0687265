import * as pulumi from "@pulumi/pulumi";
import { brokerIds, type KafkaClusterConfig, type KafkaPoolConfig } from "../config";
import { customResource } from "../platform";
import { clusterLabelOf, type KafkaHome, listeners } from "./home";
import { containerSecurity, jmxMetrics, jvmOptions, placementOf, podSecurity } from "./strimzi";

/** User that may do everything; nobody works as it. A client's certificate names its user as CN. */
const admin = "kafka-admin";

const certificateSecretOf = (clusterName: string) => `${clusterName}-external-tls`;

const small = { requests: { cpu: "100m", memory: "512Mi" }, limits: { cpu: "1", memory: "1Gi" } };

/** A Kafka cluster: nodes that Strimzi runs, their listeners, and the volumes that hold the data. */
export class KafkaCluster extends pulumi.ComponentResource {
  /** `host:port,…` for clients of the cluster with a certificate. */
  readonly bootstrapServers: pulumi.Output<string>;
  /** `host:port` for clients outside. Undefined where there is no such listener. */
  readonly externalBootstrap: string | undefined;

  /** @param type - Type in its URN, which names the system that it is of. */
  constructor(type: `usdf:${string}:KafkaCluster`, home: KafkaHome, opts?: pulumi.ComponentResourceOptions) {
    const name = `${home.prefix}-kafka`;
    super(type, name, {}, opts);
    const { clusterName, namespace, settings: kafka } = home;
    const certificateSecret = certificateSecretOf(clusterName);
    const child = { parent: this };
    const data = { ...child, protect: home.protect, retainOnDelete: true };
    const metadata = (own: string, annotations?: Record<string, string>) => ({
      name: own,
      namespace,
      labels: { ...home.labels, ...clusterLabelOf(clusterName) },
      annotations,
    });
    const pools: [string, "controller" | "broker", KafkaPoolConfig][] = [
      ["controller", "controller", kafka.controllers],
      ...Object.entries(kafka.brokers).map(
        ([pool, one]) => [pool, "broker", one] as const satisfies [string, string, unknown],
      ),
    ] as [string, "controller" | "broker", KafkaPoolConfig][];
    for (const [pool, role, settings] of pools) {
      customResource(
        `${name}-${pool}`,
        {
          apiVersion: "kafka.strimzi.io/v1",
          kind: "KafkaNodePool",
          metadata: metadata(pool, { "strimzi.io/next-node-ids": JSON.stringify(settings.ids) }),
          spec: nodePool(clusterName, pool, role, settings),
        },
        data,
      );
    }
    const { external } = kafka;
    if (external?.issuer !== undefined) {
      const places = [external.bootstrap, ...Object.values(external.brokers)];
      customResource(
        `${name}-certificate`,
        {
          apiVersion: "cert-manager.io/v1",
          kind: "Certificate",
          metadata: { name: certificateSecret, namespace, labels: { ...home.labels } },
          spec: {
            secretName: certificateSecret,
            issuerRef: { kind: "ClusterIssuer", name: external.issuer },
            dnsNames: places.map(({ host }) => host!),
            privateKey: { encoding: "PKCS8", rotationPolicy: "Always" }, // the form that Java reads
          },
        },
        child,
      );
    }
    customResource(
      name,
      {
        apiVersion: "kafka.strimzi.io/v1",
        kind: "Kafka",
        metadata: metadata(clusterName, kafka.paused ? { "strimzi.io/pause-reconciliation": "true" } : undefined),
        spec: clusterSpec(home),
      },
      data,
    );
    if (kafka.leaving.length > 0) {
      const leaving = [...kafka.leaving].sort((a, b) => a - b);
      customResource(
        `${name}-rebalance-${leaving.join("-")}`,
        {
          apiVersion: "kafka.strimzi.io/v1",
          kind: "KafkaRebalance",
          metadata: metadata(`${clusterName}-leave-${leaving.join("-")}`, {
            "strimzi.io/rebalance-auto-approval": "true",
          }),
          spec: { mode: "remove-brokers", brokers: leaving },
        },
        child,
      );
    }
    this.bootstrapServers = pulumi.interpolate`${clusterName}-kafka-bootstrap.${namespace}.svc.cluster.local:${listeners.tls}`;
    const { host, address } = external?.bootstrap ?? {};
    const outside = host ?? address;
    this.externalBootstrap = outside === undefined ? undefined : `${outside}:${listeners.external}`;
    this.registerOutputs({ bootstrapServers: this.bootstrapServers, externalBootstrap: this.externalBootstrap });
  }
}

function nodePool(clusterName: string, pool: string, role: "controller" | "broker", settings: KafkaPoolConfig) {
  const { ids, size, storageClass, heapMi, volumeLabels, requests, limits } = settings;
  return {
    replicas: ids.length,
    roles: [role],
    storage: {
      type: "jbod",
      volumes: [
        { id: 0, type: "persistent-claim", size, class: storageClass, deleteClaim: false, kraftMetadata: "shared" },
      ],
    },
    resources: { requests, limits },
    jvmOptions: jvmOptions(heapMi),
    template: {
      pod: {
        ...podSecurity,
        terminationGracePeriodSeconds: 180, // a broker closes its logs; one that is killed reads them all again
        ...placementOf(settings, { ...clusterLabelOf(clusterName), "strimzi.io/pool-name": pool }),
      },
      kafkaContainer: containerSecurity,
      initContainer: containerSecurity,
      persistentVolumeClaim: volumeLabels && { metadata: { labels: { ...volumeLabels } } },
    },
  };
}

function clusterSpec(home: KafkaHome) {
  const { clusterName, settings: kafka } = home;
  const rest = { pod: podSecurity };
  return {
    kafka: {
      version: kafka.version,
      metadataVersion: kafka.metadataVersion,
      listeners: listenersOf(home),
      // Where some come without a name, nobody else could be let in by rights.
      authorization: kafka.external?.exception?.anonymous ? undefined : { type: "simple", superUsers: [`CN=${admin}`] },
      config: brokerConfig(kafka),
      metricsConfig: jmxMetrics(clusterName, "kafka.yaml"),
      template: { pod: podSecurity, kafkaContainer: containerSecurity, podDisruptionBudget: { maxUnavailable: 1 } },
    },
    entityOperator: {
      topicOperator: { resources: small },
      userOperator: { resources: small },
      template: {
        ...rest,
        topicOperatorContainer: {
          ...containerSecurity,
          // Its default is 1,024 changes that wait; a summit has more topics than that, which all change at a restart.
          env: [{ name: "STRIMZI_MAX_QUEUE_SIZE", value: "8192" }],
        },
        userOperatorContainer: containerSecurity,
      },
    },
    kafkaExporter: kafka.exporter
      ? { topicRegex: ".*", groupRegex: ".*", resources: small, template: { ...rest, container: containerSecurity } }
      : undefined,
    cruiseControl: kafka.cruiseControl
      ? {
          resources: { requests: { cpu: "500m", memory: "2Gi" }, limits: { cpu: "2", memory: "4Gi" } },
          config: { "max.replicas.per.broker": 20_000 },
          template: { ...rest, cruiseControlContainer: containerSecurity },
        }
      : undefined,
    maintenanceTimeWindows: [...kafka.maintenanceWindows],
  };
}

/** Settings of the brokers. What copies, mirrors and retention depend on follows from one number each. */
function brokerConfig(kafka: KafkaClusterConfig): Record<string, string | number | boolean> {
  const { replication, retentionMinutes, maxMessageBytes } = kafka;
  const inStep = Math.max(1, replication - 1);
  return {
    "default.replication.factor": replication,
    "offsets.topic.replication.factor": replication,
    "transaction.state.log.replication.factor": replication,
    "min.insync.replicas": inStep,
    "transaction.state.log.min.isr": inStep,
    "log.retention.minutes": retentionMinutes,
    "offsets.retention.minutes": kafka.offsetsRetentionMinutes ?? retentionMinutes,
    "message.max.bytes": maxMessageBytes,
    "replica.fetch.max.bytes": maxMessageBytes,
    "replica.lag.time.max.ms": kafka.replicaLagTimeMaxSeconds * 1000,
    "auto.create.topics.enable": kafka.autoCreateTopics,
    ...(kafka.logAppendTime ? { "log.message.timestamp.type": "LogAppendTime" } : {}),
    ...kafka.config,
  };
}

/**
 * Listeners. Strimzi closes each to all but the peers that are named; left out, everyone in the Kubernetes cluster could
 * connect. The external one is open to the load balancer, which lets in the allow list only.
 */
function listenersOf({ clusterName, settings: kafka, namespace, allow }: KafkaHome) {
  const { external, clientNamespaces } = kafka;
  const inNamespace = (one: pulumi.Input<string>) => ({
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": one } },
  });
  const networkPolicyPeers = [namespace, ...clientNamespaces].map(inNamespace);
  const inside = { type: "internal", networkPolicyPeers };
  const password = { type: "scram-sha-512" };
  const balanced = ({ address }: { address?: string }) => ({
    loadBalancerIP: address,
    annotations: external?.pool === undefined ? undefined : { "metallb.io/address-pool": external.pool },
  });
  return [
    ...(kafka.plain ? [{ name: "plain", port: listeners.plain, tls: false, authentication: password, ...inside }] : []),
    { name: "tls", port: listeners.tls, tls: true, authentication: { type: "tls" }, ...inside },
    { name: "password", port: listeners.password, tls: true, authentication: password, ...inside },
    ...(external === undefined
      ? []
      : [
          {
            name: "external",
            port: listeners.external,
            type: "loadbalancer",
            tls: external.exception === undefined,
            authentication: external.exception?.anonymous ? undefined : password,
            configuration: {
              loadBalancerSourceRanges: [...allow],
              allocateLoadBalancerNodePorts: false,
              bootstrap: balanced(external.bootstrap),
              brokers: brokersOf(kafka).map((broker) => {
                const place = external.brokers[broker] ?? {};
                return {
                  broker,
                  ...balanced(place),
                  advertisedHost: place.host,
                  advertisedPort: place.host && listeners.external,
                };
              }),
              brokerCertChainAndKey:
                external.issuer === undefined
                  ? undefined
                  : { secretName: certificateSecretOf(clusterName), certificate: "tls.crt", key: "tls.key" },
            },
          },
        ]),
  ];
}

const brokersOf = (kafka: KafkaClusterConfig) => brokerIds(kafka).sort((a, b) => a - b);
