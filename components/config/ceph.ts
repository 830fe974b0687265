import { z } from "zod";
import { vaultPath } from "./field";

/** Ceph object gateways: bucket policies, topics and notifications, by endpoint. */

const grant = z.strictObject({
  name: z.string().describe("Name of the statement, unique in its bucket."),
  to: z.array(z.string()).min(1).describe("Users: `user`, or in a tenant `tenant$user`."),
  right: z
    .enum(["reader", "writer", "lister", "uploader", "remover"])
    .describe(
      "What they may do: reader lists and reads; writer also puts and deletes; lister only lists; uploader only puts.",
    ),
  effect: z.enum(["allow", "deny"]).default("allow").describe("A deny wins over every allow."),
  prefix: z.string().optional().describe("Only objects whose key starts with this. Default: the whole bucket."),
});

const notification = z
  .strictObject({
    topic: z.string().optional().describe("A topic of the same endpoint in this stack."),
    topicArn: z.string().startsWith("arn:aws:sns:").optional().describe("A topic that something else owns."),
    events: z.array(z.string()).optional().describe("Events to notify. Default: s3:ObjectCreated:*."),
    prefix: z.string().optional().describe("Only keys that start with this."),
    suffix: z.string().optional().describe("Only keys that end with this."),
  })
  .refine((entry) => (entry.topic === undefined) !== (entry.topicArn === undefined), {
    error: "must have either topic or topicArn",
  });

const profile = z
  .string()
  .describe(
    "Profile of the AWS credentials file of whoever runs the program. Default: the endpoint's, else the environment's.",
  );

const bucket = z.strictObject({
  profile: profile.optional(),
  policy: z.array(grant).min(1).optional().describe("Who may do what. Default: the bucket's policy is left alone."),
  notifications: z
    .record(z.string(), notification)
    .default({})
    .describe("Notifications by id; other ids are left alone."),
});

const topic = z
  .strictObject({
    profile: profile.optional(),
    tenant: z
      .string()
      .optional()
      .describe("Tenant of the profile's user, for the ARN that previews show. Default: none."),
    to: z
      .strictObject({
        environment: z
          .string()
          .optional()
          .describe("Environment of embargo ingest in this stack: its Service with its secret, or its Kafka cluster."),
        prompt: z
          .string()
          .optional()
          .describe("Environment of prompt processing in this stack: the topic of this name in its fileNotifications."),
      })
      .refine((to) => to.environment !== undefined || to.prompt !== undefined, {
        error: "must have environment or prompt, or both where enqueue reads prompt's Kafka",
      })
      .optional()
      .describe("Feed what reads notifications in an environment of this stack."),
    pushEndpoint: z.url().optional().describe("Any other receiver: http://host:port/path or kafka://host:port."),
    opaqueDataFrom: z
      .strictObject({ path: vaultPath.describe("Vault path."), field: z.string().describe("Field.") })
      .optional()
      .describe("Secret that any other receiver expects as opaqueData. Default: empty."),
    persistent: z.boolean().default(true).describe("Queue in the gateway and retry; false pushes once and may lose."),
    timeToLiveSeconds: z.int().min(0).optional().describe("A notification older than this is dropped. Default: never."),
    maxRetries: z.int().min(0).optional().describe("Attempts before a notification is dropped. Default: without end."),
    retrySleepSeconds: z.int().min(0).optional().describe("Pause between attempts. Default: the gateway's."),
    verifySsl: z.boolean().optional().describe("https: check the receiver's certificate."),
    cloudEvents: z.boolean().optional().describe("http: add CloudEvents headers."),
    kafkaAckLevel: z
      .enum(["none", "broker"])
      .optional()
      .describe("kafka: wait for the broker or not. Default: broker."),
    useSsl: z.boolean().optional().describe("kafka: TLS to the broker."),
    caLocation: z.string().optional().describe("kafka: file on the gateway with the broker's authority."),
  })
  .refine((entry) => (entry.to === undefined) !== (entry.pushEndpoint === undefined), {
    error: "must have either to or pushEndpoint",
  });

const endpoint = z
  .strictObject({
    url: z.url().describe("URL of the gateway."),
    zonegroup: z.string().default("default").describe("API name of its zonegroup: the region in topic ARNs."),
    profile: profile.optional(),
    buckets: z.record(z.string(), bucket).default({}).describe("Buckets by name, without tenant."),
    topics: z.record(z.string(), topic).default({}).describe("Topics by name."),
  })
  .superRefine((value, context) => {
    for (const [name, { notifications }] of Object.entries(value.buckets)) {
      for (const [id, entry] of Object.entries(notifications)) {
        if (entry.topic === undefined || entry.topic in value.topics) continue;
        const known = Object.keys(value.topics).join(", ") || "none";
        context.addIssue({
          code: "custom",
          path: ["buckets", name, "notifications", id, "topic"],
          message: `is "${entry.topic}", not a topic of this endpoint (${known})`,
        });
      }
    }
  });

export const cephSchema = z
  .strictObject({
    bucketPolicies: z
      .enum(["managed", "unmanaged"])
      .default("managed")
      .describe(
        "unmanaged: leave every bucket's policy as it is, for whoever has no aws plugin or no owner's credentials. Switch " +
          "only before the first `pulumi up`: in a stack that has them, it deletes the policies.",
      ),
    endpoints: z.record(z.string(), endpoint).default({}).describe("Gateways by a name of our own."),
  })
  .describe("Ceph object gateways: bucket policies, topics and notifications.");

export type CephConfig = z.output<typeof cephSchema>;
export type CephEndpoint = z.output<typeof endpoint>;
export type CephTopic = z.output<typeof topic>;
