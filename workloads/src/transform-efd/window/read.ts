import type { EfdClient, Series, Span } from "../model";
import type { Group } from "./groups";
import { elementsOf, rowTimeField, unpack } from "./packed";
import { RowChooser, type Rows, type Selection } from "./selection";
import { mergeSpans, type Reading } from "./targets";

/**
 * Up to so long a pause between records is read too. One more request for each hundred fields costs InfluxDB as much as
 * reading on for about 50 s, over all topics of the main camera.
 */
const mergeGapNs = 60_000_000_000n;

/** A long span is read in parts, so that memory stays bounded: the first one this long, the next by how much came. */
const firstPartNs = 900_000_000_000n;
const longestPartNs = 86_400_000_000_000n;
/** Values that a part should hold, about; 8 bytes each. */
const partValues = 2e6;

/** What is needed of a client to read. */
export type Reader = Pick<EfdClient, "fieldsOf" | "query">;

/** Samples of a part of what a group reads; nothing of it is kept once it was used. */
export interface Part {
  readonly span: Span;
  /** Rows as the EFD gave them. */
  readonly samples: number;
  rowsOf(selection: Selection): Rows;
}

/** Reads what the targets of a group need, ascending in time. A target may go over several parts. */
export async function* partsOf(
  group: Group,
  reading: Reading,
  client: Reader,
  signal: AbortSignal,
): AsyncGenerator<Part> {
  const elements = group.isPacked ? await packedElements(group, client, signal) : undefined;
  const fields = elements ? [...elements.values()].flat().concat(rowTimeField) : group.fields;
  if (elements?.size === 0) return;
  const preAggregate = reading.isAggregated ? group.preAggregate : undefined;
  // What reaches back before records are events, which are few.
  let lengthNs = firstPartNs - group.startOffsetNs;
  for (const { beginNs, endNs } of mergeSpans(
    reading.targets.map(({ read }) => read),
    mergeGapNs,
  )) {
    for (let fromNs = beginNs; fromNs <= endNs;) {
      const longNs = preAggregate
        ? lengthNs - (lengthNs % preAggregate.intervalNs) || preAggregate.intervalNs
        : lengthNs;
      // Rows of a packed series tell each other's length, so they stay together.
      const toNs = group.isPacked || fromNs + longNs > endNs ? endNs : fromNs + longNs - 1n;
      const span = { beginNs: fromNs, endNs: toNs };
      const series = await client.query({ topic: group.topic, fields, span, preAggregate }, signal);
      const samples = series.timesNs.length;
      yield { span, samples, rowsOf: elements ? packedRows(series, elements) : plainRows(series) };
      lengthNs = nextLength(toNs - fromNs + 1n, samples * fields.length);
      fromNs = toNs + 1n;
    }
  }
}

function plainRows(series: Series): Part["rowsOf"] {
  const chooser = new RowChooser(series);
  return (selection) => chooser.rowsOf(selection);
}

function packedRows(series: Series, elements: ReadonlyMap<string, readonly string[]>): Part["rowsOf"] {
  return (selection) => {
    const [base] = selection.fields as [string];
    return new RowChooser(unpack(series, base, elements.get(base) ?? [])).rowsOf(selection);
  };
}

/** Elements of each base that the topic has. */
async function packedElements(group: Group, client: Reader, signal: AbortSignal): Promise<Map<string, string[]>> {
  const known = [...(await client.fieldsOf(group.topic, signal)).keys()];
  const elements = group.fields.map((base) => [base, elementsOf(base, known)] as const);
  return new Map(elements.filter(([, found]) => found.length > 0));
}

function nextLength(lengthNs: bigint, values: number): bigint {
  const fitting = (Number(lengthNs) * partValues) / Math.max(values, 1);
  return BigInt(Math.round(Math.min(Math.max(fitting, Number(firstPartNs) / 60), Number(longestPartNs))));
}
