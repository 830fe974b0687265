/** A schedule of five fields (minute hour day-of-month month day-of-week), in UTC. */
export interface Schedule {
  /** Whether the schedule names the minute that this time is in. */
  matches(time: Date): boolean;
}

const fields = [
  { name: "minute", from: 0, to: 59 },
  { name: "hour", from: 0, to: 23 },
  { name: "day of month", from: 1, to: 31 },
  { name: "month", from: 1, to: 12 },
  { name: "day of week", from: 0, to: 7 },
] as const;
const macros: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
};

/**
 * Reads a schedule of a CronJob.
 * @throws Error that names the field and its value.
 */
export function parseSchedule(text: string): Schedule {
  const words = (macros[text.trim()] ?? text).trim().split(/\s+/);
  if (words.length !== fields.length) throw new Error(`schedule "${text}" has ${words.length} fields, not 5`);
  const [minutes, hours, days, months, weekdays] = words.map((word, index) => numbersOf(word, fields[index]!, text));
  const anyDay = words[2]!.startsWith("*");
  const anyWeekday = words[4]!.startsWith("*");
  return {
    matches(time) {
      const day = days!.has(time.getUTCDate());
      const weekday = weekdays!.has(time.getUTCDay()) || (time.getUTCDay() === 0 && weekdays!.has(7));
      // As cron always did: where both name days, either is enough.
      const onDay = anyDay || anyWeekday ? day && weekday : day || weekday;
      return (
        minutes!.has(time.getUTCMinutes()) &&
        hours!.has(time.getUTCHours()) &&
        months!.has(time.getUTCMonth() + 1) &&
        onDay
      );
    },
  };
}

function numbersOf(word: string, field: (typeof fields)[number], text: string): Set<number> {
  const fault = () => new Error(`schedule "${text}": "${word}" is no ${field.name} (${field.from}-${field.to})`);
  const numbers = new Set<number>();
  for (const part of word.split(",")) {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) throw fault();
    const [, low, high, every] = match;
    const from = low === undefined ? field.from : Number(low);
    const to = high !== undefined ? Number(high) : low === undefined || every !== undefined ? field.to : from;
    const step = every === undefined ? 1 : Number(every);
    if (from < field.from || to > field.to || from > to || step < 1) throw fault();
    for (let number = from; number <= to; number += step) numbers.add(number);
  }
  return numbers;
}
