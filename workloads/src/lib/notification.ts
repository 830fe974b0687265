import { z } from "zod";
import { messageOf } from "./errors";

/** One object event as Ceph reports it, by webhook or Kafka. */
export interface NotificationRecord {
  /** Bucket as Ceph names it, without profile. */
  readonly bucket: string;
  /** Object key as the bucket has it. */
  readonly key: string;
  /** `ObjectCreated:Put`; older releases `s3:ObjectCreated:Put`; absent in hand-made events. */
  readonly eventName?: string;
  /** Shared secret of the topic's OpaqueData; webhook only. */
  readonly opaqueData?: string;
  /** What tells this PUT of the object from another: eTag, sequencer and version; `1` when the event has none of them. */
  readonly identity: string;
}

/** Part of a notification that could not be read. */
export interface NotificationFault {
  /** Index in `Records`, or -1 for the whole message. */
  readonly index: number;
  readonly reason: string;
}

/** No store keeps a key with a NUL or a lone half of a surrogate pair, and the queue's scripts could not tell it. */
const wellFormed = (value: string) =>
  (value as string & { isWellFormed(): boolean }).isWellFormed() && !value.includes("\0");
const identityPart = z.string().max(1024).refine(wellFormed, "has a NUL or is no Unicode").optional();
const recordSchema = z.object({
  eventName: z.string().optional(),
  opaqueData: z.string().optional(),
  s3: z.object({
    bucket: z.object({
      name: z
        .string()
        .min(1)
        .max(255)
        .refine(wellFormed, "has a NUL or is no Unicode")
        .refine((name) => !name.includes("/"), "has a slash"),
    }),
    object: z.object({
      key: z.string().min(1).max(4096).refine(wellFormed, "has a NUL or is no Unicode"),
      eTag: identityPart,
      etag: identityPart,
      sequencer: identityPart,
      versionId: identityPart,
    }),
  }),
});

/**
 * How keys stand in the events of an object store. Ceph writes them `raw` (seen with 16.2: `a+b`, `a%20b` and `é` come as they
 * are); S3 itself and some other stores write them as in a query string, `url`. Decoding a raw key would name another object.
 */
export type KeyEncoding = "raw" | "url";

/**
 * Reads a notification: the one parser of both enqueue flavours. A record that cannot be read is a fault of its own and
 * costs no other record; `Records` absent means none.
 */
export function readNotification(
  body: unknown,
  keyEncoding: KeyEncoding = "raw",
): { records: NotificationRecord[]; faults: NotificationFault[] } {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return { records: [], faults: [{ index: -1, reason: `is ${kindOf(body)}, not an object with Records` }] };
  }
  const list = (body as { Records?: unknown }).Records ?? [];
  if (!Array.isArray(list))
    return { records: [], faults: [{ index: -1, reason: `Records is ${kindOf(list)}, not a list` }] };
  const records: NotificationRecord[] = [];
  const faults: NotificationFault[] = [];
  list.forEach((item: unknown, index) => {
    const parsed = recordSchema.safeParse(item);
    if (!parsed.success) {
      const reason = parsed.error.issues
        .map((issue) => `${issue.path.join(".") || "record"}: ${issue.message}`)
        .join("; ");
      faults.push({ index, reason });
      return;
    }
    const { eventName, opaqueData, s3 } = parsed.data;
    const { eTag = s3.object.etag, sequencer, versionId } = s3.object;
    records.push({
      bucket: s3.bucket.name,
      key: keyEncoding === "url" ? decodeKey(s3.object.key) : s3.object.key,
      ...(eventName === undefined ? {} : { eventName }),
      ...(opaqueData === undefined ? {} : { opaqueData }),
      identity: [eTag, sequencer, versionId].some((part) => part) ? [eTag, sequencer, versionId].join("/") : "1",
    });
  });
  return { records, faults };
}

/** Reads a notification from its JSON text. */
export function readNotificationText(text: string, keyEncoding?: KeyEncoding): ReturnType<typeof readNotification> {
  try {
    return readNotification(JSON.parse(text), keyEncoding);
  } catch (error) {
    return { records: [], faults: [{ index: -1, reason: `is no JSON: ${messageOf(error)}` }] };
  }
}

/** Whether the event says that an object was made; an event without a name is taken as one (test tools send none). */
export function isCreation(record: NotificationRecord): boolean {
  return record.eventName === undefined || /^(s3:)?ObjectCreated/.test(record.eventName);
}

/** Decodes a key as S3 events encode it: `+` is a space, `%XX` a byte of UTF-8; a stray `%` stands for itself. */
export function decodeKey(key: string): string {
  return key
    .replaceAll("+", " ")
    .replace(/(?:%[0-9a-fA-F]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll("%", ""), "hex").toString("utf8"));
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
