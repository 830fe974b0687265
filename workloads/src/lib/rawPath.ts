import { type Camera, cameraNamed, type RawFamily } from "./cameras";
import { FacilityError } from "./errors";

/** A raw file of one detector, as its key tells it. */
export interface RawPath {
  readonly key: string;
  readonly camera: Camera;
  readonly detector: number;
  /** Name of the exposure, with its controller: `MC_O_20250926_000042`. The number where the camera has no names. */
  readonly obsId: string;
  /** Number of the exposure in the Butler; it does not tell controllers apart. */
  readonly exposureId: number;
  /** Group and snap (from 0) where the key has them; otherwise the sidecar does. */
  readonly group?: string;
  readonly snap?: number;
  /** Key of the sidecar with group and snap; only where the key has them not. */
  readonly sidecar?: string;
  /** What stands before the camera in the key, e.g. `unobserved`; empty for a file that a camera has put where it belongs. */
  readonly folder: string;
}

/** What is wrong with a key. */
export type RawPathCode = "RAW_PATH" | "UNKNOWN_CAMERA" | "UNKNOWN_DETECTOR";

/** The key is none of a raw file that can be read. */
export class RawPathError extends FacilityError {
  readonly retryable = false;
  constructor(
    readonly code: RawPathCode,
    readonly key: string,
    reason: string,
  ) {
    super(`Cannot read raw file "${key}": ${reason}. Rename the object, or keep it out of the bucket of raw files.`);
  }
}

// Anchored at the start only, and segments are as short as can be but may hold slashes: as the pipelines read keys.
const patterns: Readonly<Record<RawFamily, RegExp>> = {
  lsst: /^(?<instrument>.*?)\/(?<dayObs>\d+)\/(?<obsId>.*?)\/\k<obsId>_(?<sensor>R\d\d_S.\d)(?<extension>\.f.*)$/,
  imsim:
    /^(?<instrument>.*?)\/(?<dayObs>\d+)\/(?<obsId>\d*?)\/\k<obsId>_(?<filter>.*?)_(?<detector>\d+)_(?<sensor>R\d\d_S.\d)(?<extension>\.f.*)$/,
  other: /^(?<instrument>.*?)\/(?<detector>\d+)\/(?<group>.*?)\/(?<snap>\d+)\/(?<obsId>.*?)\/(?<filter>.*?)\/[^/]+\.f/,
};
/** S3 has no longer keys, and the patterns take the longer the more segments there are. */
const lengthLimit = 1_024;
const segmentLimit = 16;
const forms: Readonly<Record<RawFamily, string>> = {
  lsst: "instrument/dayObs/obsId/obsId_Rxx_Syz.fits",
  imsim: "instrument/dayObs/exposure/exposure_filter_detector_Rxx_Syz.fits",
  other: "instrument/detector/group/snap/exposure/filter/name.fits",
};

/**
 * Reads the key of a raw file. The first segment decides the form; a camera of no other form may stand in a folder,
 * `unobserved/HSC/…`.
 * @throws {@link RawPathError}
 */
export function parseRawPath(key: string): RawPath {
  if (key.length > lengthLimit || key.split("/").length > segmentLimit)
    throw new RawPathError("RAW_PATH", key.slice(0, lengthLimit), "it has too many characters or segments");
  const first = cameraNamed(key.slice(0, key.indexOf("/")));
  const family = first?.family ?? "other";
  const fields = patterns[family].exec(key)?.groups as Record<string, string> | undefined;
  if (!fields) {
    if (!first) throw new RawPathError("UNKNOWN_CAMERA", key, `there is no camera "${key.slice(0, key.indexOf("/"))}"`);
    throw new RawPathError("RAW_PATH", key, `it is not ${forms[family]}`);
  }
  const name = fields.instrument!;
  const camera = family === "other" ? cameraNamed(name.slice(name.lastIndexOf("/") + 1)) : cameraNamed(name);
  if (camera?.family !== family)
    throw new RawPathError("UNKNOWN_CAMERA", key, `there is no camera "${name}" of this form`);
  return family === "other" ? otherPath(key, camera, fields) : lsstPath(key, camera, fields);
}

function lsstPath(key: string, camera: Camera, fields: Record<string, string>): RawPath {
  const { obsId, sensor } = fields as { obsId: string; sensor: string };
  const detector = camera.idOfSensor.get(sensor);
  if (detector === undefined) throw new RawPathError("UNKNOWN_DETECTOR", key, `${camera.name} has no sensor ${sensor}`);
  if (fields.detector !== undefined && Number(fields.detector) !== detector)
    throw new RawPathError(
      "UNKNOWN_DETECTOR",
      key,
      `${sensor} of ${camera.name} is detector ${detector}, not ${fields.detector}`,
    );
  const exposureId = camera.family === "imsim" ? Number(obsId) : exposureIdOf(key, obsId);
  const sidecar = `${key.slice(0, -fields.extension!.length)}.json`;
  return { key, camera, detector, obsId, exposureId: whole(key, "exposure", exposureId), sidecar, folder: "" };
}

function otherPath(key: string, camera: Camera, fields: Record<string, string>): RawPath {
  const { group, obsId } = fields as { group: string; obsId: string };
  const detector = Number(fields.detector);
  if (!camera.detectorIds.includes(detector))
    throw new RawPathError("UNKNOWN_DETECTOR", key, `${camera.name} has no detector ${fields.detector}`);
  if (group === "") throw new RawPathError("RAW_PATH", key, "its group is empty");
  if (!/^\d+$/.test(obsId)) throw new RawPathError("RAW_PATH", key, `exposure "${obsId}" is no number`);
  const exposureId = whole(key, "exposure", Number(obsId));
  const snap = whole(key, "snap", Number(fields.snap));
  const folder = fields.instrument!.slice(0, Math.max(0, fields.instrument!.lastIndexOf("/")));
  return { key, camera, detector, obsId: String(exposureId), exposureId, group, snap, folder };
}

/** dayObs and five digits of seqNum, from `<code>_<controller>_<dayObs>_<seqNum>`. */
function exposureIdOf(key: string, obsId: string): number {
  const [, , dayObs = "", seqNum = "", ...rest] = obsId.split("_");
  if (!/^\d{8}$/.test(dayObs) || !/^\d+$/.test(seqNum) || Number(seqNum) > 99_999 || rest.length > 0)
    throw new RawPathError("RAW_PATH", key, `obsId "${obsId}" is not <code>_<controller>_<dayObs>_<seqNum>`);
  return Number(dayObs) * 100_000 + Number(seqNum);
}

function whole(key: string, what: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new RawPathError("RAW_PATH", key, `its ${what} is too large for a number`);
}

/** A raw file that is to be named. */
export interface RawName {
  readonly instrument: string;
  readonly detector: number;
  readonly exposureId: number;
  /** Name of the group; the day of LSSTCam-imSim is its first ten characters. */
  readonly group: string;
  readonly snap: number;
  readonly physicalFilter: string;
  /** Letter of the system that takes the exposure; default `O`. */
  readonly controller?: string;
}

/** Key of a raw file. @throws Error when the camera or the detector does not exist. */
export function rawKey({
  instrument,
  detector,
  exposureId,
  group,
  snap,
  physicalFilter,
  controller = "O",
}: RawName): string {
  const camera = cameraNamed(instrument);
  if (!camera?.detectorIds.includes(detector))
    throw new Error(`There is no detector ${detector} of a camera "${instrument}".`);
  const { name, family, code } = camera;
  if (family === "other") {
    const file = [name, group, snap, exposureId, physicalFilter, detector].join("-");
    return `${name}/${detector}/${group}/${snap}/${exposureId}/${physicalFilter}/${file}.fz`;
  }
  const sensor = [...camera.idOfSensor].find(([, id]) => id === detector)![0];
  if (family === "imsim")
    return `${name}/${group.slice(0, 10).replaceAll("-", "")}/${exposureId}/${exposureId}_${physicalFilter}_${detector}_${sensor}.fits`;
  const dayObs = Math.floor(exposureId / 100_000);
  const obsId = `${code}_${controller}_${dayObs}_${String(exposureId % 100_000).padStart(6, "0")}`;
  return `${name}/${dayObs}/${obsId}/${obsId}_${sensor}.fits`;
}
