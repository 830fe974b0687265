import type * as pulumi from "@pulumi/pulumi";
import type { AlertStreamConfig } from "../config";
import type { Environment } from "./environment";
import { PromptKafka } from "./kafka";

/** Name of the Kafka cluster of the alerts, as those who read them know it. */
export const alertStreamName = "sasquatch";

/** Kafka of the alerts: pipelines write its topics, brokers outside read them. */
export function alertStream(
  environment: Environment,
  config: AlertStreamConfig,
  opts: pulumi.ComponentResourceOptions,
): PromptKafka {
  return new PromptKafka(environment, { clusterName: alertStreamName, config }, opts);
}
