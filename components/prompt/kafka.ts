import * as pulumi from "@pulumi/pulumi";
import { type AlertStreamConfig, isAuthenticated, type PromptKafkaUser, type PromptTopic } from "../config";
import {
  type Acl,
  brokerAlerts,
  KafkaCluster,
  type KafkaHome,
  kafkaMetrics,
  kafkaTopic,
  type KafkaTopicSpec,
  kafkaUser,
  type KafkaUserSpec,
  topicObjectName,
} from "../kafka";
import { alertRules } from "../platform";
import { declarePlace, type Environment, labelsOf, type Place, type PlaceSecret } from "./environment";

/** Arguments of {@link PromptKafka}. */
export interface PromptKafkaArgs {
  /** Name of the cluster, and of the Vault path of its users' passwords. */
  readonly clusterName: string;
  readonly config: AlertStreamConfig;
  /** Users besides those of the configuration. */
  readonly users?: Readonly<Record<string, PromptKafkaUser>>;
  /** Further Secrets of its namespace. */
  readonly secrets?: Readonly<Record<string, PlaceSecret>>;
}

/** A Kafka cluster of an environment in a namespace of its own, with its topics and users. */
export class PromptKafka extends pulumi.ComponentResource {
  readonly place: Place;
  readonly home: KafkaHome;
  /** `host:port` for clients outside the cluster. Undefined where there is no such listener. */
  readonly externalBootstrap: string | undefined;

  constructor(environment: Environment, args: PromptKafkaArgs, opts?: pulumi.ComponentResourceOptions) {
    const { clusterName, config } = args;
    const prefix = `${environment.prefix}-${clusterName}`;
    super("usdf:prompt:Kafka", prefix, {}, opts);
    const { platform } = environment;
    const { cluster: settings, allow } = config;
    const users = usersOf(config, args.users ?? {});
    const passwords = users
      .filter(({ authentication }) => settings.kind === "strimzi" && authentication === "scram-sha-512")
      .map(({ name }) => passwordField(name));
    const secretName = `${clusterName}-users`;
    this.place = declarePlace(
      environment,
      config.namespace,
      {
        ...args.secrets,
        [secretName]: { path: clusterName, fields: Object.fromEntries(passwords.map((field) => [field, field])) },
      },
      this,
    );
    const { namespace } = this.place;
    const labels = labelsOf(environment);
    this.home = { clusterName, prefix, namespace, labels, settings, allow, protect: platform.protectData };
    for (const topic of topicsOf(config)) kafkaTopic(this.home, topic, this);
    if (settings.kind === "strimzi") {
      this.externalBootstrap = new KafkaCluster("usdf:prompt:KafkaCluster", this.home, {
        parent: this,
      }).externalBootstrap;
      kafkaMetrics(this.home, platform.monitoring, this);
      for (const user of users) {
        const hasPassword = user.authentication === "scram-sha-512";
        kafkaUser(this.home, user, hasPassword ? { secretName, key: passwordField(user.name) } : undefined, this);
      }
      if (platform.monitoring.enabled) this.alerts(environment, labels);
    } else this.externalBootstrap = settings.brokerList!.join(",");
    this.registerOutputs({ externalBootstrap: this.externalBootstrap });
  }

  private alerts({ name, platform }: Environment, labels: Readonly<Record<string, string>>): void {
    const { clusterName, prefix, namespace } = this.home;
    alertRules(
      `${prefix}-alerts`,
      {
        metadata: { name: `${clusterName}-kafka`, namespace, labels },
        system: "prompt",
        environment: name,
        alerts: brokerAlerts("Prompt", `namespace="${this.place.name}"`),
        monitoring: platform.monitoring,
      },
      { parent: this },
    );
  }
}

/** Field of a user's password in the cluster's secret. */
export const passwordField = (user: string): string => `${user}-password`;

/** Topics of a cluster as Strimzi is told of them. */
export function topicsOf({ topics, cluster }: Pick<AlertStreamConfig, "topics" | "cluster">): KafkaTopicSpec[] {
  return Object.entries(topics).map(([topicName, topic]) => ({
    objectName: topicObjectName(topicName),
    topicName,
    partitions: topic.partitions,
    replicas: cluster.replication,
    config: topicConfig(topic),
  }));
}

function topicConfig({ retentionSeconds, retentionBytesPerPartition }: PromptTopic): Record<string, number> {
  const retentionMs = retentionSeconds === "infinite" ? -1 : (retentionSeconds ?? 0) * 1000;
  return {
    ...(retentionSeconds !== undefined && { "retention.ms": retentionMs }),
    ...(retentionBytesPerPartition !== undefined && { "retention.bytes": retentionBytesPerPartition }),
  };
}

/** Users of a cluster with exactly the rights that they use; none where the cluster knows nobody's name. */
export function usersOf(
  config: Pick<AlertStreamConfig, "topics" | "users" | "cluster">,
  more: Readonly<Record<string, PromptKafkaUser>> = {},
): KafkaUserSpec[] {
  const all = Object.entries({ ...config.users, ...more });
  const knowsRights = isAuthenticated(config.cluster);
  return [
    { name: "kafka-admin", authentication: "tls", acls: [] },
    ...all.map(([name, user]): KafkaUserSpec => {
      const acls = knowsRights ? aclsOf(name, user, Object.keys(config.topics)) : [];
      return { name, authentication: user.authentication, acls };
    }),
  ];
}

function aclsOf(user: string, rights: PromptKafkaUser, topics: readonly string[]): Acl[] {
  const named = (list: PromptKafkaUser["reads"]) => (list === "all" ? topics : list);
  const reads = named(rights.reads);
  const writes = named(rights.writes);
  const groups = rights.groups.length > 0 ? rights.groups : reads.length > 0 ? [user] : [];
  return [
    ...topics.flatMap((name): Acl[] => {
      const operations = [...(reads.includes(name) ? ["Read"] : []), ...(writes.includes(name) ? ["Write"] : [])];
      if (operations.length === 0) return [];
      return [{ resource: { type: "topic", name, patternType: "literal" }, operations: ["Describe", ...operations] }];
    }),
    ...groups.map((name): Acl => {
      return { resource: { type: "group", name, patternType: "prefix" }, operations: ["Describe", "Read"] };
    }),
    ...rights.transactions.map((name): Acl => {
      return { resource: { type: "transactionalId", name, patternType: "literal" }, operations: ["Describe", "Write"] };
    }),
  ];
}
