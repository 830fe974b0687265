import * as pulumi from "@pulumi/pulumi";
import { BucketNotification, NotificationTopic } from "../../../components/ceph";

const config = new pulumi.Config();
const rgw = { url: config.require("url"), zonegroup: "default" };
const topic = new NotificationTopic("topic", {
  rgw,
  name: config.require("topic"),
  pushEndpoint: config.require("pushEndpoint"),
  opaqueData: config.requireSecret("opaqueData"),
  timeToLiveSeconds: 60,
});
new BucketNotification("notification", {
  rgw,
  bucket: config.require("bucket"),
  id: "own",
  topicArn: topic.arn,
  topicRevision: topic.revision,
});
export const topicArn = topic.arn;
