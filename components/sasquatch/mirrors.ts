import { bootstrapOf, clusterCaSecret, clusterName, type Environment, secretName } from "./environment";
import type { MirrorPlan } from "./plan";

/** Kafka user, consumer group and internal topics of the workers. */
export const mirrorUserName = `${clusterName}-mirror`;

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

/**
 * What of a KafkaMirrorMaker2 says what is mirrored, and how; the rehearsal of failovers runs the same.
 *
 * Records, and the mirror's own place, are written in one transaction: a worker that dies repeats nothing, and statistics
 * and Parquet files of mirrored topics count each record once.
 */
export function mirroring(environment: Pick<Environment, "name" | "settings" | "plan">) {
  const { kafka } = environment.settings;
  return {
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
        "exactly.once.source.support": "enabled",
        // Headers are bytes like keys and values; what Connect does by default would write them anew, as text.
        "header.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "config.storage.replication.factor": kafka.replication,
        "status.storage.replication.factor": kafka.replication,
        "offset.storage.replication.factor": kafka.replication,
        "offset.flush.timeout.ms": 10_000,
      },
    },
    mirrors: environment.plan.mirrors.map((mirror) => mirrorSpec(environment.settings, mirror)),
  };
}

function mirrorSpec({ kafka, mirrors }: Environment["settings"], mirror: MirrorPlan) {
  const { from, bootstrap, patterns, offset, offsetSyncs } = mirror;
  const { user, tasks, requestTimeoutSeconds, caField } = mirrors[from]!;
  const passwordField = mirrorPasswordField(from, mirrors[from]!);
  const common = {
    // A topic is named `<alias>.<topic>`: with names as at the source nobody could tell what must not go back.
    "replication.policy.class": "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
    "replication.policy.separator": ".",
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
        "exactly.once.support": "required",
        "consumer.isolation.level": "read_committed",
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
