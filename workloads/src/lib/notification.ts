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
    const record = readRecord(item, keyEncoding);
    if (typeof record === "string") faults.push({ index, reason: record });
    else records.push(record);
  });
  return { records, faults };
}

/** Reads one record; a text is what is wrong with it. By hand, since a schema library took a third of enqueue's time. */
function readRecord(item: unknown, keyEncoding: KeyEncoding): NotificationRecord | string {
  const faults: string[] = [];
  const part = (of: Part, name: string, where: string): Part => {
    const value = of[name];
    if (typeof value === "object" && value !== null) return value as Part;
    if (faults.length === 0) faults.push(`${where}: is ${kindOf(value)}, not an object`);
    return {};
  };
  const text = (of: Part, name: string, where: string, maxLength: number, isRequired = false): string | undefined => {
    const value = of[name];
    if (value === undefined && !isRequired) return undefined;
    const fault = faultOfText(value, maxLength, isRequired);
    if (fault !== undefined) faults.push(`${where}: ${fault}`);
    return value as string;
  };
  const record = part({ record: item }, "record", "record");
  const eventName = text(record, "eventName", "eventName", 1024);
  const opaqueData = text(record, "opaqueData", "opaqueData", 65_536);
  const s3 = part(record, "s3", "s3");
  const bucket = text(part(s3, "bucket", "s3.bucket"), "name", "s3.bucket.name", 255, true);
  const object = part(s3, "object", "s3.object");
  const key = text(object, "key", "s3.object.key", 4096, true);
  const eTag = text(object, "eTag", "s3.object.eTag", 1024) ?? text(object, "etag", "s3.object.etag", 1024);
  const sequencer = text(object, "sequencer", "s3.object.sequencer", 1024);
  const versionId = text(object, "versionId", "s3.object.versionId", 1024);
  if (bucket?.includes?.("/")) faults.push("s3.bucket.name: has a slash");
  if (faults.length > 0) return faults.slice(0, 5).join("; ");
  return {
    bucket: bucket as string,
    key: keyEncoding === "url" ? decodeKey(key as string) : (key as string),
    ...(eventName === undefined ? {} : { eventName }),
    ...(opaqueData === undefined ? {} : { opaqueData }),
    identity: eTag || sequencer || versionId ? `${eTag ?? ""}/${sequencer ?? ""}/${versionId ?? ""}` : "1",
  };
}

type Part = Readonly<Record<string, unknown>>;

/** No store keeps a key with a NUL or a lone half of a surrogate pair, and the queue's scripts could not tell it. */
function faultOfText(value: unknown, maxLength: number, isRequired: boolean): string | undefined {
  if (typeof value !== "string") return `is ${kindOf(value)}, not text`;
  if (isRequired && value === "") return "is empty";
  if (value.length > maxLength) return `has ${value.length} characters, more than ${maxLength}`;
  if (value.includes("\0")) return "has a NUL";
  return (value as string & { isWellFormed(): boolean }).isWellFormed() ? undefined : "is no Unicode";
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
