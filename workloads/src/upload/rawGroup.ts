import type { Header } from "../lib/fits";

/** Raw files of one group of an earlier night (or of a simulator), to be sent as a new group. */
export interface RawGroup {
  /** Its name at its time. */
  readonly name: string;
  /** Tells fan-out which detectors are meant, where its configuration has this number as a test visit. */
  readonly salIndex: number;
  readonly pointing: Pointing;
  /** When light was taken first, TAI, ms since 1970. */
  readonly beginTaiMs: number;
  /** Physical filter, as the Butler names it. */
  readonly physicalFilter: string;
  readonly snaps: readonly (readonly RawFile[])[];
  /** Brings the files near; begun when the visit is announced, awaited before the first file is loaded. */
  readonly prepare?: (stop: AbortSignal) => Promise<void>;
  /** Drops what {@link prepare} brought. */
  readonly release?: () => Promise<void>;
}

/** Where the telescope looked; null where it did not track the sky. Degrees, ICRS; rotation: focal plane's +Y, east of north. */
export interface Pointing {
  readonly position: readonly [ra: number, dec: number] | null;
  readonly rotation: number | null;
}

/** One file of one detector. */
export interface RawFile {
  /** For messages: its key or path. */
  readonly name: string;
  readonly detector: number;
  /** @returns the file, and the header that its sidecar had or would have. */
  load(): Promise<{ fits: Buffer; header: Header }>;
}

/** More groups were asked for than there are. */
export class TooFewGroups extends Error {
  constructor(wanted: number, found: number, where: string) {
    super(`${wanted} groups were asked for, but ${where} has ${found}. Ask for fewer, or put more there.`);
  }
}

/** So many of them: the first, or a random choice in their order. @throws {@link TooFewGroups} */
export function choose<T>(
  all: readonly T[],
  wanted: number,
  options: { ordered: boolean; where: string; random?: () => number },
): T[] {
  const { ordered, where, random = Math.random } = options;
  if (wanted > all.length) throw new TooFewGroups(wanted, all.length, where);
  if (ordered) return all.slice(0, wanted);
  const left = all.map((_, index) => index);
  const picked = Array.from({ length: wanted }, () => left.splice(Math.floor(random() * left.length), 1)[0]!);
  return picked.sort((a, b) => a - b).map((index) => all[index]!);
}
