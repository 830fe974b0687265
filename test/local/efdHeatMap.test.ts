/** What a map of known gaps shows, on a terminal and as a picture. */
import { stripVTControlCharacters } from "node:util";
import {
  type CoveringTask,
  coverageOf,
  listHoles,
  type RecordCoverage,
  type RecordState,
  taskFinder,
} from "../../local/efd/coverage";
import { dayMap, hourMap, levelOf, Tally } from "../../local/efd/heatMap";
import { heatMapSvg } from "../../local/efd/heatMapSvg";
import { heatMapLines } from "../../local/efd/heatMapText";
import { dayRange, partsOf } from "../../local/efd/range";
import type { DimensionRecord } from "../../workloads/src/transform-efd/model";
import { parseXml, type XmlElement } from "../support/xml";

/** An exposure of 30 s. @param begin - UTC. */
function exposure(
  dayObs: number,
  seqNum: number,
  begin: string,
  kind: "exposure" | "visit1" = "exposure",
): DimensionRecord {
  const beginNs = BigInt(Date.parse(begin)) * 1_000_000n;
  const span = { beginNs, endNs: beginNs + 30_000_000_000n };
  return { kind, id: dayObs * 100_000 + seqNum, dayObs, seqNum, span };
}

const task = (id: number, start: string, end: string, status: string, error: string | null = null): CoveringTask => ({
  ...{ id, startMs: Date.parse(start), endMs: Date.parse(end), status, error },
});

const many = (state: RecordState, count: number, dayObs: number, begin: string): RecordCoverage[] =>
  Array.from({ length: count }, (_, index) => ({ record: exposure(dayObs, index + 1, begin), state }));

const tallyOf = (coverage: readonly RecordCoverage[]) => {
  const tally = new Tally();
  for (const each of coverage) tally.add(each);
  return tally;
};

describe("coverage", () => {
  it("finds the task whose window has the record's end, among tasks of any length, and prefers one that completed", () => {
    const find = taskFinder([
      task(1, "2026-11-20T00:00:00Z", "2026-11-20T12:00:00Z", "failed", "long"),
      task(2, "2026-11-20T03:00:00Z", "2026-11-20T03:05:00Z", "completed"),
      task(3, "2026-11-20T03:05:00Z", "2026-11-20T03:10:00Z", "stale"),
    ]);
    const at = (begin: string) => find(exposure(20261119, 1, begin))?.id;
    expect(at("2026-11-20T03:04:00Z")).toBe(2);
    expect(at("2026-11-20T03:04:30Z")).toBe(1); // ends at 03:05 sharp, which is not in task 2 any more
    expect(at("2026-11-20T02:00:00Z")).toBe(1);
    expect(at("2026-11-20T11:59:30Z")).toBeUndefined();
    expect(at("2026-11-19T23:59:30Z")).toBe(1);
  });

  it("tells filled, partial, empty, missing and waiting records apart", () => {
    const records = [1, 2, 3, 4, 5, 6, 7].map((n) => exposure(20261119, n, `2026-11-20T03:0${n}:00Z`));
    const rows = new Map([
      [records[0]!.id, true],
      [records[1]!.id, true],
      [records[2]!.id, false],
    ]);
    const minute = (n: number, status: string) =>
      task(
        n,
        `2026-11-20T03:0${n}:00Z`,
        `2026-11-20T03:0${n + 1}:00Z`,
        status,
        status === "failed" ? "no answer" : null,
      );
    const tasks = [
      minute(1, "completed"),
      minute(2, "failed"),
      minute(3, "completed"),
      minute(4, "idle"),
      minute(5, "completed"),
    ];
    const coverage = coverageOf(records, rows, tasks, Date.parse("2026-11-20T03:07:00Z"));
    expect(coverage.map(({ state }) => state)).toEqual([
      ...["filled", "partial", "empty", "waiting", "missing", "missing", "waiting"], // the last one is too young
    ]);
    expect(coverage.map((each) => each.task?.id)).toEqual([1, 2, 3, 4, 5, undefined, undefined]);
  });

  it("joins neighbours with one reason to a hole, and begins another one after a record that is there", () => {
    const states: RecordState[] = ["missing", "missing", "filled", "missing", "empty", "empty"];
    const coverage = states.map((state, index) => ({
      record: exposure(20261119, index + 1, "2026-11-20T03:00:00Z"),
      state,
    }));
    const visit = { record: exposure(20261119, 1, "2026-11-20T03:00:00Z", "visit1"), state: "missing" as const };
    const holes = listHoles([visit, ...[...coverage].reverse()]);
    expect(holes.map(({ kind, state, first, last }) => [kind, state, first.seqNum, last.seqNum])).toEqual([
      ...[["exposure", "missing", 1, 2], ["exposure", "missing", 4, 4], ["exposure", "empty", 5, 6]],
      ["visit1", "missing", 1, 1],
    ]); // prettier-ignore
  });
});

describe("the map", () => {
  const coverage = [
    ...many("filled", 10, 20261119, "2026-11-19T23:10:00Z"),
    ...many("filled", 9, 20261119, "2026-11-20T02:10:00Z"),
    ...many("missing", 1, 20261119, "2026-11-20T02:50:00Z"),
    ...many("filled", 5, 20261119, "2026-11-20T03:10:00Z"),
    ...many("empty", 5, 20261119, "2026-11-20T03:40:00Z"),
    ...many("filled", 1, 20261120, "2026-11-20T12:00:00Z"),
    ...many("partial", 9, 20261120, "2026-11-20T12:30:00Z"),
    ...many("missing", 3, 20261120, "2026-11-21T11:59:00Z"),
    ...many("waiting", 2, 20261120, "2026-11-21T05:00:00Z"),
  ];
  const tally = tallyOf(coverage);

  it("shows hours of a day from noon to noon, readable without colours", () => {
    const lines = plainLines(hourMap("lsstcam", tally, 20261119, 20261121), 120);
    const dots = (count: number) => "·  ".repeat(count);
    expect(lines).toEqual([
      "lsstcam",
      "         12 13 14 15 16 17 18 19 20 21 22 23 00 01 02 03 04 05 06 07 08 09 10 11",
      `20261119 ${dots(11)}█  ${dots(2)}▓m ▒e ${dots(8)} 24/30`,
      `20261120 ░p ${dots(16)}…  ${dots(5)}×m  1/15`,
      `20261121 ${dots(24)}`.trimEnd(),
      "",
    ]);
  });

  it("cuts a map that is wider than the terminal into parts", () => {
    const lines = plainLines(hourMap("lsstcam", tally, 20261119, 20261119), 59);
    expect(lines.filter((line) => line.startsWith("20261119"))).toHaveLength(2);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(59);
    expect(lines.join("\n").match(/24\/30/g)).toHaveLength(1);
  });

  it("shows a calendar of weeks, with the months over them", () => {
    const map = dayMap("lsstcam", tally, 20261030, 20261203);
    expect(map.columns).toEqual(["", "Nov", "", "", "", ""]); // the last week begins on 30 November
    expect(map.rows.map(({ label }) => label)).toEqual(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    const found = map.rows.flatMap(({ label, cells }) =>
      cells.flatMap((cell, week) =>
        typeof cell === "object" ? [[label, week, cell.about, levelOf(cell.counts)]] : [],
      ),
    );
    expect(found).toEqual([
      ["Thu", 3, "20261119", "half"],
      ["Fri", 3, "20261120", "some"],
    ]);
    expect(map.rows.flatMap(({ cells }) => cells).filter((cell) => cell === "outside")).toHaveLength(4 + 3);
    expect(plainLines(map, 120).slice(2, 9)).toEqual([
      "Mon    ·  ·  ·  ·  ·",
      "Tue    ·  ·  ·  ·  ·",
      "Wed    ·  ·  ·  ·  ·",
      "Thu    ·  ·  ▒e ·  ·",
      "Fri ·  ·  ·  ░p ·",
      "Sat ·  ·  ·  ·  ·",
      "Sun ·  ·  ·  ·  ·",
    ]);
  });

  it("is a picture that can be read without seeing it: a title, a description, and every field in words", () => {
    const maps = [hourMap("LSSTCam & <friends>", tally, 20261119, 20261121)];
    const svg = parseXml(heatMapSvg("Coverage of LSSTCam & <friends>", "Which hours have values", maps));
    expect(svg.name).toBe("svg");
    expect(svg.attributes).toMatchObject({ role: "img", "aria-labelledby": "title about" });
    expect(textOf(svg, (element) => element.attributes.id === "title")).toEqual(["Coverage of LSSTCam & <friends>"]);
    expect(textOf(svg, (element) => element.attributes.id === "about")).toEqual(["Which hours have values"]);
    const fields = all(svg).filter(({ name, attributes }) => name === "g" && attributes.class !== undefined);
    expect(fields.map(({ attributes, children }) => [attributes.class, children[0]!.text])).toEqual([
      ["all", "20261119 from 23:00 UTC: 10 of 10 records have all values"],
      ["most", "20261119 from 02:00 UTC: 9 of 10 records have all values, 1 missing"],
      ["half", "20261119 from 03:00 UTC: 5 of 10 records have all values, 5 empty"],
      ["some", "20261120 from 12:00 UTC: 1 of 10 records have all values, 9 partial"],
      ["waiting", "20261120 from 05:00 UTC: 0 of 2 records have all values, 2 waiting"],
      ["none", "20261120 from 11:00 UTC: 0 of 3 records have all values, 3 missing"],
    ]);
    const [, , width, height] = svg.attributes.viewBox!.split(" ").map(Number);
    for (const { name, attributes } of all(svg).filter(
      (element) => element.name === "rect" || element.name === "text",
    )) {
      expect(Number(attributes.x ?? 0) + Number(attributes.width ?? 0)).toBeLessThanOrEqual(width!);
      expect(Number(attributes.y ?? 0) + Number(attributes.height ?? 0)).toBeLessThanOrEqual(height!);
      expect(name).toMatch(/^(rect|text)$/);
    }
  });
});

describe("days of observation", () => {
  it("are cut into parts that follow one another", () => {
    expect(partsOf({ since: 20261230, until: 20270104 }, 4)).toEqual([
      { since: 20261230, until: 20270102 },
      { since: 20270103, until: 20270104 },
    ]);
  });

  it.each([
    [{ since: "20261301" }, "--since 20261301 is not a day of observation, YYYYMMDD."],
    [{ since: "2026-11-2" }, "--since 2026-11-2 is not a day of observation, YYYYMMDD."],
    [{ since: "20261102", until: "20261101" }, "--since 20261102 is after 20261101."],
    [{ since: "19000101", until: "20261101" }, "19000101 to 20261101 is longer than 3700 days."],
  ])("refuse %j", (options, message) => expect(() => dayRange(options, 7)).toThrow(new Error(message)));

  it("end today and begin so many days before, unless they are given", () => {
    expect(dayRange({ until: "2026-11-03" }, 4)).toEqual({ since: 20261031, until: 20261103 });
  });
});

// With CI set there are colours, without a terminal there are none.
const plainLines = (...args: Parameters<typeof heatMapLines>) => heatMapLines(...args).map(stripVTControlCharacters);
const all = (element: XmlElement): XmlElement[] => [element, ...element.children.flatMap(all)];
const textOf = (svg: XmlElement, wanted: (element: XmlElement) => boolean) =>
  all(svg)
    .filter(wanted)
    .map(({ text }) => text);
