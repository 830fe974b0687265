import { loadColumns } from "../../workloads/src/transform-efd/columns";
import type { Span } from "../../workloads/src/transform-efd/model";
import { type InfluxTarget, isEvent, telemetry, topicsOf, writeTelemetry } from "./telemetry";

/** Telemetry goes on this long before the first and after the last moment, ns: samples do not come at once. */
const marginNs = 3_000_000_000n;
/** Events are looked for so long before an exposure: the longest `start_offset` of a column, ns. */
const eventsBeforeNs = 3_600_000_000_000n;

/**
 * Fills the telemetry of an instrument over spans, as if the telescope had run then: all topics, and the events of the hour
 * before. The same span filled twice is the same data.
 * @returns Bytes of line protocol that were written.
 */
export async function fillTelemetry(
  target: InfluxTarget,
  instrument: string,
  spans: readonly Span[],
  tell: (line: string) => void = () => {},
): Promise<number> {
  const { columns } = await loadColumns("builtin", instrument);
  const topics = topicsOf(columns);
  const events = topics.filter(isEvent);
  const [first] = spans;
  if (first === undefined) return 0;
  const batches = function* () {
    yield* telemetry({
      topics: events,
      span: { beginNs: first.beginNs - eventsBeforeNs, endNs: first.beginNs - marginNs },
    });
    for (const { beginNs, endNs } of spans) {
      yield* telemetry({ topics, span: { beginNs: beginNs - marginNs, endNs: endNs + marginNs } });
    }
  };
  const { bytes } = await writeTelemetry(target, batches(), {
    onProgress: ({ bytes }) => tell(`${(bytes / 1e6).toFixed(0)} MB of telemetry`),
  });
  return bytes;
}

/** Span of an exposure that the camera has sent. */
export function spanOf({ beginMs, endMs }: { readonly beginMs: number; readonly endMs: number }): Span {
  return { beginNs: BigInt(beginMs) * 1_000_000n, endNs: BigInt(endMs) * 1_000_000n };
}
