import { timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { readNotification } from "../lib/notification";
import type { ObjectPath } from "../lib/objectPath";
import { emptyIntake, type Sorter } from "./intake";
import { metrics } from "./metrics";
import type { BatchingStore } from "./store";

export interface WebhookOptions {
  readonly secret: string;
  readonly sorter: Sorter;
  readonly store: BatchingStore;
  readonly log: Logger;
}

/** Seconds after which a sender that met 503 may try again. */
const retryAfterSeconds = 5;

/**
 * `POST /notify`: an S3 event as Ceph's bucket topics push it.
 *
 * | answer | when |
 * |---|---|
 * | 200, the objects taken | every record with the right secret is durable: queued, dead-lettered or kept as rejected |
 * | 400 | the body is no JSON, or no S3 event |
 * | 401 | there are records, and none has the right secret |
 * | 413, 415 | larger than the limit; not JSON by its content type |
 * | 503 with `Retry-After` | Redis did not take it; nothing is acknowledged |
 */
export function webhookRoutes(app: FastifyInstance, options: WebhookOptions): void {
  const { sorter, store, log } = options;
  const isSecret = secretCheck(options.secret);
  // Only JSON is read, everything else is 415. Read here: the framework's reader refuses a body whole for one odd name
  // in it, and its messages quote the body, secret included.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(/^application\/([\w.-]+\+)?json\b/, { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, JSON.parse(body as string));
    } catch {
      done(Object.assign(new Error("The body is no JSON"), { statusCode: 400 }));
    }
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, "Request failed");
    else log.warn({ status, from: request.ip, reason: error.message.slice(0, 300) }, "Request refused");
    const message = status >= 500 ? "The request failed; see the log of enqueue" : error.message;
    return reply.code(status).send({ error: true, message });
  });

  app.post("/notify", async (request, reply) => {
    const { records, faults } = readNotification(request.body, sorter.options.keyEncoding);
    const whole = faults.find((fault) => fault.index < 0);
    if (whole) {
      log.warn({ from: request.ip, reason: whole.reason }, "Request refused");
      return reply.code(400).send({ error: true, message: `The body ${whole.reason}` });
    }
    const intake = emptyIntake();
    const objects: ObjectPath[] = [];
    let wrong = 0;
    for (const record of records) {
      if (!isSecret(record.opaqueData ?? "")) {
        wrong += 1;
        continue;
      }
      const object = sorter.sort(record, intake);
      if (object) objects.push(object);
    }
    for (const { index, reason } of faults) {
      const raw = (request.body as { Records: unknown[] }).Records[index];
      if (!isSecret(opaqueDataOf(raw))) wrong += 1;
      else intake.rejected.push({ source: "webhook", reason, text: withoutSecret(raw) });
    }
    if (wrong > 0) {
      metrics.unauthorized.inc(wrong);
      log.warn({ from: request.ip, records: wrong }, "Records with a wrong secret are left out");
      if (wrong === records.length + faults.length) {
        return reply.code(401).send({ error: true, message: "No record has the right opaqueData" });
      }
    }
    try {
      await store.add(intake);
    } catch (error) {
      return unavailable(error, request, reply, log);
    }
    return objects.map(infoOf);
  });
}

function unavailable(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger) {
  log.error(
    { from: request.ip, reason: messageOf(error) },
    "Redis did not take a notification; nothing is acknowledged",
  );
  return reply
    .code(503)
    .header("retry-after", retryAfterSeconds)
    .send({ error: true, message: "Nothing was queued; send it again" });
}

/** Compares in a time that tells nothing of the secret but its length. */
function secretCheck(secret: string): (given: string) => boolean {
  const expected = Buffer.from(secret);
  const copy = Buffer.alloc(expected.length);
  return (given) => {
    copy.fill(0);
    copy.write(given);
    return timingSafeEqual(copy, expected) && Buffer.byteLength(given) === expected.length;
  };
}

function opaqueDataOf(raw: unknown): string {
  const value = (raw as { opaqueData?: unknown } | null | undefined)?.opaqueData;
  return typeof value === "string" ? value : "";
}

function withoutSecret(raw: unknown): string {
  return JSON.stringify(raw, (name, value: unknown) => (name === "opaqueData" ? "[secret]" : value)) ?? "undefined";
}

/** How callers of the webhook have always been told of an object: these names, sorted. */
function infoOf(object: ObjectPath): Record<string, string> {
  const { bucket, filename, instrument, dayObs: obs_day, path } = object;
  if (object.kind === "lfa") return { bucket, filename, instrument, obs_day, path };
  const { controller, expId: exp_id, instrumentCode: instrument_code, seqNum: seq_num } = object;
  return { bucket, controller, exp_id, filename, instrument, instrument_code, obs_day, path, seq_num };
}
