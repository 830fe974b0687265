import type { KafkaMessage } from "kafkajs";
import { canaryPrefix } from "../lib/canary";
import { messageOf } from "../lib/errors";
import type { BatchTaker, TakenBatch } from "../lib/groupConsumer";
import { isCreation, type KeyEncoding, type NotificationRecord, readNotificationText } from "../lib/notification";
import { isGuider } from "../lib/objectPath";
import { sleep } from "../lib/process";
import { parseRawPath, type RawPath, RawPathError } from "../lib/rawPath";
import type { Retry } from "../lib/visits";
import { type Exposures, isSidecar, type Membership, type SidecarError } from "./exposures";
import { type DeadCode, metrics } from "./metrics";
import { type Progress, Ticket } from "./progress";
import type { Publisher } from "./publisher";

export interface RouterOptions {
  /** Bucket as the events name it: without profile and tenant. */
  readonly bucket: string;
  readonly keyEncoding: KeyEncoding;
  /** Notifications older than this are left out, ms. */
  readonly lifetimeMs: number;
  /** Most records that are read and not done. */
  readonly maxPending: number;
  readonly exposures: Exposures;
  readonly publisher: Publisher;
  readonly progress: Progress;
  /** Told to stop: nothing more is begun. */
  readonly stop: AbortSignal;
}

/** A notification as Kafka has it. */
type Received = Pick<KafkaMessage, "value" | "timestamp">;

/** Where a record stands. */
interface Origin {
  readonly source: string;
  readonly message: Received;
  readonly sentMs: number;
  readonly ticket: Ticket;
}

/** Pause between two looks whether there is room, ms. */
const roomMs = 20;

/**
 * Sends each raw file of a batch to Redis, for the worker of its group and detector. What waits for a sidecar holds up only its
 * own offset: others are read on, within `maxPending`.
 */
export class Router implements BatchTaker {
  private pending = 0;

  constructor(private readonly options: RouterOptions) {}

  reset(): void {
    this.options.progress.clear();
  }

  async take({ topic, partition, messages, highWatermark }: TakenBatch): Promise<boolean> {
    const { progress, stop, maxPending } = this.options;
    while (this.pending >= maxPending && !stop.aborted) await sleep(roomMs, stop);
    if (stop.aborted) await sleep(roomMs); // it is read again at once, until the group is left
    const [first, last] = [messages[0], messages.at(-1)];
    if (stop.aborted || !first || !last) return !stop.aborted;
    const ticket = progress.begin(topic, partition, BigInt(first.offset), BigInt(last.offset) + 1n, highWatermark);
    metrics.messages.inc(messages.length);
    for (const message of messages) this.read(message, `${topic}/${partition}/${message.offset}`, ticket);
    ticket.close();
    metrics.pending.set(this.pending);
    metrics.lag.set(progress.lag);
    return true;
  }

  /** Reads a notification again that was a dead letter. Resolves when all of it is in Redis, or parked anew. */
  again({ source, payload }: Retry): Promise<void> {
    return new Promise((resolve) => {
      const ticket = new Ticket("", 0, 0n, resolve);
      this.read({ value: payload, timestamp: String(Date.now()) }, source, ticket);
      ticket.close();
    });
  }

  private read(message: Received, source: string, ticket: Ticket): void {
    const sentMs = Number(message.timestamp);
    if (sentMs > 0 && sentMs < Date.now() - this.options.lifetimeMs) return metrics.ignored.inc({ reason: "expired" });
    const { records, faults } = message.value?.length
      ? readNotificationText(message.value.toString("utf8"), this.options.keyEncoding)
      : { records: [], faults: [{ index: -1, reason: "is empty (a tombstone)" }] };
    const origin = (index: number): Origin => ({ source: index > 0 ? `${source}/${index}` : source, message, sentMs, ticket }); // prettier-ignore
    for (const { index, reason } of faults)
      this.park(
        origin(index),
        "NOTIFICATION",
        `The notification ${index < 0 ? reason : `has Records[${index}]: ${reason}`}.`,
      );
    records.forEach((record, index) => this.sort(record, origin(index)));
  }

  private sort(record: NotificationRecord, origin: Origin): void {
    const { bucket, exposures } = this.options;
    const { key } = record;
    if (!isCreation(record)) return metrics.ignored.inc({ reason: "event" });
    if (record.bucket !== bucket)
      return this.park(
        origin,
        "UNKNOWN_BUCKET",
        `Object "${key}" is in bucket "${record.bucket}", not in "${bucket}".`,
      );
    if (key.startsWith(canaryPrefix)) return metrics.ignored.inc({ reason: "canary" });
    const exposure = key.slice(0, key.lastIndexOf("/"));
    if (key.endsWith(".json")) {
      if (isSidecar(key)) exposures.sidecarCame(exposure, key);
      return metrics.ignored.inc({ reason: "sidecar" });
    }
    if (isGuider(key)) return metrics.ignored.inc({ reason: "guider" });
    let path: RawPath;
    try {
      path = parseRawPath(key);
    } catch (error) {
      if (!(error instanceof RawPathError)) throw error;
      return this.park(origin, error.code, error.message);
    }
    if (path.folder !== "") return metrics.ignored.inc({ reason: "folder" });
    const { group, snap, sidecar } = path;
    if (sidecar === undefined) return this.publish(record, path, { group: group!, snap: snap! }, origin);
    const known = exposures.known(exposure);
    if (known) return this.publish(record, path, known, origin);
    this.open(origin);
    void exposures.find(exposure, sidecar).then(
      (found) => {
        this.publish(record, path, found, origin);
        this.close(origin);
      },
      (error: SidecarError) => {
        if (this.options.stop.aborted) return; // not done: it comes again
        this.park(origin, error.code, messageOf(error), { instrument: path.camera.name, detector: path.detector });
        this.close(origin);
      },
    );
  }

  private publish(record: NotificationRecord, path: RawPath, { group, snap }: Membership, origin: Origin): void {
    if (group === "") return metrics.ignored.inc({ reason: "group" });
    const { bucket, key, identity } = record;
    const { camera, detector, exposureId, obsId } = path;
    const raw = { instrument: camera.name, group, detector, snap, exposureId, obsId, bucket, key, identity };
    this.open(origin);
    this.options.publisher.publish(raw, origin.sentMs, () => this.close(origin));
  }

  private park(
    origin: Origin,
    code: DeadCode,
    reason: string,
    of: { instrument?: string; detector?: number } = {},
  ): void {
    const { source, message } = origin;
    const payload = message.value ?? Buffer.alloc(0);
    this.open(origin);
    this.options.publisher.park({ stage: "router", code, reason, ...of, source, payload, attempts: 0 }, () =>
      this.close(origin),
    );
  }

  private open({ ticket }: Origin): void {
    ticket.open();
    this.pending++;
  }

  private close({ ticket }: Origin): void {
    this.pending--;
    ticket.close();
  }
}
