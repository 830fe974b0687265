import { dayObsOf } from "../../workloads/src/lib/tai";
import { CommandError, exitCodes } from "../exit";
import { dateOf, dayObsNumber } from "./heatMap";

/** Days of observation that a command looks at, both included. */
export interface DayRange {
  readonly since: number;
  readonly until: number;
}

/** Longest range: what a person asks for by mistake ends here. */
const longestDays = 3_700;

/**
 * `--since` and `--until`; without, the last days up to today's.
 * @param days - Of the range when `--since` is not given.
 * @throws CommandError for what is no dayObs.
 */
export function dayRange(options: { readonly since?: string; readonly until?: string }, days: number): DayRange {
  const until = options.until === undefined ? today() : dayObs("--until", options.until);
  const first = new Date(dateOf(until).getTime() - (days - 1) * 86_400_000);
  const since = options.since === undefined ? dayObsNumber(first) : dayObs("--since", options.since);
  if (since > until) throw new CommandError(`--since ${since} is after ${until}.`, exitCodes.usage);
  if (dayCount({ since, until }) > longestDays)
    throw new CommandError(`${since} to ${until} is longer than ${longestDays} days.`, exitCodes.usage);
  return { since, until };
}

export function dayCount({ since, until }: DayRange): number {
  return Math.round((dateOf(until).getTime() - dateOf(since).getTime()) / 86_400_000) + 1;
}

/** The range in parts of at most so many days, in order. */
export function partsOf({ since, until }: DayRange, days: number): DayRange[] {
  const parts: DayRange[] = [];
  for (let first = dateOf(since); dayObsNumber(first) <= until;) {
    const next = new Date(first.getTime() + days * 86_400_000);
    const last = dayObsNumber(new Date(next.getTime() - 86_400_000));
    parts.push({ since: dayObsNumber(first), until: Math.min(last, until) });
    first = next;
  }
  return parts;
}

const today = () => dayObsOf(BigInt(Date.now()) * 1_000_000n);

function dayObs(name: string, text: string): number {
  const day = Number(text.replaceAll("-", ""));
  if (!/^\d{4}-?\d\d-?\d\d$/.test(text) || dayObsNumber(dateOf(day)) !== day)
    throw new CommandError(`${name} ${text} is not a day of observation, YYYYMMDD.`, exitCodes.usage);
  return day;
}
