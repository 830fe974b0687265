import type { Input } from "@pulumi/pulumi";
import type { Grant } from "./grants";

/** A Ceph object gateway (RGW) and the credentials that manage its topics and notifications. */
export interface RgwConnection {
  /** URL of the gateway, e.g. `https://s3dfrgw.slac.stanford.edu`. */
  readonly url: Input<string>;
  /** API name of its zonegroup: the region in topic ARNs, e.g. `default`, `sdfembargo`. @defaultValue `default` */
  readonly zonegroup?: Input<string>;
  /** Tenant of that user, part of topic ARNs. The gateway knows it by itself; a preview only by this. @defaultValue none */
  readonly tenant?: Input<string>;
  /**
   * Profile of the AWS credentials file (`AWS_SHARED_CREDENTIALS_FILE`) of whoever runs the program.
   * @defaultValue the environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`
   */
  readonly profile?: Input<string>;
  /** Keys as Pulumi secrets, where no profile holds them. They are kept encrypted in the state. */
  readonly accessKeyId?: Input<string>;
  readonly secretAccessKey?: Input<string>;
}

/** Arguments of `BucketPolicy`. */
export interface BucketPolicyArgs {
  /** Gateway; its profile must be the bucket's owner. */
  readonly rgw: RgwConnection;
  /** Bucket, without tenant. */
  readonly bucket: string;
  /** Who may do what; at least one. */
  readonly grants: readonly Grant[];
}

/** What a topic can be told: attribute names of Ceph's CreateTopic, with units. */
export interface TopicSettings {
  /** Where notifications go: `http://host:port/path`, `https://…`, or `kafka://host:port` (Kafka topic = topic name). */
  readonly pushEndpoint: Input<string>;
  /** `OpaqueData`: handed to the receiver with each notification; our webhook takes it as its secret. @defaultValue "" */
  readonly opaqueData?: Input<string>;
  /**
   * Queue notifications in the gateway and retry, instead of pushing once while the PUT waits (a failed push is then
   * lost). @defaultValue true
   */
  readonly persistent?: Input<boolean>;
  /** Persistent only: a notification older than this is dropped. @defaultValue 0 = never */
  readonly timeToLiveSeconds?: Input<number>;
  /** Persistent only: attempts before a notification is dropped. @defaultValue 0 = without end */
  readonly maxRetries?: Input<number>;
  /** Persistent only: pause between attempts. @defaultValue 0 = the gateway's own pace */
  readonly retrySleepSeconds?: Input<number>;
  /** `https` only: check the receiver's certificate. @defaultValue true (the gateway's) */
  readonly verifySsl?: Input<boolean>;
  /** `http(s)` only: add CloudEvents headers. @defaultValue false */
  readonly cloudEvents?: Input<boolean>;
  /** `kafka` only: `none` does not wait, `broker` waits until the broker has it. @defaultValue `broker` (the gateway's) */
  readonly kafkaAckLevel?: Input<"none" | "broker">;
  /** `kafka` only: TLS to the broker. @defaultValue false */
  readonly useSsl?: Input<boolean>;
  /** `kafka` with TLS only: file on the gateway's host with the authority that signed the broker's certificate. */
  readonly caLocation?: Input<string>;
  /** `kafka` only: user and password of the broker, which the gateway takes over https. @defaultValue none */
  readonly kafkaUser?: Input<string>;
  readonly kafkaPassword?: Input<string>;
  /** `kafka` with a user only: how it logs in (Ceph 17 and later). @defaultValue `PLAIN` (the gateway's) */
  readonly saslMechanism?: Input<"PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512">;
}

/** Arguments of `NotificationTopic`. */
export interface NotificationTopicArgs extends TopicSettings {
  readonly rgw: RgwConnection;
  /** Name of the topic, and of the Kafka topic it feeds. Another name is another topic: made before the old one goes. */
  readonly name: Input<string>;
}

/** Arguments of `BucketNotification`: one entry of a bucket's notification configuration. */
export interface BucketNotificationArgs {
  readonly rgw: RgwConnection;
  /** Bucket, without tenant. */
  readonly bucket: Input<string>;
  /** Id of this entry in the bucket. Entries with other ids belong to others and are left alone. @defaultValue the topic's name */
  readonly id?: Input<string>;
  /** ARN of the topic: `topic.arn` of a `NotificationTopic`, or that of a topic that something else owns. */
  readonly topicArn: Input<string>;
  /** `topic.revision` of a `NotificationTopic`: the gateway copies a topic's attributes into the bucket, so they are put again when it changes. */
  readonly topicRevision?: Input<string>;
  /** Events to notify. @defaultValue `["s3:ObjectCreated:*"]` */
  readonly events?: Input<Input<string>[]>;
  /** Only keys that start with this. */
  readonly prefix?: Input<string>;
  /** Only keys that end with this. */
  readonly suffix?: Input<string>;
}
