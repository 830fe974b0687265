import type * as pulumi from "@pulumi/pulumi";
import { customResource } from "../platform";
import { clusterLabelOf, type KafkaHome } from "./home";

/** A topic that is declared. */
export interface KafkaTopicSpec {
  /** Name of the KafkaTopic: RFC 1123; no two topics of a cluster have the same. */
  readonly objectName: string;
  /** Name in Kafka. */
  readonly topicName: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly config: Readonly<Record<string, string | number>>;
}

/** Declares a topic. It outlives its declaration, with its data. */
export function kafkaTopic(home: KafkaHome, topic: KafkaTopicSpec, parent: pulumi.Resource): void {
  const { objectName, topicName, partitions, replicas, config } = topic;
  customResource(
    `${home.prefix}-topic-${objectName}`,
    {
      apiVersion: "kafka.strimzi.io/v1",
      kind: "KafkaTopic",
      metadata: {
        name: objectName,
        namespace: home.namespace,
        labels: { ...home.labels, ...clusterLabelOf(home.clusterName) },
      },
      spec: { topicName, partitions, replicas, config: { ...config } },
    },
    { parent, protect: home.protect, retainOnDelete: true },
  );
}
