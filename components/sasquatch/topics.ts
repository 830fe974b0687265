import * as pulumi from "@pulumi/pulumi";
import { kafkaTopic } from "../kafka";
import { type Environment, homeOf } from "./environment";
import { schemasTopic, topicObjectName, type TopicPlan } from "./plan";

/** How long a dead letter waits for a person. */
const deadLetterDays = 90;
/** Dead letters of one connector that are kept at most; a connector that parks everything must not fill the brokers. */
const deadLetterBytes = 10 * 2 ** 30;

/** Topics that are declared. Those of SAL are made by their producers, and those of a mirror by the mirror. */
export class KafkaTopics extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-topics`;
    super("usdf:sasquatch:KafkaTopics", name, {}, opts);
    const home = homeOf(environment);
    for (const topic of kafkaTopics(environment)) kafkaTopic(home, topic, this);
    this.registerOutputs();
  }
}

/** Every declared topic of an environment, each once: those of its clients, the schemas, and the dead letters. */
export function kafkaTopics({ settings, plan }: Pick<Environment, "settings" | "plan">): TopicPlan[] {
  const topic = (topicName: string, config: TopicPlan["config"]): TopicPlan => ({
    objectName: topicObjectName(topicName),
    topicName,
    partitions: 1,
    replicas: settings.kafka.replication,
    config,
  });
  const parked = [...plan.connectors, ...plan.longTerm].map(({ deadLetterTopic }) =>
    topic(deadLetterTopic, { "retention.ms": deadLetterDays * 86_400_000, "retention.bytes": deadLetterBytes }),
  );
  const all = [...plan.topics, topic(schemasTopic, { "cleanup.policy": "compact" }), ...parked];
  return [...new Map(all.reverse().map((one) => [one.topicName, one])).values()].reverse();
}
