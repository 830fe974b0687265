import { beginMs, type Counts, holesOf, holeStates, noCounts, type RecordCoverage, totalOf } from "./coverage";

/** How well a field of the heat map is covered: `all` to `none`; `waiting` where everything still waits. */
export type Level = "all" | "most" | "half" | "some" | "none" | "waiting";

/** What the levels mean, in the order of a legend. */
export const levels: Readonly<Record<Level, string>> = {
  all: "all there",
  most: "90 % or more",
  half: "50 % or more",
  some: "less than 50 %",
  none: "nothing there",
  waiting: "waiting for a task",
};

/** One field of the heat map. */
export interface Cell {
  readonly counts: Counts;
  /** What it stands for, e.g. `20261121 from 03:00 UTC`. */
  readonly about: string;
}

/** A heat map before it is drawn: rows of cells, `undefined` where there is no record, `outside` what was not looked at. */
export interface HeatMap {
  readonly title: string;
  /** Labels over the columns; an empty one is not drawn. */
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly label: string;
    readonly cells: readonly (Cell | "outside" | undefined)[];
    /** Of the whole row; only where a row is a day. */
    readonly counts?: Counts;
  }[];
}

/** Level of a field. Records that wait count neither way. */
export function levelOf(counts: Counts): Level {
  const due = totalOf(counts) - counts.waiting;
  if (due === 0) return "waiting";
  if (counts.filled === due) return "all";
  if (counts.filled === 0) return "none";
  const share = counts.filled / due;
  return share >= 0.9 ? "most" : share >= 0.5 ? "half" : "some";
}

/** The commonest kind of hole of a field; none where it has no hole. */
export function worstOf(counts: Counts): (typeof holeStates)[number] | undefined {
  if (holesOf(counts) === 0) return undefined;
  return holeStates.reduce((worst, state) => (counts[state] > counts[worst] ? state : worst));
}

/** Days of observation in order, by the clock: each from 12:00 UTC to 12:00 UTC. */
export function daysBetween(since: number, until: number): number[] {
  const days: number[] = [];
  for (let date = dateOf(since); dayObsNumber(date) <= until; date = new Date(date.getTime() + 86_400_000)) {
    days.push(dayObsNumber(date));
  }
  return days;
}

/** Midnight UTC of the date that a dayObs is written as. */
export function dateOf(dayObs: number): Date {
  return new Date(Date.UTC(Math.floor(dayObs / 10_000), (Math.floor(dayObs / 100) % 100) - 1, dayObs % 100));
}

export const dayObsNumber = (date: Date): number => Number(date.toISOString().slice(0, 10).replaceAll("-", ""));

/** Hours of a day of observation: from noon to noon, UTC. */
const hours = Array.from({ length: 24 }, (_, index) => (index + 12) % 24);
const two = (value: number) => String(value).padStart(2, "0");

/** Counts by dayObs and hour of the record's begin, summed over days and weeks as the maps need them. */
export class Tally {
  private readonly byHour = new Map<string, Counts>();

  add({ record, state }: RecordCoverage): void {
    const key = `${record.dayObs} ${new Date(beginMs(record)).getUTCHours()}`;
    const counts = this.byHour.get(key) ?? noCounts();
    counts[state]++;
    this.byHour.set(key, counts);
  }

  hour(dayObs: number, hour: number): Counts | undefined {
    return this.byHour.get(`${dayObs} ${hour}`);
  }

  day(dayObs: number): Counts | undefined {
    return sum(hours.map((hour) => this.hour(dayObs, hour)));
  }

  total(): Counts {
    return sum([...this.byHour.values()]) ?? noCounts();
  }
}

function sum(all: readonly (Counts | undefined)[]): Counts | undefined {
  const some = all.filter((counts) => counts !== undefined);
  if (some.length === 0) return undefined;
  const total = noCounts();
  for (const counts of some) for (const state of Object.keys(total) as (keyof Counts)[]) total[state] += counts[state];
  return total;
}

/** Days as rows, hours as columns: for weeks. */
export function hourMap(title: string, tally: Tally, since: number, until: number): HeatMap {
  const rows = daysBetween(since, until).map((day) => ({
    label: String(day),
    counts: tally.day(day),
    cells: hours.map((hour) => cell(tally.hour(day, hour), `${day} from ${two(hour)}:00 UTC`)),
  }));
  return { title, columns: hours.map(two), rows };
}

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A calendar, weeks as columns and weekdays as rows: for months. */
export function dayMap(title: string, tally: Tally, since: number, until: number): HeatMap {
  const first = dateOf(since);
  const monday = new Date(first.getTime() - ((first.getUTCDay() + 6) % 7) * 86_400_000);
  const days = daysBetween(dayObsNumber(monday), until);
  const weeks = Math.ceil(days.length / 7);
  const monthOf = (week: number) => Math.floor((days[week * 7] ?? 0) / 100);
  const columns = Array.from({ length: weeks }, (_, week) => {
    // The first week is mostly the month before's end: its label would run into the next one.
    const isNew = week === 0 ? weeks === 1 || monthOf(1) === monthOf(0) : monthOf(week) !== monthOf(week - 1);
    return isNew ? months[(monthOf(week) % 100) - 1]! : "";
  });
  const rows = weekdays.map((label, weekday) => ({
    label,
    cells: Array.from({ length: weeks }, (_, week) => {
      const day = days[week * 7 + weekday];
      return day === undefined || day < since ? "outside" : cell(tally.day(day), String(day));
    }),
  }));
  return { title, columns, rows };
}

function cell(counts: Counts | undefined, about: string): Cell | undefined {
  return counts && { counts, about };
}
