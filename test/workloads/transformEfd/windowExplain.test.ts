/** How packed rows become samples, and how a value is explained. */
import type { ColumnEntry } from "../../../workloads/src/transform-efd/columns";
import type { DimensionRecord, Series } from "../../../workloads/src/transform-efd/model";
import { explainColumn } from "../../../workloads/src/transform-efd/window";
import { elementsOf, rowTimeField, unpack } from "../../../workloads/src/transform-efd/window/packed";
import { MemoryEfd } from "./oracleClient";
import { columnsFrom, entry, everySecond, originNs, record, run, second, signal, valuesOf } from "./windowStand";

describe("packed series", () => {
  // 2017-01-01T00:00:00 UTC is TAI second 1483228837; the second before it was a leap second.
  const leap = 1_483_228_800_000_000_000n;
  const series = (stamps: number[], elements: Record<string, number[]>): Series => ({
    originNs: leap,
    timesNs: Float64Array.from(stamps.keys()),
    values: new Map(
      Object.entries({ [rowTimeField]: stamps, ...elements }).map(([name, column]) => [
        name,
        Float64Array.from(column),
      ]),
    ),
    textFields: new Set(),
  });

  it("finds elements by number, not by letter", () => {
    expect(elementsOf("ang", ["ang0", "ang10", "ang2", "angle1", "ang"])).toEqual(["ang0", "ang2", "ang10"]);
  });

  it("spreads a row up to the next one, and over the usual length where that is missing", () => {
    // Three rows of 1 s, one of 1.125 s, then some are lost, and the last one stands alone.
    const stamps = [1483228837, 1483228838, 1483228839, 1483228840, 1483228841.125, 1483228845.25];
    const { timesNs, values } = unpack(series(stamps, { y0: [1, 3, 5, 7, 9, 11], y1: [2, 4, 6, 8, 10, 12] }), "y", [
      "y0",
      "y1",
    ]);
    const ms = [0, 500, 1000, 1500, 2000, 2500, 3000, 3562.5, 4125, 4625, 8250, 8750];
    expect([...timesNs]).toEqual(ms.map((at) => at * 1e6));
    expect([...values.get("y")!]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("keeps the order in time over a leap second and of rows that came late", () => {
    const { timesNs, values } = unpack(
      series([1483228838, 1483228836.5, 1483228835, 1483228837], { y0: [4, 2, 1, 3] }),
      "y",
      ["y0"],
    );
    expect([...timesNs]).toEqual([-1e9, 0, 0, 1e9]);
    expect([...values.get("y")!]).toEqual([1, 2, 3, 4]);
  });

  it("leaves out rows without their time, and answers nothing for a base that the topic has not", async () => {
    expect([...unpack(series([NaN, 1483228837], { y0: [1, 2] }), "y", ["y0"]).timesNs]).toEqual([0]);
    const topics = { t: { times: [0], fields: { [rowTimeField]: [1_760_000_037], x0: [1] } } };
    const packed = { packed_series: true };
    const { summary, client } = await run(
      topics,
      [entry("x", "x", packed), entry("y", "y", packed)],
      [record("exposure", 1, 0, 10)],
    );
    expect(valuesOf(summary)).toEqual({ x: 1 });
    expect(summary.topics[1]).toEqual({
      topic: "t",
      status: "no-data",
      columns: ["y"],
      samples: 1,
      missingFields: ["y"],
    });
    expect(client.queries.map(({ fields }) => fields)).toEqual([["x0", rowTimeField]]);
  });
});

describe("explainColumn", () => {
  const topic = everySecond({ y: [1, 2, NaN, 4, 5], index: [7, 7, 7, 7, 8] });
  const explain = async (column: ColumnEntry, of = record("exposure", 1, second, 4 * second)) =>
    explainColumn(columnsFrom(column)[0]!, of, new MemoryEfd(originNs, { t: topic }), { signal });

  it("tells what was asked, what counted, what came out", async () => {
    const explanation = await explain(entry("m", "y index", { subset_field: "index", subset_value: 7 }));
    expect(explanation).toEqual({
      table: "exposure_efd",
      span: { beginNs: originNs + 1_000_000_000n, endNs: originNs + 4_000_000_000n },
      isAggregated: false,
      texts: ["y, index of t from 1760000001000000000 to 1760000004000000000"],
      samplesRead: 4,
      samplesUsed: 2,
      firstNs: originNs + 1_000_000_000n,
      lastNs: originNs + 3_000_000_000n,
      missingFields: [],
      textFields: [],
      values: [{ value: 3 }],
      reason: undefined,
    });
  });

  it.each<[string, ColumnEntry, DimensionRecord | undefined, string]>([
    ["no data", entry("m", "y", {}, "silent"), undefined, "silent gave no data in the time that was read."],
    [
      "none of the subset",
      entry("m", "y index", { subset_field: "index", subset_value: 9 }),
      undefined,
      "No sample lies within the record's span and subset.",
    ],
    [
      "no complete row",
      entry("m", "y index", { subset_field: "index", subset_value: 7 }),
      record("exposure", 1, 2 * second, 2 * second),
      "No sample has a value in every field.",
    ],
    [
      "too few",
      entry("m", "y", { function: "stddev" }),
      record("exposure", 1, 0, 0),
      "1 samples are too few for stddev.",
    ],
    ["a record without a span", entry("m", "y"), record("exposure", 1, 5, 0), "The record ends before it begins."],
  ])("says why there is no value: %s", async (_, column, of, reason) => {
    expect(await explain(column, of)).toMatchObject({ values: [{ value: null }], reason });
  });

  it("has nothing to say of a record that the column has no table for", async () => {
    expect(await explain(entry("m", "y", { tables: ["visit1_efd"] }))).toBeUndefined();
  });
});
