import type * as pulumi from "@pulumi/pulumi";
import {
  deleteNotification,
  getNotifications,
  type NotificationEntry,
  putNotification,
  type RgwAccess,
  sameAccess,
} from "./rgw";

/** Plain inputs of one entry of a bucket's notification configuration. See `BucketNotificationArgs`. */
export interface NotificationInputs {
  rgw: RgwAccess;
  bucket: string;
  /** Id of the entry in the bucket. (A resource's own `id` is taken by the engine.) */
  entryId: string;
  topicArn: string;
  topicRevision?: string;
  events: string[];
  prefix?: string;
  suffix?: string;
}

/** The entry as the gateway keeps it. */
export function entryOf({ entryId: id, topicArn, events, prefix, suffix }: NotificationInputs): NotificationEntry {
  return { id, topicArn, events: [...events].sort(), prefix: prefix || undefined, suffix: suffix || undefined };
}

/** What a preview puts where a value is not known yet. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Every fault of the inputs at once. */
export function notificationFaults(inputs: NotificationInputs): { property: string; reason: string }[] {
  const faults: { property: string; reason: string }[] = [];
  const fault = (property: string, reason: string) => faults.push({ property, reason });
  const known = (value: unknown) => value !== undefined && value !== unknownValue;
  if (known(inputs.bucket) && !/^[a-z0-9][\w.-]{2,254}$/i.test(inputs.bucket))
    fault("bucket", `"${inputs.bucket}" is no bucket name. Leave out profile ("profile@") and tenant ("tenant:").`);
  if (known(inputs.entryId) && !/^[\w.-]{1,128}$/.test(inputs.entryId))
    fault("entryId", `"${inputs.entryId}" is no id. Use letters, digits, "-", "_" and ".", at most 128.`);
  if (known(inputs.topicArn) && !/^arn:aws:sns:[^:]*:[^:]*:[\w-]+$/.test(inputs.topicArn))
    fault("topicArn", `"${inputs.topicArn}" is no topic ARN. Write arn:aws:sns:<zonegroup>:<tenant>:<topic>.`);
  if (Array.isArray(inputs.events)) {
    if (inputs.events.length === 0) fault("events", 'is empty. Name an event, e.g. "s3:ObjectCreated:*".');
    for (const event of inputs.events.filter(known))
      if (!/^s3:Object(Created|Removed|Lifecycle|Synced|Restore)\w*:[\w*:]+$/.test(event))
        fault("events", `"${event}" is no event. Write e.g. "s3:ObjectCreated:*" or "s3:ObjectRemoved:Delete".`);
  }
  return faults;
}

/** Creates, reads, updates and deletes one entry of a bucket's notifications. Also called directly, by the local runner. */
export const notificationProvider = {
  async check(
    _olds: NotificationInputs,
    news: NotificationInputs,
  ): Promise<pulumi.dynamic.CheckResult<NotificationInputs>> {
    return { inputs: news, failures: notificationFaults(news) };
  },

  async diff(_id: string, olds: NotificationInputs, news: NotificationInputs): Promise<pulumi.dynamic.DiffResult> {
    const replaces = (["bucket", "entryId"] as const).filter((key) => olds[key] !== news[key]);
    const changed = JSON.stringify(entryOf(olds)) !== JSON.stringify(entryOf(news));
    const topicChanged = (olds.topicRevision ?? "") !== (news.topicRevision ?? "");
    return {
      changes: replaces.length > 0 || changed || topicChanged || !sameAccess(olds.rgw, news.rgw),
      replaces,
      deleteBeforeReplace: false,
    };
  },

  async create(inputs: NotificationInputs): Promise<{ id: string; outs: NotificationInputs }> {
    await putNotification(inputs.rgw, inputs.bucket, entryOf(inputs));
    return { id: `${inputs.bucket}/${inputs.entryId}`, outs: inputs };
  },

  async read(id: string, props: NotificationInputs): Promise<{ id?: string; props?: NotificationInputs }> {
    const own = ((await getNotifications(props.rgw, props.bucket)) ?? []).filter((entry) => entry.id === props.entryId);
    const [first] = own;
    if (!first) return {};
    // An entry that went to more than one topic (an interrupted move) differs from any ARN, so the next update mends it.
    const topicArn = own.map((entry) => entry.topicArn).join(" and ");
    const sameEvents = JSON.stringify([...first.events].sort()) === JSON.stringify([...props.events].sort());
    const { prefix: _prefix, suffix: _suffix, ...rest } = props;
    return {
      id,
      props: {
        ...rest,
        topicArn,
        events: sameEvents ? props.events : first.events,
        // The engine takes no `undefined`.
        ...(first.prefix ? { prefix: first.prefix } : {}),
        ...(first.suffix ? { suffix: first.suffix } : {}),
      },
    };
  },

  async update(
    _id: string,
    _olds: NotificationInputs,
    news: NotificationInputs,
  ): Promise<{ outs: NotificationInputs }> {
    await putNotification(news.rgw, news.bucket, entryOf(news));
    return { outs: news };
  },

  async delete(_id: string, props: NotificationInputs): Promise<void> {
    await deleteNotification(props.rgw, props.bucket, props.entryId);
  },
};
