import tables from "../../workloads/butler/instruments.json";

/** A detector as obs_lsst numbers it. */
export interface Detector {
  readonly id: number;
  /** Name in the Butler, e.g. `R22_S11`; LATISS has `RXX_S00`. */
  readonly name: string;
  /** `RAFTBAY` of headers and paths, e.g. `R22`. */
  readonly raft: string;
  /** `CCDSLOT` of headers and paths, e.g. `S11`, `SG0` (guider), `SW1` (wavefront). */
  readonly sensor: string;
  readonly purpose: "SCIENCE" | "WAVEFRONT" | "GUIDER";
}

/** An instrument: what camera and Butler child must agree on. */
export interface Instrument {
  readonly name: string;
  /** Python class that defines it to the Butler. */
  readonly className: string;
  /** First part of an obsId: AT LATISS, CC LSSTComCam, MC LSSTCam. */
  readonly code: string;
  readonly telescope: string;
  /** Letters of the systems that may take an exposure; `O` is the observatory's own. */
  readonly controllers: readonly string[];
  readonly exposureMax: number;
  readonly visitMax: number;
  readonly physicalFilters: readonly { readonly name: string; readonly band: string }[];
  readonly detectors: readonly Detector[];
}

/** Instruments that the camera can play; the Butler child reads the same tables. */
export const instruments = tables as readonly Instrument[];

/** @throws Error that names the instruments there are. */
export function instrumentNamed(name: string): Instrument {
  const found = instruments.find((instrument) => instrument.name === name);
  if (!found) {
    const known = instruments.map((instrument) => instrument.name).join(", ");
    throw new Error(`There is no instrument "${name}"; the camera can play ${known}.`);
  }
  return found;
}
