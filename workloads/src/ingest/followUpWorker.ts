import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs } from "../lib/process";
import type { FollowUp, FollowUps } from "../lib/queue";
import type { Butler } from "../lib/butler/butler";
import { metrics } from "./metrics";

export interface FollowUpParts {
  readonly followUps: FollowUps;
  readonly butler: Butler;
  readonly log: Logger;
  readonly webhook?: { readonly uri: string; readonly timeoutMs: number };
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** How long work that is taken stays hidden from others; longer than any of it takes. */
  readonly holdMs: number;
}

interface Taken<F extends FollowUp = FollowUp> {
  readonly text: string;
  readonly followUp: F;
}

/** Work of one turn. */
const turnSize = 32;

/** Defines visits and calls the webhook, beside ingest and never in its way. */
export class FollowUpWorker {
  constructor(private readonly parts: FollowUpParts) {}

  /** Does what is due. @returns how much that was. @throws what Redis or the Butler throws when they are lost. */
  async turn(): Promise<number> {
    const taken = await this.parts.followUps.take(turnSize, this.parts.holdMs);
    const visits = taken.filter((item): item is Taken<FollowUp & { kind: "visit" }> => item.followUp.kind === "visit");
    const calls = taken.filter(
      (item): item is Taken<FollowUp & { kind: "webhook" }> => item.followUp.kind === "webhook",
    );
    const results = await Promise.allSettled([
      this.defineVisits(visits),
      ...calls.map((call) => this.callWebhook(call)),
    ]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    return taken.length;
  }

  private async defineVisits(visits: readonly Taken<FollowUp & { kind: "visit" }>[]): Promise<void> {
    if (visits.length === 0) return;
    const { butler, log } = this.parts;
    const wanted = visits.map(({ followUp: { instrument, exposure } }) => ({ instrument, id: Number(exposure) }));
    const results = await butler.defineVisits(wanted); // when this throws, the work comes back after the hold time
    for (const [i, visit] of visits.entries()) {
      const {
        status,
        dataId,
        code = "DEFINE_VISIT",
        message = "no answer",
      } = results[i] ?? { status: "failed" as const };
      if (status === "failed") {
        await this.again(visit, code, message);
        continue;
      }
      if (status === "skipped") log.info({ dataId, reason: message }, `No visit for ${describe(dataId)}`);
      else log.info({ dataId, status }, `Defined visits for ${describe(dataId)}`);
      await this.done(visit);
    }
  }

  private async callWebhook(call: Taken<FollowUp & { kind: "webhook" }>): Promise<void> {
    const { webhook } = this.parts;
    if (!webhook) return this.done(call); // WEBHOOK_URI was taken away since
    const { expId, filenames } = call.followUp;
    try {
      const response = await fetch(webhook.uri, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ exp_id: expId, filenames }),
        signal: AbortSignal.timeout(webhook.timeoutMs),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answered ${response.status}`);
    } catch (error) {
      return this.again(call, "WEBHOOK", `POST to WEBHOOK_URI for ${expId} failed: ${causeOf(error)}`);
    }
    await this.done(call);
  }

  private async done({ text, followUp: { kind } }: Taken): Promise<void> {
    await this.parts.followUps.done(text);
    metrics.followUps.inc({ kind, result: "done" });
  }

  private async again({ text, followUp }: Taken, code: string, reason: string): Promise<void> {
    const { followUps, maxAttempts, retryBaseMs, retryMaxMs, log } = this.parts;
    const delayMs = (attempt: number) => backoffMs(attempt, retryBaseMs, retryMaxMs);
    const dead = await followUps.retry(text, { code, reason, maxAttempts, delayMs });
    metrics.followUps.inc({ kind: followUp.kind, result: dead ? "dead" : "retried" });
    if (dead) log.error({ followUp, code, reason }, `Giving up on ${followUp.kind}`);
    else log.warn({ followUp, code, reason }, `Marking for retry ${followUp.kind}`);
  }
}

/** `fetch` says "fetch failed" and keeps the reason as its cause. */
function causeOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}

function describe(dataId: Readonly<Record<string, string | number>> = {}): string {
  return `{${Object.entries(dataId)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? `'${value}'` : value}`)
    .join(", ")}}`;
}
