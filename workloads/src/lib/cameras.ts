import tables from "../../butler/instruments.json";

/**
 * How a camera names its raw files: `lsst` by observation, `imsim` by number of the exposure, `other` (HSC, DECam) by
 * detector, group and snap.
 */
export type RawFamily = "lsst" | "imsim" | "other";

/** What is known of a camera without a Butler. */
export interface Camera {
  /** As next_visit events, streams and the Butler have it. */
  readonly name: string;
  readonly family: RawFamily;
  /** First part of an obsId, e.g. `MC`; none where files have no obsId. */
  readonly code?: string;
  /** Ids of its detectors, ascending. */
  readonly detectorIds: readonly number[];
  /** `RAFTBAY_CCDSLOT` -> detector id; empty where files give the id itself. */
  readonly idOfSensor: ReadonlyMap<string, number>;
}

interface Sensor {
  readonly id: number;
  readonly raft: string;
  readonly sensor: string;
}

function camera(name: string, family: RawFamily, code: string | undefined, sensors: readonly Sensor[]): Camera {
  return {
    name,
    family,
    ...(code !== undefined && { code }),
    detectorIds: sensors.map(({ id }) => id),
    idOfSensor: new Map(sensors.map(({ id, raft, sensor }) => [`${raft}_${sensor}`, id])),
  };
}

function sensorsOf(name: string): readonly Sensor[] {
  return tables.find((table) => table.name === name)!.detectors;
}

function numbered(name: string, first: number, last: number): Camera {
  const detectorIds = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return { name, family: "other", detectorIds, idOfSensor: new Map() };
}

const all: readonly Camera[] = [
  // What the Butler child knows; beside it the cameras that it does not, which have the layout of one that it does.
  ...tables.map(({ name, code, detectors }) => camera(name, "lsst", code, detectors)),
  camera("LSSTComCamSim", "lsst", "CC", sensorsOf("LSSTComCam")),
  camera("LSST-TS8", "lsst", "TS", sensorsOf("LSSTComCam")),
  camera(
    "LSSTCam-imSim",
    "imsim",
    undefined,
    tables.find(({ name }) => name === "LSSTCam")!.detectors.filter(({ purpose }) => purpose === "SCIENCE"),
  ),
  numbered("HSC", 0, 111),
  numbered("DECam", 1, 62),
];

/** Every camera whose raw files can be read, by name. */
export const cameras: ReadonlyMap<string, Camera> = new Map(all.map((one) => [one.name, one]));

/** Names that paths use beside those of {@link cameras}. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["ComCam", "LSSTComCam"],
  ["TS8", "LSST-TS8"],
]);

/** The camera that a path or an event names. */
export function cameraNamed(name: string): Camera | undefined {
  return cameras.get(aliases.get(name) ?? name);
}
