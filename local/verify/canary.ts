import { canary, canaryExpId } from "../../workloads/src/lib/canary";
import { type ExposurePath, parseObjectPath } from "../../workloads/src/lib/objectPath";
import { exposureOf, filesOf, fitsKey, instrumentNamed, sidecarKey } from "../camera";

/** A canary as it is sent: one file with its sidecar. */
export interface Canary {
  readonly key: string;
  readonly sidecarKey: string;
  readonly fits: Buffer;
  readonly sidecar: Buffer;
  /** The file as Redis names it. */
  readonly object: ExposurePath;
}

/**
 * Makes a canary.
 * @param bucket - `[profile@]bucket`.
 * @param seqNum - 1 to 99,999; tells canaries that are on their way at the same moment apart.
 */
export function makeCanary(bucket: string, seqNum: number): Canary {
  const instrument = instrumentNamed(canary.instrument);
  const detector = instrument.detectors.find(({ raft, sensor }) => raft === canary.raft && sensor === canary.sensor)!;
  const expId = canaryExpId(seqNum);
  const usual = exposureOf(instrument, canary.dayObs, seqNum);
  const exposure = { ...usual, obsId: expId, groupId: expId, controller: canary.controller };
  const key = fitsKey(exposure, detector);
  const files = filesOf(exposure, detector, [[canary.keyword, canary.value, "sent to be taken back"]]);
  return { key, sidecarKey: sidecarKey(key), ...files, object: parseObjectPath(`${bucket}/${key}`) as ExposurePath };
}

/** Path under a presence URL that asks for a canary. */
export function presencePath({ expId }: ExposurePath): string {
  return `/${canary.instrument}/${expId}/0/${canary.raft}_${canary.sensor}`;
}
