import { kindOf } from "../../workloads/src/lib/topicSelector";

/** A topic that is known by name, as it is named where it is produced. */
export interface KnownTopic {
  readonly name: string;
  /** Fields of its messages; an array counts once for each element. */
  readonly fields: number;
}

export interface Rate {
  readonly bytesPerSecond: number;
  readonly messagesPerSecond: number;
  /** measured = share of its CSC as measured; fields = share by number of fields; assumed = nothing is known. */
  readonly source: "given" | "measured" | "fields" | "assumed";
}

/**
 * Megabytes in Kafka of 72 hours that ended on 2023-12-04, one copy, as SQR-085 gives them: telemetry 420,077, of which
 * MTM1M3 353,700 and MTMount 33,453; events of MTM1M3 25,323, which were 82 % of all events.
 */
const measuredMegabytes = {
  telemetry: { total: 420_077, components: { MTM1M3: 353_700, MTMount: 33_453 } as Record<string, number> },
  events: { total: 25_323 / 0.82, components: { MTM1M3: 25_323 } as Record<string, number> },
};

/** During operations all of `lsst.sal` is about 10 MB/s (SQR-085); the days measured above were far quieter. */
export const operationsBytesPerSecond = 10_000_000;

/** Nobody measured commands and their acknowledgements: a field of one counts as this part of an event's field. */
const commandWeight = 0.01;

/** A topic of which neither rate nor share is known, e.g. metrics of a pipeline: one message of 1 kB a second. */
const assumed: Rate = { bytesPerSecond: 1000, messagesPerSecond: 1, source: "assumed" };

/** Key, headers and record of a message, and the average of a field in Avro (double 8, float 4, small integers 1). */
const messageBytes = ({ fields }: KnownTopic) => 100 + 6 * fields;

const componentOf = (name: string) => name.split(".")[2] ?? "";

/**
 * Rate of each known topic: what was measured of its CSC, split by number of fields; CSCs without a measurement share what
 * the measured ones leave. All together are `totalBytesPerSecond`, without those that are given.
 * @param given - Rates that win over these, by name of the topic.
 */
export function ratesOf(
  topics: readonly KnownTopic[],
  given: ReadonlyMap<string, Rate> = new Map(),
  totalBytesPerSecond = operationsBytesPerSecond,
): Map<string, Rate> {
  const weights = topics.map((topic) => ({ topic, ...weightOf(topic) }));
  const fieldsOfPart = new Map<string, number>();
  for (const { part, weightedFields } of weights)
    fieldsOfPart.set(part, (fieldsOfPart.get(part) ?? 0) + weightedFields);
  const all = measuredMegabytes.telemetry.total + measuredMegabytes.events.total;
  return new Map([
    ...weights.map(({ topic, part, megabytes, weightedFields, source }): [string, Rate] => {
      const share = (megabytes / all) * (weightedFields / fieldsOfPart.get(part)!);
      const bytesPerSecond = share * totalBytesPerSecond;
      return [topic.name, { bytesPerSecond, messagesPerSecond: bytesPerSecond / messageBytes(topic), source }];
    }),
    ...given,
  ]);
}

/** Which measured part a topic belongs to, and how much of the part's bytes are shared by its fields. */
function weightOf(topic: KnownTopic) {
  const kind = kindOf(topic.name);
  const family = kind === "telemetry" ? "telemetry" : "events";
  const weightedFields = topic.fields * (kind === "telemetry" || kind === "events" ? 1 : commandWeight);
  const { total, components } = measuredMegabytes[family];
  const component = componentOf(topic.name);
  const measured = components[component];
  const rest = total - Object.values(components).reduce((sum, one) => sum + one, 0);
  return measured === undefined
    ? { part: `${family} of others`, megabytes: rest, weightedFields, source: "fields" as const }
    : { part: `${family} of ${component}`, megabytes: measured, weightedFields, source: "measured" as const };
}

/** The rate of a topic, or what is assumed of one that nothing is known of. */
export const rateOf = (rates: ReadonlyMap<string, Rate>, topic: string): Rate => rates.get(topic) ?? assumed;

/**
 * Reads rates from lines `topic,messagesPerSecond,bytesPerMessage`; a line that begins with # and a head line are left out.
 * @throws Error that names the line.
 */
export function readRates(text: string, file: string): Map<string, Rate> {
  const rates = new Map<string, Rate>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [topic = "", messages, bytes, ...more] = line.split(",").map((cell) => cell.trim());
    if (line.trim() === "" || topic.startsWith("#") || (index === 0 && topic === "topic")) continue;
    const [messagesPerSecond, bytesPerMessage] = [Number(messages || NaN), Number(bytes || NaN)];
    const isRate =
      messagesPerSecond >= 0 && bytesPerMessage >= 0 && Number.isFinite(messagesPerSecond * bytesPerMessage);
    if (topic === "" || !isRate || more.length > 0)
      throw new Error(
        `Cannot read rates: line ${index + 1} of ${file} is "${line}". Write topic,messagesPerSecond,bytesPerMessage.`,
      );
    if (rates.has(topic)) throw new Error(`Cannot read rates: ${file} has ${topic} twice. Leave one line of it.`);
    rates.set(topic, { messagesPerSecond, bytesPerSecond: messagesPerSecond * bytesPerMessage, source: "given" });
  }
  return rates;
}
