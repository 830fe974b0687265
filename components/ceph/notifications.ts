import * as pulumi from "@pulumi/pulumi";
import { CephDynamicResource } from "./dynamicResource";
import type { BucketNotificationArgs, NotificationTopicArgs } from "./types";

/** A topic of the gateway: where notifications are pushed to, and how. */
export class NotificationTopic extends CephDynamicResource {
  /** Name of the topic. */
  declare readonly name: pulumi.Output<string>;
  /** `arn:aws:sns:<zonegroup>:<tenant>:<name>` */
  declare readonly arn: pulumi.Output<string>;
  /** Changes whenever an attribute of the topic does: give it to each `BucketNotification`. */
  declare readonly revision: pulumi.Output<string>;

  constructor(name: string, args: NotificationTopicArgs, opts?: pulumi.CustomResourceOptions) {
    const opaqueData = pulumi.secret(args.opaqueData ?? "");
    const secrets = args.kafkaPassword === undefined ? {} : { kafkaPassword: pulumi.secret(args.kafkaPassword) };
    const props = { persistent: true, ...args, ...secrets, opaqueData, arn: undefined, revision: undefined };
    super("topicProvider", "NotificationTopic", name, props, pulumi.mergeOptions(opts, secretOutputs));
  }
}

/** One entry of a bucket's notification configuration; entries of others in the same bucket are left alone. */
export class BucketNotification extends CephDynamicResource {
  declare readonly bucket: pulumi.Output<string>;
  declare readonly topicArn: pulumi.Output<string>;

  constructor(name: string, args: BucketNotificationArgs, opts?: pulumi.CustomResourceOptions) {
    const { id, ...rest } = args;
    const entryId = id ?? pulumi.output(args.topicArn).apply((arn) => arn.slice(arn.lastIndexOf(":") + 1));
    const props = { ...rest, entryId, events: args.events ?? ["s3:ObjectCreated:*"] };
    super("notificationProvider", "BucketNotification", name, props, pulumi.mergeOptions(opts, secretOutputs));
  }
}

/** A digest of the opaque data is as secret as itself. */
const secretOutputs: pulumi.CustomResourceOptions = {
  additionalSecretOutputs: ["opaqueData", "kafkaPassword", "revision", "topicRevision"],
};
