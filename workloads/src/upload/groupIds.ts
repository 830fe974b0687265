import type { Camera } from "../lib/cameras";
import type { CardValue } from "../lib/fits";

/** Number of the first group of a day that has none; the observatory itself counts from 1. */
const firstSeq = 20_000;
/** Numbers of an exposure within its day have five digits in a Butler. */
const lastLsstSeq = 99_999;
/** HSC's exposures have numbers up to 21,474,800: four digits for the day, four for a counter. */
const lastHscCounter = 9_999;
/** Last day of the first scheme of HSC's days, which has no number for any later one. */
const lastHscDate = "20250930";
/** Days in a round of the scheme since then. */
const hscRoundDays = 2_146;

/** The camera has no rule for numbers of exposures, or the day no number left. */
export class GroupIdError extends Error {}

/**
 * Name of a group. LSST cameras: the day at midnight, and `seq` as microseconds. HSC: four digits of the day and four of `seq`.
 * @param day - `YYYYMMDD`.
 * @throws {@link GroupIdError}
 */
export function makeGroup(camera: Camera, day: string, seq: number): string {
  const limit = camera.family === "lsst" ? lastLsstSeq : lastHscCounter;
  if (seq > limit) throw new GroupIdError(`${camera.name} has no group ${seq} on ${day}: ${limit} is the last; wait for the next day.`); // prettier-ignore
  if (camera.family === "lsst") {
    const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
    return `${date}T00:00:00.${String(seq).padStart(6, "0")}`;
  }
  return dayPrefix(camera, day) + String(seq).padStart(4, "0");
}

/** The group so many numbers later. @throws {@link GroupIdError} */
export function incrementGroup(camera: Camera, group: string, by: number): string {
  const { day, seq } = numbersOf(camera, group);
  if (camera.family === "lsst") return makeGroup(camera, day, seq + by);
  if (seq + by > lastHscCounter)
    throw new GroupIdError(`${camera.name} has no group ${by} after ${group}: ${lastHscCounter} is the last of a day.`);
  return day + String(seq + by).padStart(4, "0");
}

/** The group after which a day begins: the last one that there is, else one whose number no night reaches by itself. */
export function groupBefore(camera: Camera, day: string, lastSeqOfDay: number | undefined): string {
  return makeGroup(camera, day, lastSeqOfDay ?? (camera.family === "lsst" ? firstSeq : 0));
}

/**
 * First four digits of HSC's groups of a day. Up to 2025-09-30 these are (year - 2024) x 1200 + MMDD, whose numbers end there.
 * Since then days are counted, 1 to 2,146 and again from 1: a number comes back after nearly six years.
 */
export function dayPrefix(camera: Camera, day: string): string {
  if (camera.name !== "HSC")
    throw new GroupIdError(`There is no rule for numbers of ${camera.name}'s exposures, so none can be made up.`);
  if (day <= lastHscDate) {
    if (day < "2024") throw new GroupIdError(`HSC has no groups before 2024, so none on ${day}.`);
    return String((Number(day.slice(0, 4)) - 2024) * 1200 + Number(day.slice(4))).padStart(4, "0");
  }
  const dayNumber = (date: string) =>
    Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`) / 86_400_000;
  const days = dayNumber(day) - dayNumber(lastHscDate) - 1;
  return String(1 + (days % hscRoundDays)).padStart(4, "0");
}

/** A new exposure, by its group and snap. */
export interface NewExposure {
  readonly exposureId: number;
  /** Header cards that say which exposure it is. */
  readonly cards: Readonly<Record<string, CardValue>>;
}

/** The exposure of a snap (from 0) of a group. @throws {@link GroupIdError} */
export function exposureOf(camera: Camera, group: string, snap: number, snaps: number): NewExposure {
  const { day, seq } = numbersOf(camera, group);
  if (camera.family === "lsst") {
    const seqNum = seq + snap;
    if (seqNum > lastLsstSeq) throw new GroupIdError(`Snap ${snap} of ${group} has number ${seqNum}: ${lastLsstSeq} is the last of a day.`); // prettier-ignore
    const obsId = `${camera.code}_O_${day}_${String(seqNum).padStart(6, "0")}`;
    return {
      exposureId: Number(day) * 100_000 + seqNum,
      cards: {
        DAYOBS: day,
        SEQNUM: seqNum,
        OBSID: obsId,
        GROUPID: group,
        CONTRLLR: "O",
        CURINDEX: snap + 1,
        MAXINDEX: snaps,
      },
    };
  }
  const exposureId = Number(group) + snap;
  return { exposureId, cards: { "EXP-ID": `HSCE${String(exposureId).padStart(8, "0")}` } };
}

/** Number of a group within its day; with HSC `day` is its four digits. */
function numbersOf(camera: Camera, group: string): { day: string; seq: number } {
  const form = camera.family === "lsst" ? /^(\d{4}-\d\d-\d\d)T00:00:00\.(\d{6})$/ : /^(\d{4})(\d{4})$/;
  const [, day, seq] = form.exec(group) ?? [];
  if (day === undefined || (camera.family !== "lsst" && camera.name !== "HSC"))
    throw new GroupIdError(`"${group}" is no group that a tester makes for ${camera.name}.`);
  return { day: day.replaceAll("-", ""), seq: Number(seq) };
}
