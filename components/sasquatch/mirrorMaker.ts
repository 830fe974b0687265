import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { customResource, type Opening } from "../platform";
import { networkPolicySpec } from "../platform";
import {
  bootstrapOf,
  clusterCaSecret,
  clusterLabel,
  clusterName,
  type Environment,
  kafkaPods,
  labelsOf,
  listeners,
  secretName,
} from "./environment";
import type { MirrorPlan } from "./plan";
import { containerSecurity, jmxMetrics, jvmOptions, podSecurity } from "./strimzi";
import { mirrorUserName } from "./users";

const policies = {
  default: "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
  identity: "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
} as const;

/** What Kafka leaves out by itself when it copies a topic's configuration; said, since it must stay so at any version. */
const keptConfig = [
  "follower.replication.throttled.replicas",
  "leader.replication.throttled.replicas",
  "message.timestamp.difference.max.ms",
  "message.timestamp.type",
  "unclean.leader.election.enable",
  "min.insync.replicas",
];

/**
 * Groups whose offsets do not follow. Connectors have the same names at both sites, each with offsets of its own: those of
 * the source would let one that is away for a minute skip what it has not stored here.
 */
const ownGroups = ["connector-.*", "connect-.*", "console-consumer-.*", "__.*"];

/** MirrorMaker 2 at the target: pulls topics, schemas and offsets of other environments. It only reads there. */
export class MirrorMaker extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-mirror`;
    super("usdf:sasquatch:MirrorMaker", name, {}, opts);
    const { namespace, settings, plan } = environment;
    const { kafka, mirrorMaker } = settings;
    const child = { parent: this };
    const metadata = { name: clusterName, namespace, labels: labelsOf(environment, "mirror") };
    customResource(
      name,
      {
        apiVersion: "kafka.strimzi.io/v1",
        kind: "KafkaMirrorMaker2",
        metadata,
        spec: {
          version: kafka.version,
          replicas: mirrorMaker.replicas,
          target: {
            alias: environment.name,
            bootstrapServers: bootstrapOf("tls"),
            groupId: mirrorUserName,
            configStorageTopic: `${mirrorUserName}-configs`,
            statusStorageTopic: `${mirrorUserName}-status`,
            offsetStorageTopic: `${mirrorUserName}-offsets`,
            tls: { trustedCertificates: [{ secretName: clusterCaSecret, pattern: "*.crt" }] },
            authentication: userCertificate(mirrorUserName),
            config: {
              "config.storage.replication.factor": kafka.replication,
              "status.storage.replication.factor": kafka.replication,
              "offset.storage.replication.factor": kafka.replication,
              "offset.flush.timeout.ms": 10_000,
            },
          },
          mirrors: plan.mirrors.map((mirror) => mirrorSpec(environment, mirror)),
          resources: { requests: mirrorMaker.requests, limits: mirrorMaker.limits },
          jvmOptions: jvmOptions(mirrorMaker.heapMi),
          metricsConfig: jmxMetrics("connect.yaml"),
          template: {
            pod: podSecurity,
            connectContainer: containerSecurity,
            podDisruptionBudget: { maxUnavailable: 1 },
          },
        },
      },
      child,
    );
    const ports = plan.mirrors.flatMap(({ bootstrap }) =>
      bootstrap.split(",").map((one) => Number(one.split(":").pop())),
    );
    const peers = { ...clusterLabel, "strimzi.io/kind": "KafkaMirrorMaker2" };
    egressOnly(
      environment,
      "mirror",
      peers,
      [
        { peers: "anyone", ports: [...new Set(ports)] }, // the sources; they limit who may come
        { peers: [{ pods: kafkaPods }], ports: [listeners.tls] },
        { peers: [{ pods: peers }], ports: [8083] }, // workers ask the one that leads
      ],
      this,
    );
    this.registerOutputs();
  }
}

function mirrorSpec(environment: Environment, mirror: MirrorPlan) {
  const { from, bootstrap, policy, patterns, offset, offsetSyncs } = mirror;
  const { kafka, mirrors } = environment.settings;
  const { user, tasks, requestTimeoutSeconds, caField } = mirrors[from]!;
  const passwordField = mirrorPasswordField(from, mirrors[from]!);
  const common = {
    "replication.policy.class": policies[policy],
    "replication.policy.separator": policy === "default" ? "." : "",
    "offset-syncs.topic.location": offsetSyncs,
  };
  const timeoutMs = requestTimeoutSeconds * 1000;
  return {
    source: {
      alias: from,
      bootstrapServers: bootstrap,
      // Without certificates: those of public authorities.
      tls: { trustedCertificates: caField === undefined ? [] : [{ secretName, certificate: caField }] },
      authentication: {
        type: "scram-sha-512",
        username: user,
        passwordSecret: { secretName, password: passwordField },
      },
      config: { "request.timeout.ms": timeoutMs },
    },
    topicsPattern: patterns.join(","),
    groupsPattern: ".*",
    groupsExcludePattern: ownGroups.join(","),
    sourceConnector: {
      tasksMax: tasks,
      autoRestart: { enabled: true },
      config: {
        ...common,
        "replication.factor": kafka.replication,
        "offset-syncs.topic.replication.factor": kafka.replication,
        "refresh.topics.interval.seconds": 60,
        "sync.topic.acls.enabled": false,
        "config.properties.exclude": keptConfig.join(","),
        "consumer.auto.offset.reset": offset,
        "consumer.fetch.max.bytes": 52_428_800,
        "consumer.max.partition.fetch.bytes": 1_048_576,
        "consumer.max.poll.records": 500,
        "consumer.request.timeout.ms": timeoutMs,
        // Records are written by the worker's producer, which only `producer.override.` reaches.
        "producer.override.max.request.size": kafka.maxMessageBytes,
        "producer.override.buffer.memory": Math.max(33_554_432, 4 * kafka.maxMessageBytes),
        "producer.override.batch.size": 524_288,
        "producer.override.linger.ms": 100,
        "producer.override.compression.type": "lz4",
        "producer.override.request.timeout.ms": timeoutMs,
        "producer.override.delivery.timeout.ms": 2 * timeoutMs,
      },
    },
    checkpointConnector: {
      tasksMax: 1,
      autoRestart: { enabled: true },
      config: {
        ...common,
        "checkpoints.topic.replication.factor": kafka.replication,
        "refresh.groups.interval.seconds": 300,
        "emit.checkpoints.interval.seconds": 60,
        "sync.group.offsets.enabled": true,
        "sync.group.offsets.interval.seconds": 60,
      },
    },
  };
}

/** Field of the password by which a mirror reads at its source: one of its own, so that no two sites share one. */
export const mirrorPasswordField = (alias: string, { passwordField }: { readonly passwordField?: string }): string =>
  passwordField ?? `${alias}-replicator-password`;

/** Authentication by the certificate that Strimzi made for a user. */
export const userCertificate = (user: string) => ({
  type: "tls",
  certificateAndKey: { secretName: user, certificate: "user.crt", key: "user.key" },
});

/** Limits whom pods of Strimzi may talk to; who may talk to them, Strimzi limits by policies of its own. */
export function egressOnly(
  environment: Environment,
  component: string,
  pods: Readonly<Record<string, string>>,
  reaches: readonly Opening[],
  parent: pulumi.Resource,
): void {
  const { podSelector, egress } = networkPolicySpec(pods, [], reaches);
  new k8s.networking.v1.NetworkPolicy(
    `${environment.prefix}-${component}-egress`,
    {
      metadata: {
        name: `${clusterName}-${component}-egress`,
        namespace: environment.namespace,
        labels: labelsOf(environment, component),
      },
      spec: { podSelector, policyTypes: ["Egress"], egress },
    },
    { parent },
  );
}
