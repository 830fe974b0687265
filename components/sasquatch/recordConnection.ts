import type { LongTermPlan } from "./plan";

/** Variables of a program that reads a client's Avro records: which topics, as whom, and where their time is. */
export function recordConnection(plan: LongTermPlan, registryUrl: string) {
  if (plan.format !== "avro")
    throw new Error(`${plan.name} reads Avro only, and client ${plan.client} writes ${plan.format}. Drop it from the client.`); // prettier-ignore
  return {
    CONSUMER_GROUP: plan.consumerGroup,
    TOPIC_PATTERN: plan.patterns.java,
    REGISTRY_URL: registryUrl,
    TIMESTAMP_FIELD: plan.timestamp.field,
    TIMESTAMP_UNIT: plan.timestamp.unit,
    DEAD_LETTER_TOPIC: plan.deadLetterTopic,
  };
}
