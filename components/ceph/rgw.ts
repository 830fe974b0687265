/**
 * What topics and bucket notifications are to the gateway. The functions run in the engine's provider process (bundled
 * into the state, see dynamicResource.ts), in the local runner and in tests. The SDK is loaded where it is used, so that
 * a program that only declares resources does not wait for it.
 */

import type * as S3 from "@aws-sdk/client-s3";
import type * as Sns from "@aws-sdk/client-sns";

/** A gateway with plain values, as a provider receives it. See `RgwConnection`. */
export interface RgwAccess {
  url: string;
  zonegroup?: string;
  profile?: string;
  accessKeyId?: string;
  secretAccessKey?: string;
}

/** One entry of a bucket's notification configuration. */
export interface NotificationEntry {
  id: string;
  topicArn: string;
  events: string[];
  prefix?: string;
  suffix?: string;
}

/** Whether two accesses are one and the same. */
export function sameAccess(a: RgwAccess, b: RgwAccess): boolean {
  const keys = ["url", "zonegroup", "profile", "accessKeyId", "secretAccessKey"] as const;
  return keys.every((key) => (a[key] ?? "") === (b[key] ?? ""));
}

/** Options of an SDK client for the gateway. Without keys and profile the SDK's own chain reads the environment. */
function clientOptions(rgw: RgwAccess) {
  return {
    endpoint: rgw.url,
    region: rgw.zonegroup || "default",
    // RGW knows neither the checksums that the SDK adds by default nor host names per bucket.
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED" as const,
    responseChecksumValidation: "WHEN_REQUIRED" as const,
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
    ...(rgw.profile ? { profile: rgw.profile } : {}),
    ...(rgw.accessKeyId && rgw.secretAccessKey
      ? { credentials: { accessKeyId: rgw.accessKeyId, secretAccessKey: rgw.secretAccessKey } }
      : {}),
  };
}

/** Runs one call; a failure says what was called on what, why it failed and what to do. */
async function call<T>(what: string, rgw: RgwAccess, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const { name, message, code, $metadata } = error as {
      name?: string;
      message?: string;
      code?: string;
      $metadata?: { httpStatusCode?: number };
    };
    // The gateway answers SNS calls in S3's words, which the SDK does not read: what is left is the status.
    const refused = name === "Unknown" && $metadata?.httpStatusCode === 403;
    const systemError = code ?? /\bE[A-Z]{5,}\b/.exec(message ?? "")?.[0];
    const reason = refused ? "AccessDenied" : (systemError ?? name ?? "Error");
    const advice: Record<string, string> = {
      ECONNREFUSED: "Is the gateway up, and is its URL right?",
      ENOTFOUND: "Is the URL of the gateway right?",
      CredentialsProviderError:
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of the credentials file.",
      AccessDenied: "Use the credentials of the owner of the bucket or topic.",
      InvalidAccessKeyId: "Use the credentials of the owner of the bucket or topic.",
      SignatureDoesNotMatch: "The secret key does not belong to the access key.",
      NoSuchBucket: "Create the bucket first, or correct its name.",
      NoSuchKey: "Create the topic first, or correct its ARN.",
    };
    const detail =
      message && message !== reason && !/^Unknown/.test(message)
        ? ` (${message.replace(/^AWS SDK error wrapper for Error: /, "")})`
        : "";
    const failure = new Error(`${what} at ${rgw.url} failed: ${reason}${detail}. ${advice[reason] ?? ""}`.trim(), {
      cause: error,
    });
    throw Object.assign(failure, { code: reason });
  }
}

/** Runs `run` with an SNS client (topics) of the gateway. */
async function withSns<T>(rgw: RgwAccess, run: (client: Sns.SNSClient, sdk: typeof Sns) => Promise<T>): Promise<T> {
  const sdk = await import("@aws-sdk/client-sns");
  const client = new sdk.SNSClient(clientOptions(rgw));
  try {
    return await run(client, sdk);
  } finally {
    client.destroy();
  }
}

/** Runs `run` with an S3 client (bucket notifications) of the gateway. */
async function withS3<T>(rgw: RgwAccess, run: (client: S3.S3Client, sdk: typeof S3) => Promise<T>): Promise<T> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client(clientOptions(rgw));
  try {
    return await run(client, sdk);
  } finally {
    client.destroy();
  }
}

/** Creates a topic or overwrites the attributes of the one there is. Returns its ARN. */
export async function putTopic(rgw: RgwAccess, name: string, attributes: Record<string, string>): Promise<string> {
  return withSns(rgw, (client, sdk) =>
    call(`CreateTopic "${name}"`, rgw, async () => {
      const { TopicArn } = await client.send(new sdk.CreateTopicCommand({ Name: name, Attributes: attributes }));
      if (!TopicArn) throw new Error("the gateway gave no ARN");
      return TopicArn;
    }),
  );
}

/** Attributes of a topic by the names that CreateTopic takes, or `undefined` when there is no such topic. */
export async function getTopic(rgw: RgwAccess, arn: string): Promise<Record<string, string> | undefined> {
  return withSns(rgw, async (client, sdk) => {
    // GetTopicAttributes of a topic that is not there is NotFound in new gateways, NoSuchKey or an empty answer in old ones.
    const attributes = await call(`GetTopicAttributes "${arn}"`, rgw, async () => {
      try {
        return (await client.send(new sdk.GetTopicAttributesCommand({ TopicArn: arn }))).Attributes;
      } catch (error) {
        const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
        if (name === "NotFoundException" || name === "NoSuchKey" || $metadata?.httpStatusCode === 404) return undefined;
        throw error;
      }
    });
    if (!attributes?.EndPoint) return undefined;
    const endpoint = JSON.parse(attributes.EndPoint) as Record<string, unknown>;
    // The arguments stand there as `name=value&…` in the order of their names, in old gateways without any escaping.
    const args = `&${String(endpoint.EndpointArgs ?? "")}&`;
    const argument = (name: string) => new RegExp(`.*&${name}=([^&]*)&`, "s").exec(args)?.[1];
    const named: Record<string, unknown> = {
      ...Object.fromEntries(endpointArguments.map((name) => [name, argument(name)])),
      "push-endpoint": endpoint.EndpointAddress,
      persistent: endpoint.Persistent,
      time_to_live: endpoint.TimeToLive ?? argument("time_to_live"),
      max_retries: endpoint.MaxRetries ?? argument("max_retries"),
      retry_sleep_duration: endpoint.RetrySleepDuration ?? argument("retry_sleep_duration"),
      OpaqueData: attributes.OpaqueData ?? "",
    };
    const present = Object.entries(named).filter(([, value]) => value !== undefined && value !== "None");
    return Object.fromEntries(present.map(([name, value]) => [name, String(value)]));
  });
}

/** Attributes that the gateway shows only among the arguments of the push endpoint. */
const endpointArguments = ["verify-ssl", "cloudevents", "kafka-ack-level", "use-ssl", "ca-location"];

/** Removes a topic; one that is not there is no error. */
export async function deleteTopic(rgw: RgwAccess, arn: string): Promise<void> {
  await withSns(rgw, (client, sdk) =>
    call(`DeleteTopic "${arn}"`, rgw, async () => {
      try {
        await client.send(new sdk.DeleteTopicCommand({ TopicArn: arn }));
      } catch (error) {
        const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
        if (name !== "NotFoundException" && name !== "NoSuchKey" && $metadata?.httpStatusCode !== 404) throw error;
      }
    }),
  );
}

/** All entries of a bucket's notification configuration; `undefined` when there is no such bucket. */
export async function getNotifications(rgw: RgwAccess, bucket: string): Promise<NotificationEntry[] | undefined> {
  return withS3(rgw, (client, sdk) =>
    call(`GetBucketNotificationConfiguration of "${bucket}"`, rgw, async () => {
      try {
        const answer = await client.send(new sdk.GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
        return (answer.TopicConfigurations ?? []).map((entry) => {
          const rules = entry.Filter?.Key?.FilterRules ?? [];
          const rule = (name: string) => rules.find((one) => one.Name?.toLowerCase() === name)?.Value || undefined;
          return {
            id: entry.Id ?? "",
            topicArn: entry.TopicArn ?? "",
            events: [...(entry.Events ?? [])],
            prefix: rule("prefix"),
            suffix: rule("suffix"),
          };
        });
      } catch (error) {
        if ((error as { name?: string }).name === "NoSuchBucket") return undefined;
        throw error;
      }
    }),
  );
}

/** The form that S3's PutBucketNotificationConfiguration takes. */
export function topicConfiguration(entry: NotificationEntry) {
  const rules = (["prefix", "suffix"] as const).flatMap((name) => {
    const value = entry[name];
    return value ? [{ Name: name, Value: value }] : [];
  });
  return {
    Id: entry.id,
    TopicArn: entry.topicArn,
    Events: entry.events,
    ...(rules.length > 0 ? { Filter: { Key: { FilterRules: rules } } } : {}),
  };
}

/** Adds one entry, or overwrites the one of the same id and topic. RGW keeps the others: configurations stack. */
async function putEntry(rgw: RgwAccess, bucket: string, entry: NotificationEntry): Promise<void> {
  await withS3(rgw, (client, sdk) =>
    call(`PutBucketNotificationConfiguration of "${bucket}", id "${entry.id}" to ${entry.topicArn},`, rgw, () =>
      client.send(
        new sdk.PutBucketNotificationConfigurationCommand({
          Bucket: bucket,
          NotificationConfiguration: {
            TopicConfigurations: [topicConfiguration(entry) as S3.TopicConfiguration],
          },
        }),
      ),
    ),
  );
}

/** Removes one entry by its id and leaves the others; an entry or bucket that is not there is no error. */
export async function deleteNotification(rgw: RgwAccess, bucket: string, id: string): Promise<void> {
  await withS3(rgw, (client, sdk) =>
    call(`Delete of notification "${id}" of "${bucket}"`, rgw, async () => {
      // `DELETE /bucket?notification=<id>` is Ceph's own; the SDK's nearest request is sent under that query.
      const command = new sdk.DeleteBucketTaggingCommand({ Bucket: bucket });
      command.middlewareStack.add(
        (next) => (args) => {
          (args.request as { query: Record<string, string> }).query = { notification: id };
          return next(args);
        },
        { step: "build", name: "deleteNotificationById" },
      );
      try {
        await client.send(command);
      } catch (error) {
        if ((error as { name?: string }).name !== "NoSuchBucket") throw error;
      }
    }),
  );
}

/**
 * Makes `entry` the one entry of its id, with never a moment in which its events go nowhere. RGW keeps an entry for
 * each pair of id and topic, so a move to another topic goes through an interim id: until it ends, both topics get the
 * events (receivers drop duplicates), and an interrupted move is finished by doing it again.
 * @throws when the gateway does not show the entry afterwards.
 */
export async function putNotification(rgw: RgwAccess, bucket: string, entry: NotificationEntry): Promise<void> {
  const show = async (id: string) => ((await getNotifications(rgw, bucket)) ?? []).filter((one) => one.id === id);
  // A delete takes one of the entries that share an id.
  const clear = async (id: string) => {
    for (let left = (await show(id)).length; left > 0; left--) await deleteNotification(rgw, bucket, id);
  };
  const interim = `${entry.id}-interim`;
  if ((await show(entry.id)).some((one) => one.topicArn !== entry.topicArn)) {
    await putEntry(rgw, bucket, { ...entry, id: interim });
    await clear(entry.id);
  }
  await putEntry(rgw, bucket, entry);
  const own = await show(entry.id);
  if (own.length !== 1 || own[0]?.topicArn !== entry.topicArn) {
    throw new Error(
      `Notification "${entry.id}" of bucket "${bucket}" at ${rgw.url} should go to ${entry.topicArn} alone, but the ` +
        `gateway shows ${own.length === 0 ? "none" : own.map((one) => one.topicArn).join(", ")}. Run it again.`,
    );
  }
  await clear(interim);
}
