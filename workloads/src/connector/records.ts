import type { KafkaMessage } from "kafkajs";
import { AvroMessageError, type AvroRegistry, RegistryUnavailableError, schemaIdOf } from "../lib/avro";
import { FacilityError } from "../lib/errors";
import type { Logger } from "../lib/log";
import { backoffMs, sleep } from "../lib/process";
import type { Batch, Origin } from "./batch";
import { AvroLines, type LineOutcome } from "./line/avroLines";
import { JsonLines } from "./line/jsonLines";
import type { Stamps } from "./line/stamp";
import { type DeadReason, deadReasons, metrics } from "./metrics";

export interface RecordsOptions {
  /** Undefined: records are JSON. */
  readonly registry: AvroRegistry | undefined;
  readonly tags: readonly string[];
  readonly stamps: Stamps;
  /** Empty: the record's own time. */
  readonly stampField: string;
  readonly removePrefix: string;
  readonly log: Logger;
}

const baseMs = 250;
const maxMs = 10_000;
/** Most schemas whose lines are kept ready. */
const schemaLimit = 10_000;

/** Turns records into lines of a batch, and what cannot be turned into dead letters. */
export class Records {
  /** Since when the registry does not answer, ms; undefined while it does. */
  failingSinceMs: number | undefined;
  private lastReason = "";
  private readonly bySchema = new Map<number, AvroLines | FacilityError>();
  private readonly json: JsonLines;

  constructor(private readonly options: RecordsOptions) {
    const { tags, stamps, stampField, removePrefix } = options;
    this.json = new JsonLines(tags, stamps, stampField, removePrefix);
  }

  /** Why the registry could not be asked. */
  get failure(): string {
    return this.lastReason;
  }

  /** Waits until the schemas of `messages` are here, or known not to be there; together, so that a strange one costs one wait. */
  async prepare(messages: readonly KafkaMessage[], stop: AbortSignal): Promise<void> {
    const { registry, log } = this.options;
    if (!registry) return;
    const missing = new Set<number>();
    let last = -1;
    for (const { value } of messages) {
      if (value === null || value.length < 5 || value[0] !== 0) continue;
      const id = value.readUInt32BE(1);
      if (id === last) continue;
      last = id;
      if (!this.bySchema.has(id)) missing.add(id);
    }
    for (let attempt = 1; missing.size > 0 && !stop.aborted; attempt++) {
      const asked = await Promise.allSettled([...missing].slice(0, 32).map((id) => this.load(id, registry).then(() => missing.delete(id)))); // prettier-ignore
      const failed = asked.find((one) => one.status === "rejected");
      if (!failed) {
        if (this.failingSinceMs !== undefined) log.info("The schema registry answers again");
        this.failingSinceMs = undefined;
        attempt = 0;
        continue;
      }
      this.lastReason = (failed.reason as Error).message;
      this.failingSinceMs ??= Date.now();
      metrics.registryFailures.inc();
      const delayMs = backoffMs(attempt, baseMs, maxMs);
      log.error({ reason: this.lastReason, attempt, delayMs }, "Schemas cannot be read; records wait for them");
      await sleep(delayMs, stop);
    }
  }

  /** Adds a record's line to the batch, or the record to its dead letters. Call {@link prepare} first. */
  add(origin: Origin, into: Batch): void {
    into.records++;
    const { value } = origin.message;
    let outcome: LineOutcome;
    try {
      if (value === null || value.length === 0)
        return this.bury(origin, "EMPTY", "It has no value (a tombstone).", into);
      outcome = this.options.registry ? this.addAvro(value, origin, into) : this.addJson(value, origin, into);
    } catch (error) {
      const known = error instanceof FacilityError ? error : new AvroMessageError(`it ends in a value (${(error as Error).message})`); // prettier-ignore
      return this.bury(origin, reasonOf(known), known.message, into);
    }
    if (outcome === "line") while (into.origins.length < into.lines.lines) into.origins.push(origin);
    else if (outcome === "empty") metrics.empty.inc();
    else this.bury(origin, outcome.code, `Cannot store the record: ${outcome.reason}.`, into);
  }

  private addAvro(value: Buffer, { message }: Origin, into: Batch): LineOutcome {
    const id = schemaIdOf(value);
    const lines = this.bySchema.get(id);
    if (lines === undefined) throw new Error(`schema ${id} was not prepared`);
    if (lines instanceof FacilityError) throw lines;
    const before = lines.cutStrings;
    const { size } = lines.collisions;
    const outcome = lines.write(value, this.options.stampField === "" ? Number(message.timestamp) : 0, into.lines);
    if (lines.cutStrings > before) metrics.cutStrings.inc(lines.cutStrings - before);
    if (lines.collisions.size > size) this.tellCollisions(id, lines, size);
    return outcome;
  }

  private addJson(value: Buffer, { topic, message }: Origin, into: Batch): LineOutcome {
    const before = this.json.cutStrings;
    const outcome = this.json.write(value, topic, Number(message.timestamp), into.lines);
    metrics.cutStrings.inc(this.json.cutStrings - before);
    return outcome;
  }

  private async load(id: number, registry: AvroRegistry): Promise<void> {
    const { tags, stamps, stampField } = this.options;
    let lines: AvroLines | FacilityError;
    try {
      lines = new AvroLines(await registry.schema(id), tags, stamps, stampField);
    } catch (error) {
      if (!(error instanceof FacilityError) || error instanceof RegistryUnavailableError) throw error;
      lines = error;
    }
    if (this.bySchema.size >= schemaLimit) this.bySchema.delete(this.bySchema.keys().next().value!);
    this.bySchema.set(id, lines);
    if (lines instanceof AvroLines && lines.collisions.size > 0) this.tellCollisions(id, lines, 0);
  }

  private tellCollisions(id: number, { collisions, measurement }: AvroLines, told: number): void {
    metrics.collisions.inc(collisions.size - told);
    const names = [...collisions].slice(told, told + 20).map(([name, own]) => `${name} -> ${own}`);
    this.options.log.warn(
      { measurement, schema: id, names },
      "Flattened names of two fields are the same; the second is stored under another",
    );
  }

  private bury(origin: Origin, code: DeadReason, reason: string, into: Batch): void {
    into.dead.push({ origin, code, reason });
  }
}

function reasonOf({ code }: FacilityError): DeadReason {
  return deadReasons.find((reason) => reason === code) ?? "MESSAGE";
}
