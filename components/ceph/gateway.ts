import * as pulumi from "@pulumi/pulumi";
import type { CephEndpoint } from "../config";
import { runsInEngine } from "../platform";
import { BucketPolicy } from "./bucketPolicy";
import { BucketNotification, NotificationTopic } from "./notifications";
import { rgwProvider } from "./provider";
import type { RgwConnection, TopicSettings } from "./types";

/** Where a topic pushes to, and the secret that the receiver expects. */
export interface Receiver {
  readonly pushEndpoint: pulumi.Input<string>;
  readonly opaqueData?: pulumi.Input<string>;
  /** What must run before the gateway pushes: its queue may stand still after a first refused connection. */
  readonly waitFor?: pulumi.Resource;
  /** How it is reached, where the receiver knows that better than the topic's configuration. */
  readonly settings?: Pick<TopicSettings, "useSsl" | "caLocation" | "saslMechanism" | "kafkaUser" | "kafkaPassword">;
}

/** Arguments of {@link CephGateway}. */
export interface CephGatewayArgs {
  readonly endpoint: CephEndpoint;
  /** Whether buckets get the policies that the endpoint declares. If not, the engine's log says how many are left out. */
  readonly managesPolicies: boolean;
  /** Whether the engine refuses to delete or replace a topic, which holds what is not delivered yet. */
  readonly protectTopics: boolean;
  /** Receiver of a topic that is `to` an environment, or has a literal endpoint. */
  readonly receiverOf: (topic: CephEndpoint["topics"][string]) => Receiver;
}

/** One Ceph object gateway: its topics, the notifications of its buckets and their policies. */
export class CephGateway extends pulumi.ComponentResource {
  /** ARN by name of topic. */
  readonly topicArns: Readonly<Record<string, pulumi.Output<string>>>;

  constructor(name: string, args: CephGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:ceph:CephGateway", name, {}, opts);
    const { endpoint, managesPolicies, protectTopics, receiverOf } = args;
    const child = { parent: this };
    const topics: Record<string, NotificationTopic> = {};
    for (const [topicName, topic] of Object.entries(endpoint.topics)) {
      const { profile, tenant, to: _to, pushEndpoint: _literal, opaqueDataFrom: _from, ...settings } = topic;
      const rgw = { ...connection(endpoint, profile), tenant };
      const { pushEndpoint, opaqueData, waitFor, settings: ofReceiver } = receiverOf(topic);
      topics[topicName] = new NotificationTopic(
        `${name}-${topicName}`,
        { rgw, name: topicName, ...settings, ...ofReceiver, pushEndpoint, opaqueData },
        { ...child, dependsOn: waitFor, protect: protectTopics },
      );
    }
    const providers = new Map<string, ReturnType<typeof rgwProvider>>();
    const leftOut: string[] = [];
    for (const [bucket, { profile, policy, notifications }] of Object.entries(endpoint.buckets)) {
      const rgw = connection(endpoint, profile);
      // One after the other: the gateway rewrites all entries of a bucket at each change, and two at a time lose one.
      let before: BucketNotification | undefined;
      for (const [id, { topic, topicArn, ...filter }] of Object.entries(notifications)) {
        const made = topic === undefined ? undefined : topics[topic];
        before = new BucketNotification(
          `${name}-${bucket}-${id}`,
          { rgw, bucket, id, topicArn: made?.arn ?? topicArn!, topicRevision: made?.revision, ...filter },
          { ...child, dependsOn: before },
        );
      }
      if (policy === undefined) continue;
      if (!managesPolicies) {
        leftOut.push(bucket);
        continue;
      }
      const owner = String(rgw.profile ?? "");
      const provider =
        providers.get(owner) ?? rgwProvider(owner === "" ? name : `${name}-${owner}`, rgw, { parent: this });
      providers.set(owner, provider);
      new BucketPolicy(`${name}-${bucket}`, { rgw, bucket, grants: policy }, { ...child, providers: [provider] });
    }
    if (leftOut.length > 0 && runsInEngine()) {
      const about = `left out: the policies of buckets ${leftOut.join(", ")} (usdf:ceph.bucketPolicies is unmanaged).`;
      void pulumi.log.info(about, this);
    }
    this.topicArns = Object.fromEntries(Object.entries(topics).map(([topicName, { arn }]) => [topicName, arn]));
    this.registerOutputs({ topicArns: this.topicArns });
  }
}

function connection(endpoint: CephEndpoint, profile = endpoint.profile): RgwConnection {
  return { url: endpoint.url, zonegroup: endpoint.zonegroup, profile };
}
