/** Kafka clusters that Strimzi runs, with their topics, users and metrics. */
export { accessOf, type KafkaAccess } from "./access";
export { type Acl, mergedAcls } from "./acls";
export { brokerAlerts } from "./alerts";
export { KafkaCluster } from "./cluster";
export {
  bootstrapIn,
  clusterCaSecretOf,
  clusterLabelOf,
  type KafkaHome,
  kafkaPodsOf,
  type Listener,
  listeners,
  opensTo,
} from "./home";
export { gauge, kafkaMetrics } from "./metrics";
export { containerSecurity, jmxMetrics, jvmOptions, podSecurity } from "./strimzi";
export { topicObjectName } from "./topicName";
export { kafkaTopic, type KafkaTopicSpec } from "./topics";
export { kafkaUser, type KafkaUserSpec } from "./users";
