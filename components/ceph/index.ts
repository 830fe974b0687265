/** Bucket policies, notification topics and bucket notifications of Ceph object gateways. */
export { BucketPolicy } from "./bucketPolicy";
export {
  type Grant,
  GrantError,
  type PolicyDocument,
  policyDocument,
  type PolicyStatement,
  type Right,
  rights,
} from "./grants";
export { CephGateway, type CephGatewayArgs, type Receiver } from "./gateway";
export { type NotificationInputs, notificationFaults, notificationProvider } from "./notificationProvider";
export { BucketNotification, NotificationTopic } from "./notifications";
export { rgwProvider } from "./provider";
export { deleteNotification, getNotifications, getTopic, type RgwAccess, topicConfiguration } from "./rgw";
export { topicAttributes, topicFaults, type TopicInputs, type TopicOutputs, topicProvider } from "./topicProvider";
export type {
  BucketNotificationArgs,
  BucketPolicyArgs,
  NotificationTopicArgs,
  RgwConnection,
  TopicSettings,
} from "./types";
