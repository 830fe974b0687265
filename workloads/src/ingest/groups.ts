import type { Redis } from "ioredis";
import { redisKey } from "../lib/redisKeys";

/** Names that headers use for instruments, in lower case, and the names that presence is asked for. */
const canonicalNames: Readonly<Record<string, string>> = {
  lsstcomcamsim: "LSSTComCamSim",
  comcamsim: "LSSTComCamSim",
  lsstcomcam: "LSSTComCam",
  comcam: "LSSTComCam",
  lsstcam: "LSSTCam",
  latiss: "LATISS",
};

/**
 * Key under which presence finds an image: `GROUP:<instrument>:<group>:<snap>:<detector>`, snap counted from 0.
 * @returns the key; `undefined` when the image belongs to no group; the keywords that are missing, when some are.
 */
export function groupKey(header: Readonly<Record<string, unknown>>): string | undefined | { missing: string[] } {
  const { INSTRUME, GROUPID, CURINDEX, RAFTBAY, CCDSLOT } = header;
  if (GROUPID === undefined || GROUPID === null || GROUPID === "") return undefined;
  const missing = Object.entries({ INSTRUME, CURINDEX, RAFTBAY, CCDSLOT })
    .filter(([, value]) => value === undefined || value === null || value === "")
    .map(([keyword]) => keyword);
  const snap = Math.trunc(Number(CURINDEX)) - 1;
  if (missing.length > 0 || !Number.isFinite(snap)) return { missing: missing.length > 0 ? missing : ["CURINDEX"] };
  const instrument = canonicalNames[String(INSTRUME).toLowerCase()] ?? String(INSTRUME);
  return redisKey.group(instrument, String(GROUPID), snap, `${String(RAFTBAY)}_${String(CCDSLOT)}`);
}

/** Lets presence find an image, for `lifetimeSeconds`; in one command, so that the key never lives for ever. */
export async function recordGroup(redis: Redis, key: string, path: string, lifetimeSeconds: number): Promise<void> {
  await redis.set(key, `s3://${path}`, "EX", lifetimeSeconds);
}
