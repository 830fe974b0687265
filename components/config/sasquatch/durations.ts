const secondsOfUnit = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 } as const;

/** Seconds of a duration such as "10m", "72h", "180d" or "3y" (365 d); 0 for "infinite", as InfluxDB has it. */
export function secondsOf(duration: string): number {
  if (duration === "infinite") return 0;
  return Number(duration.slice(0, -1)) * secondsOfUnit[duration.slice(-1) as keyof typeof secondsOfUnit];
}
