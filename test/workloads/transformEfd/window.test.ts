/** What is asked of the EFD for a window, and what becomes of the answers. */
import fc from "fast-check";
import { builtinColumns, type ColumnEntry, columnsOf } from "../../../workloads/src/transform-efd/columns";
import type { Series, Summary } from "../../../workloads/src/transform-efd/model";
import { groupsOf, summarise } from "../../../workloads/src/transform-efd/window";
import { Tally } from "../../../workloads/src/transform-efd/window/tally";
import { mergeSpans } from "../../../workloads/src/transform-efd/window/targets";
import { MemoryEfd } from "./oracleClient";
import { columnsFrom, entry, everySecond, originNs, record, run, second, signal, valuesOf } from "./windowStand";

describe("functions", () => {
  const wide = record("exposure", 1, 0, 100 * second);
  const fit = (degree: number) => ({
    function: "rms_from_polynomial_fit",
    function_args: { degree, fit_basis: "index" },
  });

  // Values of the reference implementation, and of numpy's polyfit.
  it.each([
    { y: [1, 2, 3, 4, 5], degree: 1, legacy: 2, correct: 0 },
    { y: [1, 2, 3, 4, 5], degree: 4, legacy: 2, correct: 0 },
    { y: [1, 2, 4, 8, 16], degree: 1, legacy: 7.461903242471052, correct: 1.9595917942265424 },
    { y: [1, 2, 4, 8, 16], degree: 2, legacy: 7.70306061621891, correct: 0.42761798705987913 },
    { y: [0, 1, 0, -1, 0, 1, 0, -1], degree: 4, legacy: 0.9140557069992211, correct: 0.4055886641687189 },
    { y: [10, 10.1, 9.9, 10.2, 9.8, 10, 10.3], degree: 4, legacy: 0.1963961012123933, correct: 0.10973065354098004 },
    { y: [1.5, 2.5, NaN, 4], degree: 1, legacy: 1.4481789330818975, correct: 0.11785113019775777 },
  ])("rms of $y after a fit of degree $degree", async ({ y, degree, legacy, correct }) => {
    const entries = [entry("rms", "y", fit(degree))];
    const now = valuesOf((await run({ t: everySecond({ y }) }, entries, [wide])).summary);
    const then = valuesOf((await run({ t: everySecond({ y }) }, entries, [wide], { legacy: { rms: true } })).summary);
    expect(now.rms).toBeCloseTo(correct, 12);
    expect(then.rms).toBeCloseTo(legacy, 12);
  });

  it.each<[string, Partial<ColumnEntry>, number[], number | null]>([
    ["mean", {}, [1, 2, 3, 4, 5], 3],
    ["mean over a gap", {}, [1.5, 2.5, NaN, 4], 2.6666666666666665],
    ["stddev", { function: "stddev" }, [1, 2, 3, 4, 5], 1.5811388300841898],
    ["stddev of a population", { function: "stddev", function_args: { ddof: 0 } }, [1, 2, 3, 4, 5], 1.4142135623730951],
    ["stddev of one", { function: "stddev", function_args: { ddof: 0 } }, [1], null],
    ["stddev of fewer than ddof", { function: "stddev", function_args: { ddof: 3 } }, [1, 2, 4], null],
    ["max of booleans", { function: "max" }, [0, 1, 0], 1],
    ["min", { function: "min" }, [3, NaN, -0.5], -0.5],
    ["the most recent one", { function: "most_recent_value" }, [1, 2, NaN], 2],
    ["a fit of too few", fit(4), [1, 2, 3, 5], null],
    ["a spread far from zero", { function: "stddev" }, [1e9 + 1, 1e9 + 2, 1e9 + 3], 1],
  ])("%s", async (_, rest, y, expected) => {
    const { summary } = await run({ t: everySecond({ y }) }, [entry("value", "y", rest)], [wide]);
    expect(valuesOf(summary).value).toBe(expected);
  });

  it("fits a line to times a hundred days apart", async () => {
    const topic = { times: [0, 1e15, 2e15, 4e15], fields: { y: [1, 2, 3, 5] } };
    const line = { function: "rms_from_polynomial_fit", function_args: { degree: 1, fit_basis: "time" } };
    const { summary } = await run({ t: topic }, [entry("line", "y", line)], [record("exposure", 1, 0, 5e15)]);
    expect(valuesOf(summary).line).toBeLessThan(1e-14);
  });

  it("does not depend on where the parts of a record begin", () => {
    const cell = fc.oneof(
      { weight: 6, arbitrary: fc.double({ min: -10, max: 10, noNaN: true }) },
      { weight: 1, arbitrary: fc.constant(NaN) },
    );
    const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(rows, fc.array(fc.nat(30), { maxLength: 4 }), fc.boolean(), (table, cuts, hasHole) => {
        // A field that is away for half of the time, or that never comes.
        const away = table.map(([, b], row) => (hasHole && row < table.length / 2 ? NaN : b));
        const values = [table.map(([a]) => a), away].map((column) => Float64Array.from(column));
        const series: Series = {
          originNs,
          timesNs: Float64Array.from(table.keys()),
          values: new Map(),
          textFields: new Set(),
        };
        const results = [[], cuts].map((inner) => {
          const tally = new Tally(2, true);
          const edges = [0, ...inner.filter((cut) => cut < table.length).sort((a, b) => a - b), table.length];
          for (let i = 1; i < edges.length; i++) tally.add({ series, values }, edges[i - 1]!, edges[i]!);
          const functions = [{ name: "mean" }, { name: "stddev", ddof: 1 }, { name: "max" }] as const;
          return [
            tally.rows,
            tally.valueOf(0, { name: "most_recent_value" }, false),
            ...functions.map((func) => tally.value(func, false)),
          ];
        });
        results[0]!.forEach((value, at) => {
          if (value === null) expect(results[1]![at]).toBeNull();
          else expect(Math.abs(results[1]![at]! - value)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value)));
        });
      }),
    );
  });
});

describe("spans", () => {
  it("takes samples on both ends, and none a nanosecond away", async () => {
    const topic = { times: [999, 1000, 1500, 2000, 2001], fields: { y: [1e6, 1, 2, 4, 1e6] } };
    const { summary, spans } = await run({ t: topic }, [entry("sum", "y")], [record("exposure", 1, 1000, 2000)]);
    expect(valuesOf(summary)).toEqual({ sum: 7 / 3 });
    expect(spans).toEqual([[1000, 2000]]); // and nothing more is read
  });

  it("reads what lies close together at once, and no long pause", async () => {
    const records = [
      record("exposure", 1, 0, 30 * second),
      record("visit1", 1, 0, 30 * second),
      record("exposure", 2, 35 * second, 65 * second),
      record("exposure", 3, 600 * second, 630 * second),
    ];
    const { spans } = await run({ t: everySecond({ y: [1] }) }, [entry("m", "y")], records);
    expect(spans).toEqual([
      [0, 65 * second],
      [600 * second, 630 * second],
    ]);
  });

  it("asks only for records that a column has a table for", async () => {
    const records = [record("exposure", 1, 0, 10), record("visit1", 1, 1e12, 2e12)];
    const { spans } = await run(
      { t: everySecond({ y: [1] }) },
      [entry("m", "y", { tables: ["exposure_efd"] })],
      records,
    );
    expect(spans).toEqual([[0, 10]]);
  });

  it("reads hours before the record for what was said last, except as before", async () => {
    const events = { times: [-3000 * second, -100 * second, 50 * second], fields: { y: [1, 2, 3] } };
    const latest = entry("latest", "y", { function: "most_recent_value", start_offset: -1 });
    const records = [record("exposure", 1, 0, 30 * second), record("exposure", 2, 1000 * second, 1030 * second)];
    const { summary, spans } = await run({ t: events }, [latest], records);
    expect([valuesOf(summary, 1), valuesOf(summary, 2)]).toEqual([{ latest: 2 }, { latest: 3 }]);
    expect(spans[0]![0]).toBe(-3600 * second);
    const before = await run({ t: events }, [latest], records, { legacy: { startOffset: true } });
    expect(before.spans).toEqual([
      [0, 30 * second],
      [1000 * second, 1030 * second],
    ]);
    expect(before.summary.topics).toEqual([{ topic: "t", status: "no-data", columns: ["latest"], samples: 0 }]);
  });

  it("reads a long record in parts that neither overlap nor leave anything out", async () => {
    const seconds = 5_000;
    const topic = everySecond({ y: Array.from({ length: seconds }, (_, i) => i) });
    const { summary, spans } = await run(
      { t: topic },
      [entry("m", "y", { pre_aggregate_interval: "1s" })],
      [record("exposure", 1, 500, seconds * second - 1)],
    );
    expect(valuesOf(summary)).toEqual({ m: seconds / 2 }); // seconds 1 to 4,999: the first one is not whole
    expect(spans.length).toBeGreaterThan(1);
    expect(spans[0]![0]).toBe(second);
    expect(spans.at(-1)![1]).toBe(seconds * second - 1);
    for (let i = 1; i < spans.length; i++) expect(spans[i]![0]).toBe(spans[i - 1]![1]! + 1);
    expect(spans.every(([begin]) => begin! % second === 0)).toBe(true); // no bucket is cut in two
  });

  it("gives a record that ends before it begins no value, and asks for nothing", async () => {
    const { summary, client } = await run(
      { t: everySecond({ y: [1] }) },
      [entry("m", "y")],
      [record("exposure", 1, 10, 5)],
    );
    expect(summary.pivoted.exposure_efd.rows).toEqual([{ record: expect.objectContaining({ id: 1 }), values: [] }]);
    expect(client.queries).toEqual([]);
  });

  it("merges spans as a set would", () => {
    const ends = fc.tuple(fc.nat(40), fc.nat(10));
    fc.assert(
      fc.property(fc.array(ends, { maxLength: 8 }), (given) => {
        const spans = given.map(([begin, length]) => ({ beginNs: BigInt(begin), endNs: BigInt(begin + length) }));
        const merged = mergeSpans(spans, 0n);
        const covered = (of: typeof spans) =>
          Array.from({ length: 60 }, (_, at) => of.some(({ beginNs, endNs }) => at >= beginNs && at <= endNs));
        expect(covered(merged)).toEqual(covered(spans));
        expect(merged.every((span, at) => at === 0 || span.beginNs > merged[at - 1]!.endNs)).toBe(true);
      }),
    );
  });
});

describe("buckets", () => {
  const forces = {
    times: [0, 400, 900, 1000, 1900, 2100, 2900, 3100].map((ms) => ms * 1e6),
    fields: { y: [1, 2, 3, 10, 20, 30, 40, 50] },
  };
  const buckets = entry("m", "y", { pre_aggregate_interval: "1s" });

  it("counts those that lie wholly within the record", async () => {
    const { summary, client } = await run(
      { t: forces },
      [buckets],
      [record("exposure", 1, 0.5 * second, 3.5 * second)],
    );
    expect(valuesOf(summary)).toEqual({ m: (15 + 35) / 2 });
    expect(client.queries.map(({ preAggregate }) => preAggregate)).toEqual([
      { function: "mean", intervalNs: 1_000_000_000n },
    ]);
  });

  it("takes samples themselves where no bucket fits", async () => {
    const { summary, client } = await run(
      { t: forces },
      [buckets],
      [record("exposure", 1, 0.3 * second, 1.5 * second)],
    );
    expect(valuesOf(summary)).toEqual({ m: (2 + 3 + 10) / 3 });
    expect(client.queries.map(({ preAggregate }) => preAggregate)).toEqual([undefined]);
  });

  it("goes by their labels as before, when told to", async () => {
    const { summary } = await run({ t: forces }, [buckets], [record("exposure", 1, 0.5 * second, 3.05 * second)], {
      legacy: { buckets: true },
    });
    expect(valuesOf(summary)).toEqual({ m: (15 + 35 + 50) / 3 }); // the last one holds a sample from after the end
  });
});

describe("what fails", () => {
  const exposure = record("exposure", 1, 0, 10 * second);
  const visit = record("visit1", 1, 0, 10 * second);

  it("costs the columns of its topic only", async () => {
    const topics = { bad: everySecond({ y: [1] }), good: everySecond({ y: [1, 3] }) };
    const each = entry("each", "y", { store_unpivoted: true }, "bad");
    const entries = [entry("lost", "y", {}, "bad"), entry("kept", "y", {}, "good"), each];
    const { summary } = await run(topics, entries, [exposure], { broken: ["bad"] });
    expect(valuesOf(summary)).toEqual({ kept: 2 });
    expect(summary.unpivoted.exposure_efd_unpivoted).toEqual([]);
    expect(summary.topics).toEqual([
      { topic: "bad", status: "failed", columns: ["lost", "each"], samples: 0, error: "bad: the server answered 500" },
      { topic: "good", status: "ok", columns: ["kept"], samples: 2 },
    ]);
  });

  it("is told from what has no data", async () => {
    const { summary } = await run(
      { t: everySecond({ y: [1] }) },
      [entry("m", "y"), entry("n", "y", {}, "silent")],
      [exposure],
    );
    expect(valuesOf(summary)).toEqual({ m: 1 });
    expect(summary.topics[1]).toEqual({ topic: "silent", status: "no-data", columns: ["n"], samples: 0 });
  });

  it("is one column whose field became text", async () => {
    const topic = everySecond({ y: [1, 2], z: [5, 6], index: [1, 1] }, ["z"]);
    const entries = [
      entry("y", "y"),
      entry("z", "z"),
      entry("both", "y z"),
      entry("i", "y index", { subset_field: "index", subset_value: 1 }),
    ];
    const { summary } = await run({ t: topic }, entries, [exposure]);
    expect(valuesOf(summary)).toEqual({ y: 1.5, i: 1.5 });
    const error = "Field z of t holds text, which cannot be summarised.";
    expect(summary.topics).toEqual([
      { topic: "t", status: "ok", columns: ["y", "i"], samples: 2 },
      { topic: "t", status: "failed", columns: ["z"], samples: 2, error },
      { topic: "t", status: "failed", columns: ["both"], samples: 2, error },
    ]);
  });

  it("chooses rows by numbers in text form, and not by words", async () => {
    const subset = { subset_field: "index", subset_value: "301" };
    const digits = await run(
      { t: everySecond({ y: [1, 2], index: [301, 5] }, ["index"]) },
      [entry("m", "y index", subset)],
      [exposure],
    );
    expect(valuesOf(digits.summary)).toEqual({ m: 1 });
    const words = await run({ t: everySecond({ y: [1, 2] }, ["index"]) }, [entry("m", "y index", subset)], [exposure]);
    expect(words.summary.topics[0]).toMatchObject({
      status: "failed",
      error: "Field index of t holds text that is no number, so no row can be chosen by it.",
    });
  });

  it("is not the row, when a field never comes: it is left out and named", async () => {
    const topic = everySecond({ a: [1, NaN, 3], b: [10, 20, 30] });
    const entries = [
      entry("all", "a b gone"),
      entry("gone", "gone"),
      entry("each", "a b gone", { store_unpivoted: true }),
    ];
    const { summary } = await run({ t: topic }, entries, [exposure]);
    expect(valuesOf(summary)).toEqual({ all: 11 });
    expect(summary.unpivoted.exposure_efd_unpivoted.map(({ field, value }) => [field, value])).toEqual([
      ["a", 2],
      ["b", 20],
    ]);
    expect(summary.topics).toEqual([
      { topic: "t", status: "ok", columns: ["all", "each"], samples: 3, missingFields: ["gone"] },
      { topic: "t", status: "no-data", columns: ["gone"], samples: 3, missingFields: ["gone"] },
    ]);
  });

  it("stores NULL where the topic has data and the record has none", async () => {
    const late = record("exposure", 2, 15 * second, 18 * second);
    const { summary } = await run({ t: everySecond({ y: [1] }) }, [entry("m", "y")], [exposure, late]);
    expect(valuesOf(summary, 2)).toEqual({ m: null });
  });

  it("keeps zeros of visits, except as before", async () => {
    const entries = [entry("each", "y z", { store_unpivoted: true })];
    const topics = { t: everySecond({ y: [0, 0], z: [1, 1] }) };
    const fields = ({ unpivoted }: Summary) =>
      [unpivoted.exposure_efd_unpivoted, unpivoted.visit1_efd_unpivoted].map((rows) => rows.map(({ field }) => field));
    expect(fields((await run(topics, entries, [exposure, visit])).summary)).toEqual([
      ["y", "z"],
      ["y", "z"],
    ]);
    expect(fields((await run(topics, entries, [exposure, visit], { legacy: { zeroVisits: true } })).summary)).toEqual([
      ["y", "z"],
      ["z"],
    ]);
  });

  it("ends at once when it is told to stop, with the reason", async () => {
    const client = new MemoryEfd(originNs, { t: everySecond({ y: [1] }) });
    const stop = new AbortController();
    client.query = async () => {
      stop.abort(new Error("SIGTERM"));
      throw new Error("socket closed");
    };
    const columns = columnsFrom(entry("m", "y"), entry("n", "y", {}, "u"));
    await expect(summarise([exposure], columns, client, { signal: stop.signal })).rejects.toThrow("SIGTERM");
  });
});

it("reads no more groups at a time than it may", async () => {
  const client = new MemoryEfd(originNs, {});
  const query = client.query.bind(client);
  let [now, most] = [0, 0];
  client.query = async (...args) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    return query(...args).finally(() => now--);
  };
  const columns = columnsFrom(...Array.from({ length: 9 }, (_, i) => entry(`m${i}`, "y", {}, `t${i}`)));
  await summarise([record("exposure", 1, 0, 10)], columns, client, { concurrency: 3, signal });
  expect(most).toBe(3);
  expect(client.queries).toHaveLength(9);
});

it.each([
  ["latiss", 14, 1851],
  ["lsstcam", 31, 3592],
  ["lsstcomcam", 31, 3592],
])("asks for %s in %i groups of %i fields", (instrument, count, fields) => {
  const groups = groupsOf(columnsOf(instrument, builtinColumns[instrument]).columns);
  expect([groups.length, groups.reduce((sum, group) => sum + group.fields.length, 0)]).toEqual([count, fields]);
  expect(groupsOf(columnsOf(instrument, builtinColumns[instrument]).columns, { startOffset: true })).toHaveLength(
    count,
  );
});
