import { utcNsOf } from "../tai";
import type { NextVisit } from "./visit";

/**
 * Age of a record by its `private_efdStamp` (UTC seconds), whole seconds.
 * @returns undefined for a stamp of 0 or none: its age is not known.
 */
export function recordAgeSeconds(efdStamp: unknown, nowMs: number): number | undefined {
  if (typeof efdStamp !== "number" || !efdStamp || Number.isNaN(efdStamp)) return undefined;
  return roundHalfEven(nowMs / 1000 - efdStamp);
}

/** Age of a visit by its `private_sndStamp` (TAI seconds), whole seconds, as a worker sees it. */
export function visitAgeSeconds(visit: NextVisit, nowMs: number): number {
  const sentUtcNs = utcNsOf(BigInt(Math.round(visit.private_sndStamp * 1e6)) * 1_000n);
  return roundHalfEven(nowMs / 1000 - Number(sentUtcNs / 1_000n) / 1e6);
}

/** Whether something of that age is not worth its processing any more. */
export const isExpired = (ageSeconds: number, expirationSeconds: number) => ageSeconds > expirationSeconds;

/** As Python's `round`, so that both ends of a stream decide alike. */
function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}
