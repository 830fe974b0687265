import fc from "fast-check";
import { dayObsOf, taiNsOf, utcNsOf } from "../../../workloads/src/lib/tai";

const utcNs = (iso: string): bigint => {
  const [, head, fraction = ""] = /^([^.]+?)(?:\.(\d+))?Z$/.exec(iso)!;
  return BigInt(Date.parse(`${head}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
};

/** TAI in nanoseconds since 1970-01-01 TAI, by astropy 8.0.2. */
const moments: [string, bigint][] = [
  ["1972-01-01T00:00:00Z", 63072010000000000n],
  ["1972-06-30T23:59:59.5Z", 78796809500000000n],
  ["1972-07-01T00:00:00Z", 78796811000000000n],
  ["1985-07-01T00:00:00Z", 489024023000000000n],
  ["1990-01-01T00:00:00.25Z", 631152025250000000n],
  ["1998-12-31T23:59:59.999Z", 915148830999000000n],
  ["1999-01-01T00:00:00Z", 915148832000000000n],
  ["2008-12-31T23:59:59Z", 1230768032000000000n],
  ["2012-06-30T23:59:59Z", 1341100833000000000n],
  ["2012-07-01T00:00:00Z", 1341100835000000000n],
  ["2016-12-31T23:59:59.999Z", 1483228835999000000n],
  ["2017-01-01T00:00:00Z", 1483228837000000000n],
  ["2024-10-02T02:14:23Z", 1727835300000000000n],
  ["2026-11-21T20:00:00.123456Z", 1795291237123456000n],
];

it.each(moments)("knows the TAI of %s", (utc, tai) => {
  expect(taiNsOf(utcNs(utc))).toBe(tai);
  expect(utcNsOf(tai)).toBe(utcNs(utc));
});

it.each([
  ["23:59:60", 1483228836000000000n],
  ["23:59:60.5", 1483228836500000000n],
])("takes %s on 2016-12-31 for the midnight that follows", (_utc, tai) =>
  expect(utcNsOf(tai)).toBe(utcNs("2017-01-01T00:00:00Z")),
);

it("keeps the order of any two moments, and goes there and back", () => {
  const anyTai = fc.bigInt({ min: 0n, max: 4102444800n * 1_000_000_000n });
  fc.assert(
    fc.property(anyTai, fc.bigInt({ min: 0n, max: 3_000_000_000n }), (tai, later) => {
      expect(utcNsOf(tai + later) >= utcNsOf(tai)).toBe(true);
      expect(utcNsOf(taiNsOf(tai))).toBe(tai); // any whole number is a moment in UTC, too
    }),
  );
});

it.each([
  ["2026-01-02T11:59:59.999999999Z", 20260101],
  ["2026-01-02T12:00:00Z", 20260102],
  ["2024-03-01T00:00:00Z", 20240229],
])("counts %s to dayObs %i", (utc, dayObs) => expect(dayObsOf(utcNs(utc))).toBe(dayObs));
