/**
 * Time scales. The Butler keeps TAI, everything else here UTC; both as nanoseconds since 1970-01-01 of their own scale,
 * UTC as POSIX and InfluxDB count it: without leap seconds.
 */

/**
 * TAI - UTC in seconds from the given UTC day on.
 * @see https://hpiers.obspm.fr/iers/bul/bulc/Leap_Second.dat; none is announced beyond the last one.
 */
const leapSeconds: readonly (readonly [day: string, taiMinusUtcSeconds: number])[] = [
  ["1972-01-01", 10],
  ["1972-07-01", 11],
  ["1973-01-01", 12],
  ["1974-01-01", 13],
  ["1975-01-01", 14],
  ["1976-01-01", 15],
  ["1977-01-01", 16],
  ["1978-01-01", 17],
  ["1979-01-01", 18],
  ["1980-01-01", 19],
  ["1981-07-01", 20],
  ["1982-07-01", 21],
  ["1983-07-01", 22],
  ["1985-07-01", 23],
  ["1988-01-01", 24],
  ["1990-01-01", 25],
  ["1991-01-01", 26],
  ["1992-07-01", 27],
  ["1993-07-01", 28],
  ["1994-07-01", 29],
  ["1996-01-01", 30],
  ["1997-07-01", 31],
  ["1999-01-01", 32],
  ["2006-01-01", 33],
  ["2009-01-01", 34],
  ["2012-07-01", 35],
  ["2015-07-01", 36],
  ["2017-01-01", 37],
];

const nsPerSecond = 1_000_000_000n;
const nsPerMs = 1_000_000n;

/** The same, newest first. */
const steps = leapSeconds
  .map(([day, seconds], index) => ({
    utcNs: BigInt(Date.parse(day)) * nsPerMs,
    offsetNs: BigInt(seconds) * nsPerSecond,
    leapNs: index === 0 ? 0n : nsPerSecond,
  }))
  .reverse();
const first = steps.at(-1)!;

/** TAI of a moment in UTC. Before 1972 the offset is taken to be 10 s. */
export function taiNsOf(utcNs: bigint): bigint {
  return utcNs + (steps.find((step) => utcNs >= step.utcNs) ?? first).offsetNs;
}

/**
 * UTC of a moment in TAI. A moment within a leap second is the midnight that follows it, so that order is kept: of two
 * moments the later one is never before the earlier one.
 */
export function utcNsOf(taiNs: bigint): bigint {
  for (const { utcNs, offsetNs, leapNs } of steps) {
    if (taiNs >= utcNs + offsetNs) return taiNs - offsetNs;
    if (taiNs >= utcNs + offsetNs - leapNs) return utcNs;
  }
  return taiNs - first.offsetNs;
}

/** Day of observation, YYYYMMDD: it begins at 12:00 UTC. */
export function dayObsOf(utcNs: bigint): number {
  const noonMs = Number(utcNs / nsPerMs) - 12 * 3_600_000;
  return Number(new Date(noonMs).toISOString().slice(0, 10).replaceAll("-", ""));
}
