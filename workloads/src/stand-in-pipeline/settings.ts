import { z } from "zod";
import { ConfigError, json } from "../lib/contract";

/** What the stand-in does instead of processing a visit that the fault is for. */
const fault = z.strictObject({
  /**
   * fail, fail-for-good: reports a failure, retriable or not; ignore: reports that there is nothing to do; crash: ends at once;
   * crash-granted: ends when it may commit; crash-committed: ends after its commit, before it has told; hang: does nothing
   * any more; nonsense: reports what is no report.
   */
  fault: z.enum(["fail", "fail-for-good", "ignore", "crash", "crash-granted", "crash-committed", "hang", "nonsense"]),
  /** Only for this detector. */
  detector: z.number().int().optional(),
  /** Only for this group. */
  group: z.string().optional(),
  /** Only for this attempt. */
  attempt: z.number().int().optional(),
  /** Only for so large a part of the attempts, always the same ones. Default 1. */
  chance: z.number().min(0).max(1).default(1),
});
export type Fault = z.output<typeof fault>;

const settings = z.object({
  /** Time that it takes to load, s. */
  STAND_IN_LOAD: z.coerce.number().min(0).default(0),
  /** Time that a visit takes once its raws are there, s. */
  STAND_IN_WORK: z.coerce.number().min(0).default(0),
  /** Folder of its commits: a file `<instrument>/<group>/<detector>` each, which cannot be made twice. */
  STAND_IN_COMMITS: z.string().min(1),
  /** Visits after which it ends, to be started again; 0: no limit. */
  STAND_IN_VISITS: z.coerce.number().int().min(0).default(0),
  /** JSON list of faults. */
  STAND_IN_FAULTS: json(z.array(fault), { about: "What it does instead, and when" }).default([]),
});
export type StandInSettings = z.output<typeof settings>;

/** @throws ConfigError that names every fault. */
export function readSettings(environment: NodeJS.ProcessEnv): StandInSettings {
  const parsed = settings.safeParse(environment);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new ConfigError("stand-in-pipeline", faults);
}
