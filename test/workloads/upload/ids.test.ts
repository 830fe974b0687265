import fc from "fast-check";
import { describe, expect, it } from "@jest/globals";
import { cameraNamed } from "../../../workloads/src/lib/cameras";
import { dayPrefix, exposureOf, groupBefore, incrementGroup, makeGroup } from "../../../workloads/src/upload/groupIds";
import { choose } from "../../../workloads/src/upload/rawGroup";
import { shiftedTimes, taiMsOf } from "../../../workloads/src/upload/skyTime";
import { uploadCamera } from "../../../workloads/src/upload/settings";

const [lsst, latiss, hsc] = ["LSSTCam", "LATISS", "HSC"].map((name) => cameraNamed(name)!) as [
  ReturnType<typeof uploadCamera>,
  ReturnType<typeof uploadCamera>,
  ReturnType<typeof uploadCamera>,
];

describe("groups that a tester makes", () => {
  it("are named as testers of the observatory name them", () => {
    expect(makeGroup(lsst, "20230123", 456)).toBe("2023-01-23T00:00:00.000456");
    expect(incrementGroup(lsst, "2024-12-31T00:00:00.001000", 1345)).toBe("2024-12-31T00:00:00.002345");
    expect(groupBefore(latiss, "20110101", undefined)).toBe("2011-01-01T00:00:00.020000");
    expect(groupBefore(latiss, "20110101", 31)).toBe("2011-01-01T00:00:00.000031");
  });

  it.each([
    ["20241102", "1102"],
    ["20250101", "1301"],
    ["20250930", "2130"],
  ])("of HSC on %s begin with %s", (day, prefix) => expect(dayPrefix(hsc, day)).toBe(prefix));

  it("of HSC stay below 21,474,800 on every day after the first scheme ended, and differ for 2,146 days", () => {
    const dayOf = (days: number) =>
      new Date(Date.UTC(2025, 9, 1 + days)).toISOString().slice(0, 10).replaceAll("-", "");
    const prefixes = Array.from({ length: 2_146 }, (_, days) => dayPrefix(hsc, dayOf(days)));
    expect(new Set(prefixes).size).toBe(2_146);
    expect(prefixes.every((prefix) => /^\d{4}$/.test(prefix) && Number(`${prefix}9999`) < 21_474_800)).toBe(true);
    expect(dayPrefix(hsc, dayOf(2_146))).toBe(prefixes[0]);
    expect(exposureOf(hsc, makeGroup(hsc, "20251001", 14), 0, 1)).toEqual({
      exposureId: 10_014,
      cards: { "EXP-ID": "HSCE00010014" },
    });
  });

  it("end with the numbers of their day", () => {
    expect(() => makeGroup(lsst, "20260603", 100_000)).toThrow(
      "LSSTCam has no group 100000 on 20260603: 99999 is the last; wait for the next day.",
    );
    expect(() => incrementGroup(hsc, "00019990", 10)).toThrow(
      "HSC has no group 10 after 00019990: 9999 is the last of a day.",
    );
    expect(() => incrementGroup(lsst, "2026-06-03T01:02:03.004", 1)).toThrow(
      '"2026-06-03T01:02:03.004" is no group that a tester makes for LSSTCam.',
    );
    expect(() => dayPrefix(hsc, "20231231")).toThrow("HSC has no groups before 2024, so none on 20231231.");
  });

  it("give each snap an exposure of its own", () => {
    expect(exposureOf(latiss, "2026-06-03T00:00:00.020012", 1, 2)).toEqual({
      exposureId: 2026060320013,
      cards: {
        ...{ DAYOBS: "20260603", SEQNUM: 20013, OBSID: "AT_O_20260603_020013", CONTRLLR: "O" },
        ...{ GROUPID: "2026-06-03T00:00:00.020012", CURINDEX: 2, MAXINDEX: 2 },
      },
    });
  });

  it("are of instruments that testers can play", () => {
    expect(() => uploadCamera("LSSTcam")).toThrow(
      'There is no instrument "LSSTcam"; testers play LATISS, LSSTComCam, LSSTCam, LSSTComCamSim, LSST-TS8, HSC.',
    );
    expect(() => uploadCamera("DECam")).toThrow(
      "There is no rule for numbers of DECam's exposures, so none can be made up.",
    );
  });
});

describe("a choice", () => {
  it("has as many as asked for, each once and in order", () => {
    const seeds = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
      minLength: 12,
      maxLength: 12,
    });
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 12 }), (seed, wanted) => {
        const all = Array.from({ length: 12 }, (_, index) => index);
        const chosen = choose(all, wanted, { ordered: false, where: "it", random: () => seed.pop()! });
        expect(new Set(chosen).size).toBe(wanted);
        expect([...chosen].sort((a, b) => a - b)).toEqual(chosen);
      }),
    );
    expect(choose(["a", "b", "c"], 2, { ordered: true, where: "it" })).toEqual(["a", "b"]);
  });
});

describe("moments of a header", () => {
  it("move by the same time: texts and days of TAI, days and times of HSC across midnight", () => {
    const header = { "DATE-BEG": "2026-06-03T23:59:59.500", "DATE-END": "not a time", "MJD-BEG": 61194.5, SEQNUM: 3 };
    expect(shiftedTimes(lsst, header, { fromTaiMs: 0, toTaiMs: 86_400_000 + 500 })).toEqual({
      "DATE-BEG": "2026-06-05T00:00:00.000",
      "MJD-BEG": 61195.50000579,
    });
    const times = {
      "DATE-OBS": "2026-06-03",
      "UT-STR": "23:59:00.000",
      "UT-END": "23:59:30.000",
      "MJD-STR": 61194.9993,
    };
    // Over the last leap second: 46 s later in TAI are 45 s of the clock.
    const begin = Date.UTC(2016, 11, 31, 23, 59, 50) + 36_000;
    expect(shiftedTimes(hsc, times, { fromTaiMs: begin, toTaiMs: begin + 46_000 })).toEqual({
      ...{ "DATE-OBS": "2026-06-03", "UT-STR": "23:59:45.000", "UT-END": "00:00:15.000", "MJD-STR": 61194.99982083 },
    });
  });

  it("are 37 s later in TAI", () => expect(taiMsOf(Date.UTC(2026, 0, 1)) - Date.UTC(2026, 0, 1)).toBe(37_000));
});
