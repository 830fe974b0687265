import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import type { Batch, DeadLetter } from "./batch";
import type { Influx, WriteAnswer } from "./influx";
import { type DeadReason, metrics } from "./metrics";

export interface StoreOptions {
  readonly influx: Pick<Influx, "write">;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

const baseMs = 250;
const maxMs = 10_000;

/** Writes batches, however long InfluxDB takes to come back, and finds the lines that it refuses. */
export class Store {
  /** Since when nothing could be written, ms; undefined while it can. */
  failingSinceMs: number | undefined;
  private lastReason = "";

  constructor(private readonly options: StoreOptions) {}

  /** Why nothing can be written. */
  get failure(): string {
    return this.lastReason;
  }

  /** Stores what can be stored and gives the lines that cannot. @throws when told to stop before. */
  async write(batch: Batch): Promise<DeadLetter[]> {
    const { lines } = batch;
    if (lines.lines === 0) return [];
    metrics.writeLines.observe(lines.lines);
    const answer = await this.settled(lines.whole());
    const refused = new Map<number, { code: DeadReason; reason: string }>();
    if (answer.kind !== "stored") await this.part(batch, range(lines.lines), answer, refused);
    metrics.points.inc(lines.lines - refused.size);
    metrics.bytes.inc(lines.length);
    return [...refused].map(([line, why]) => ({ origin: batch.origins[line]!, ...why }));
  }

  /** `answer` is what was said to these lines together: finds which of them it is about. */
  private async part(
    batch: Batch,
    lines: readonly number[],
    answer: Exclude<WriteAnswer, { kind: "stored" | "failed" }>,
    refused: Map<number, { code: DeadReason; reason: string }>,
  ): Promise<void> {
    const { reason } = answer;
    // The others of a write that is refused in part are stored; InfluxDB says how many it dropped.
    const isAll = lines.length === 1 || (answer.kind === "refused" && answer.dropped === lines.length);
    if (isAll) {
      for (const line of lines) refused.set(line, { code: codeOf(reason), reason: `InfluxDB refuses it: ${reason}` });
      return;
    }
    for (const some of partsOf(batch, lines, reason)) {
      if (some.length === 0) continue;
      const said = await this.settled(some.map((line) => batch.lines.line(line)));
      if (said.kind !== "stored") await this.part(batch, some, said, refused);
    }
  }

  /** Tries until InfluxDB stores or refuses. */
  private async settled(lines: Uint8Array | readonly Uint8Array[]): Promise<Exclude<WriteAnswer, { kind: "failed" }>> {
    const { influx, log, stop } = this.options;
    for (let attempt = 1; ; attempt++) {
      const startMs = performance.now();
      const answer = await influx.write(lines);
      if (answer.kind !== "failed") {
        if (answer.kind === "stored") metrics.writeSeconds.observe((performance.now() - startMs) / 1000);
        if (this.failingSinceMs !== undefined) log.info("InfluxDB takes points again");
        this.failingSinceMs = undefined;
        return answer;
      }
      const { status, reason } = answer;
      metrics.writeFailures.inc({ status });
      this.lastReason = status === 0 ? reason : `status ${status}: ${reason}`;
      this.failingSinceMs ??= Date.now();
      if (stop.aborted) throw new Error(`told to stop while InfluxDB does not take points (${this.lastReason})`);
      const delayMs = backoffMs(attempt, baseMs, maxMs);
      log.error({ status, reason, attempt, delayMs }, "InfluxDB does not take points; their offsets stay uncommitted");
      await sleep(delayMs, stop);
    }
  }
}

/** Lines that the reason may be about, and the others; else two halves. */
function partsOf(batch: Batch, lines: readonly number[], reason: string): readonly (readonly number[])[] {
  const named = /input field "(.+?)" on measurement "(.+?)" is/.exec(reason);
  if (named) {
    const [, field, measurement] = named as unknown as [string, string, string];
    const head = Buffer.from(measurement.replace(/[, ]/g, "\\$&"));
    const key = `${field.replace(/[,= ]/g, "\\$&")}=`;
    const isSuspect = (line: number) => {
      const text = batch.lines.line(line);
      const next = text[head.length];
      const isOfMeasurement = (next === 0x20 || next === 0x2c) && head.equals(text.subarray(0, head.length));
      return isOfMeasurement && (text.includes(` ${key}`) || text.includes(`,${key}`));
    };
    const suspects = lines.filter(isSuspect);
    const are = new Set(suspects);
    if (suspects.length > 0 && suspects.length < lines.length)
      return [suspects, lines.filter((line) => !are.has(line))];
  }
  const half = lines.length >> 1;
  return [lines.slice(0, half), lines.slice(half)];
}

function codeOf(reason: string): DeadReason {
  if (/field type conflict/i.test(reason)) return "TYPE_CONFLICT";
  if (/outside retention policy|beyond retention policy/i.test(reason)) return "RETENTION";
  return "REFUSED";
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
