import type { Column } from "../../workloads/src/transform-efd/columns";

/** What the simulator takes of a column. */
export type ColumnSource = Pick<Column, "topic" | "fields" | "isPacked" | "subset">;

/** A topic that the simulator plays. */
export interface Topic {
  readonly name: string;
  /** Fields without those that the simulator adds by itself: `salIndex`, `cRIO_timestamp`. Of a packed topic, the base names. */
  readonly fields: readonly string[];
  /** Values of `salIndex`: each is a device with samples at times of its own. Empty: the topic has one device, and no such field. */
  readonly salIndices: readonly number[];
  /** Time from one row to the next, ns. */
  readonly periodNs: bigint;
  /** Samples in a row: 1, or those of a packed series, whose field `angle` comes as `angle0`, `angle1`, … */
  readonly samplesPerRow: number;
}

const salIndexField = "salIndex";
const second = 1_000_000_000n;
/** Rows per second of the fast topics. */
const fastHz: Readonly<Record<string, bigint>> = {
  "lsst.sal.MTMount.encoder": 50n,
  "lsst.sal.MTM1M3.accelerometerData": 50n,
  "lsst.sal.MTM1M3.appliedForces": 20n,
  "lsst.sal.MTM1M3.appliedElevationForces": 20n,
  "lsst.sal.MTM1M3.appliedThermalForces": 20n,
  "lsst.sal.MTM1M3.appliedAzimuthForces": 20n,
  "lsst.sal.MTM2.axialForce": 20n,
};
/** Events come when something changes: about twice an exposure. */
const eventPeriodNs = 15n * second;
const packedSamples = 100;
/** A device of another telescope, which reports on the same topics and must not be mixed in. */
const foreignSalIndex = 901;

/** Whether the topic reports changes, and not at a rate. */
export function isEvent({ name }: Topic): boolean {
  return /\.logevent_/.test(name);
}

/**
 * Topics that columns read, with the rates of the observatory: 50 Hz the mount's encoders and the mirror's accelerometers,
 * 20 Hz the mirrors' forces, 100 Hz packed into one row a second the auxiliary telescope's encoders, events now and then,
 * 1 Hz the rest. A topic whose columns ask for a `salIndex` has these devices and another one.
 */
export function topicsOf(columns: readonly ColumnSource[]): Topic[] {
  const found = new Map<string, { fields: Set<string>; packed: Set<string>; salIndices: Set<number> }>();
  for (const { topic, fields, isPacked, subset } of columns) {
    const about = found.get(topic) ?? { fields: new Set(), packed: new Set(), salIndices: new Set() };
    found.set(topic, about);
    for (const field of fields) (isPacked ? about.packed : about.fields).add(field);
    if (subset?.field === salIndexField) subset.values.forEach((value) => about.salIndices.add(value));
  }
  return [...found].map(([name, { fields, packed, salIndices }]) => {
    // A topic is packed or it is not: its base names have no values, whoever asks for them.
    const isPacked = packed.size > 0;
    const named = [...(isPacked ? packed : fields)].filter((field) => field !== salIndexField);
    return {
      name,
      fields: named.sort(byNumber),
      salIndices: salIndices.size > 0 ? [...salIndices, foreignSalIndex].sort((a, b) => a - b) : [],
      periodNs: /\.logevent_/.test(name) ? eventPeriodNs : second / (fastHz[name] ?? 1n),
      samplesPerRow: isPacked ? packedSamples : 1,
    };
  });
}

/** `x2` before `x10`. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
