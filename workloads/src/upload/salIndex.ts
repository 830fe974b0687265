import type { Camera } from "../lib/cameras";

/** Script queues of the observatory; 999 is what testers have where there is none. */
const queues: Readonly<Record<string, number>> = {
  LSSTCam: 1,
  LSSTComCam: 1,
  LATISS: 2,
  LSSTComCamSim: 3,
  HSC: 999,
  "LSSTCam-imSim": 999,
};
/** Of these a pool holds few detectors of each exposure; fan-out is configured with them by the exposure's number. */
const testVisits = new Set(["HSC", "LSSTCam"]);

/** salIndex of the visits of a camera: its script queue, or for what is from a pool the number of the exposure at its time. */
export function salIndexOf({ name }: Camera, poolExposureId?: number): number {
  if (poolExposureId !== undefined && testVisits.has(name)) return poolExposureId;
  return queues[name] ?? 0;
}
