import { loadColumns } from "../../workloads/src/transform-efd/columns";
import type { Span } from "../../workloads/src/transform-efd/model";
import { isEvent, SalProducer, type SalTarget, type Sent, type Topic, topicsOf } from "./telemetry";

/** Telemetry goes on this long before the first and after the last moment, ns: samples do not come at once. */
const marginNs = 3_000_000_000n;
/** Events are looked for so long before an exposure: the longest `start_offset` of a column, ns. */
const eventsBeforeNs = 3_600_000_000_000n;

/** What was sent; Kafka has it. */
export interface Filled {
  /** Times of the messages: at or after its begin and before its end. */
  readonly span: Span;
  /** By topic. */
  readonly sent: ReadonlyMap<string, Sent>;
}

/** The topics that columns of an instrument read. */
export async function simulatedTopics(instrument: string): Promise<Topic[]> {
  return topicsOf((await loadColumns("builtin", instrument)).columns);
}

/**
 * Sends the telemetry of an instrument over spans, as if the telescope had run then: all topics, and the events of the hour
 * before. The same span sent twice is the same points.
 */
export async function fillTelemetry(target: SalTarget, instrument: string, spans: readonly Span[]): Promise<Filled> {
  const topics = await simulatedTopics(instrument);
  const plays = joined(spans.map(({ beginNs, endNs }) => ({ beginNs: beginNs - marginNs, endNs: endNs + marginNs })));
  const [first] = plays;
  if (first === undefined) return { span: { beginNs: 0n, endNs: 0n }, sent: new Map() };
  const beginNs = first.beginNs + marginNs - eventsBeforeNs;
  const sal = await SalProducer.connect(target);
  try {
    await sal.declare(topics);
    await sal.send(topics.filter(isEvent), { beginNs, endNs: first.beginNs });
    for (const span of plays) await sal.send(topics, span);
  } finally {
    await sal.close();
  }
  return { span: { beginNs, endNs: plays.at(-1)!.endNs }, sent: sal.sent };
}

/** Spans in order, those that meet as one: no row is sent twice. */
function joined(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const span of [...spans].sort((a, b) => Number(a.beginNs - b.beginNs))) {
    const last = found.at(-1);
    if (!last || last.endNs < span.beginNs) found.push(span);
    else if (span.endNs > last.endNs) found[found.length - 1] = { beginNs: last.beginNs, endNs: span.endNs };
  }
  return found;
}

/** Span of an exposure that the camera has sent. */
export function spanOf({ beginMs, endMs }: { readonly beginMs: number; readonly endMs: number }): Span {
  return { beginNs: BigInt(beginMs) * 1_000_000n, endNs: BigInt(endMs) * 1_000_000n };
}
