import fc from "fast-check";
import { salTopics } from "../../components/sasquatch/sal";
import { ratesOf, readRates } from "../../local/sasquatch/rates";
import { sizeOf, type StoredTopic, topicBytes, whenFull } from "../../local/sasquatch/size";
import { bytesOf } from "../../local/sasquatch/sizeInput";
import { bytesText } from "../../local/sasquatch/sizeText";

const known = salTopics().map(({ name, flattened }) => ({ name, fields: flattened }));
const day = 86_400;
const rate = (bytesPerSecond: number) => ({ bytesPerSecond, messagesPerSecond: 1, source: "given" as const });
const topic = (name: string, bytesPerSecond: number, more: Partial<StoredTopic> = {}): StoredTopic => ({
  ...{ name, group: "efd", rate: rate(bytesPerSecond), partitions: 1, replicas: 3, retentionSeconds: 7 * day },
  ...more,
});

test("shares of the CSCs are those that were measured, and all together are the total", () => {
  const rates = ratesOf(known, new Map(), 10_000_000);
  const sum = (prefix: string, kind: RegExp) =>
    [...rates].filter(([name]) => name.startsWith(prefix) && kind.test(name)).reduce((all, [, one]) => all + one.bytesPerSecond, 0); // prettier-ignore
  const telemetry = /^(?!.*\.(logevent_|command_|ackcmd))/;
  const all = 420_077 + 25_323 / 0.82;
  expect(sum("", /./)).toBeCloseTo(10_000_000, 3);
  expect(sum("lsst.sal.MTM1M3.", telemetry)).toBeCloseTo((353_700 / all) * 10_000_000, 3);
  expect(sum("lsst.sal.MTMount.", telemetry)).toBeCloseTo((33_453 / all) * 10_000_000, 3);
  expect(sum("", telemetry)).toBeCloseTo((420_077 / all) * 10_000_000, 3);
  expect(rates.get("lsst.sal.MTMount.azimuth")!.source).toBe("measured");
});

test("given rates win, and a line that is none is named", () => {
  const given = readRates(
    "topic,messagesPerSecond,bytesPerMessage\n# seen\nlsst.sal.ESS.temperature, 2, 500\n",
    "r.csv",
  );
  expect(ratesOf(known, given).get("lsst.sal.ESS.temperature")).toEqual({ messagesPerSecond: 2, bytesPerSecond: 1000, source: "given" }); // prettier-ignore
  const write = "Write topic,messagesPerSecond,bytesPerMessage.";
  for (const line of ["a,1", "a,x,1", "a,1,-1", ",1,1", "a,1,1,1", "a,,1"])
    expect(() => readRates(`b,1,1\n${line}`, "r.csv")).toThrow(
      new Error(`Cannot read rates: line 2 of r.csv is "${line}". ${write}`),
    );
  expect(() => readRates("a,1,1\na,2,1", "r.csv")).toThrow(
    new Error("Cannot read rates: r.csv has a twice. Leave one line of it."),
  );
});

test("a topic comes to its retention and the segment that waits to be closed", () => {
  expect(topicBytes(topic("fast", 1_000_000))).toBe(1_000_000 * 7 * day + 2 ** 30); // closed by size
  expect(topicBytes(topic("slow", 10))).toBe(10 * 14 * day); // closed after 7 days
});

test("copies are spread over brokers: nothing is lost, none has two of a partition, none much more than another", () => {
  const arbitrary = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 1e6 }), partitions: fc.integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 40 }); // prettier-ignore
  fc.assert(
    fc.property(arbitrary, fc.integer({ min: 1, max: 3 }), (all, replicas) => {
      const topics = all.map(({ bytes, partitions }, index) => topic(`t${index}`, bytes, { partitions, replicas }));
      const disks = [0, 1, 2].map((broker) => ({ broker, capacityBytes: 1e12 }));
      const found = sizeOf({ topics, disks, buckets: [], volumes: [], horizonDays: 1 }).disks;
      const total = topics.reduce((sum, one) => sum + topicBytes(one) * replicas, 0);
      const loads = found.map(({ steadyBytes }) => steadyBytes);
      expect(loads.reduce((sum, one) => sum + one, 0)).toBeCloseTo(total, -2);
      const largest = Math.max(...topics.map((one) => topicBytes(one) / one.partitions));
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(largest + 1);
    }),
  );
});

test("when a volume is full: as a walk second by second finds it", () => {
  const part = fc.record({
    bytesPerSecond: fc.integer({ min: 0, max: 50 }),
    seconds: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Infinity)),
  });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.integer({ min: 1, max: 5000 }), (growth, bytes) => {
      let second: number | undefined;
      for (let now = 1, stored = 0; now <= 6000 && second === undefined; now++) {
        for (const { bytesPerSecond, seconds } of growth) if (now <= seconds) stored += bytesPerSecond;
        if (stored >= bytes) second = now;
      }
      const found = whenFull(growth, bytes);
      expect(found === undefined ? undefined : Math.ceil(found - 1e-9)).toBe(second);
    }),
  );
});

test("a disk is judged: what is full says until when and what to do", () => {
  const size = sizeOf({
    topics: [topic("a", 100_000, { replicas: 1 })],
    disks: [{ broker: 0, capacityBytes: 30e9 }],
    buckets: [{ name: "efd", retentionSeconds: 0, shardGroupSeconds: 7 * day, topics: [{ rate: rate(1_000_000), fields: 30 }] }], // prettier-ignore
    volumes: [{ name: "InfluxDB", capacityBytes: 1e12, copies: 2, storedBytes: 0.1e12 }],
    horizonDays: 30,
  });
  expect(size.ok).toBe(false);
  expect(size.disks).toEqual([
    {
      name: "broker 0",
      kind: "broker",
      capacityBytes: 30e9,
      steadyBytes: 100_000 * 7 * day + 2 ** 30,
      fillPercent: expect.closeTo(205.18, 1) as number,
      fullInDays: 30e9 / 100_000 / day,
      verdict: "full",
      message: "broker 0 is full before its retention ends: lower retention or replication, or give it a larger disk.",
    },
    {
      name: "InfluxDB",
      kind: "influxdb",
      capacityBytes: 1e12,
      steadyBytes: 0.1e12 + 2 * 100_000 * 30 * day,
      fillPercent: expect.closeTo(61.84, 1) as number,
      fullInDays: 0.9e12 / 200_000 / day,
      verdict: "fits",
    },
  ]);
});

test("sizes are read and said", () => {
  expect(["1.5Ti", "500Gi", "31T", "10M", "7", "x"].map(bytesOf)).toEqual([1.5 * 2 ** 40, 500 * 2 ** 30, 31e12, 1e7, 7, NaN]); // prettier-ignore
  expect([0, 999, 1000, 12_345, 999_600, 5.5e12].map(bytesText)).toEqual(["0 B", "999 B", "1.00 kB", "12.3 kB", "1.00 MB", "5.50 TB"]); // prettier-ignore
});
