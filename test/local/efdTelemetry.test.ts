import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  countRows,
  samplesOf,
  signalsOf,
  telemetry,
  type Topic,
  topicsOf,
  writeTelemetry,
} from "../../local/efd/telemetry";
import { readColumns } from "../../workloads/src/transform-efd/columns";

const topicsFor = async (instrument: string) =>
  topicsOf((await readColumns(`../shared/data/efd-config/config_${instrument}.yaml`)).columns);
const second = 1_000_000_000n;
const beginNs = BigInt(Date.parse("2026-06-03T02:00:00Z")) * 1_000_000n;
const seconds = 8;
const span = { beginNs, endNs: beginNs + BigInt(seconds) * second };

interface Point {
  readonly topic: string;
  readonly timeNs: bigint;
  readonly fields: Record<string, string>;
}

function pointsOf(batches: Iterable<Buffer>): Point[] {
  const text = Buffer.concat([...batches]).toString();
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [topic, fields, timeNs] = line.split(" ");
      const pairs = fields!.split(",").map((pair) => pair.split("=") as [string, string]);
      return { topic: topic!, timeNs: BigInt(timeNs!), fields: Object.fromEntries(pairs) };
    });
}

describe("simulated telemetry", () => {
  let lsstcam: Topic[];
  let latiss: Topic[];
  let points: Point[];

  beforeAll(async () => {
    [lsstcam, latiss] = (await Promise.all([topicsFor("lsstcam"), topicsFor("latiss")])) as [Topic[], Topic[]];
    points = pointsOf(telemetry({ topics: lsstcam, span }));
  });

  it("plays the topics and fields that the columns read, at the rates of the observatory", () => {
    expect([lsstcam.length, latiss.length]).toEqual([31, 13]);
    const rowsPerSecond = (topic: string) => points.filter((point) => point.topic === topic).length / seconds;
    expect(rowsPerSecond("lsst.sal.MTMount.encoder")).toBe(50);
    expect(rowsPerSecond("lsst.sal.MTM1M3.accelerometerData")).toBe(50);
    expect(rowsPerSecond("lsst.sal.MTM1M3.appliedElevationForces")).toBe(20);
    expect(rowsPerSecond("lsst.sal.MTM1M3TS.thermalData")).toBe(1);
    const asked = new Map(
      lsstcam.map(({ name, fields, salIndices }) => [name, fields.length + Math.min(salIndices.length, 1)]),
    );
    for (const { topic, fields } of points) expect(Object.keys(fields)).toHaveLength(asked.get(topic)!);
  });

  it("has about 16 million values in a window of ten minutes with a minute on both sides", () => {
    const counts = countRows(lsstcam, { beginNs, endNs: beginNs + 720n * second });
    const total = counts.reduce((sum, { values }) => sum + values, 0);
    expect(total).toBeGreaterThan(15.5e6);
    expect(total).toBeLessThan(16.5e6);
  });

  it("counts what it makes", () => {
    for (const { topic, rows, values } of countRows(lsstcam, span)) {
      const made = points.filter((point) => point.topic === topic);
      expect([topic, made.length]).toEqual([topic, rows]);
      expect(made.reduce((sum, { fields }) => sum + Object.keys(fields).length, 0)).toBe(values);
    }
  });

  it("gives no two rows of a topic one time, and the devices of a topic times of their own", () => {
    for (const { name, salIndices } of lsstcam) {
      const rows = points.filter(({ topic }) => topic === name);
      expect(new Set(rows.map(({ timeNs }) => timeNs)).size).toBe(rows.length);
      if (salIndices.length > 0 && !name.includes("logevent")) {
        expect(new Set(rows.map(({ fields }) => fields.salIndex))).toEqual(
          new Set(salIndices.map((index) => `${index}i`)),
        );
      }
    }
  });

  it("says what is in it: samples of a field, device by device", () => {
    for (const name of [
      "lsst.sal.ESS.temperature",
      "lsst.sal.MTMount.encoder",
      "lsst.sal.MTAOS.logevent_wavefrontError",
    ]) {
      const topic = lsstcam.find((each) => each.name === name)!;
      for (const signal of signalsOf(topic)) {
        const field = topic.fields.at(-1)!;
        const { timesNs, values } = samplesOf(signal, { ...span, endNs: span.endNs - 1n });
        const mine = points.filter(
          ({ topic, fields }) =>
            topic === name && (fields.salIndex === undefined || fields.salIndex === `${signal.salIndex}i`),
        );
        expect(timesNs).toEqual(mine.map(({ timeNs }) => timeNs));
        expect(values.get(field)).toEqual(mine.map(({ fields }) => Number(fields[field]!.replace(/i$/, ""))));
      }
    }
  });

  it("gives the same rows whether a span is made at once or in parts, in buffers of any size", () => {
    const topics = [...lsstcam, ...latiss].filter(({ fields }) => fields.length < 20);
    const middleNs = beginNs + 3_654_321_987n;
    const sorted = (rows: Point[]) =>
      rows.map(({ topic, timeNs, fields }) => `${topic} ${timeNs} ${JSON.stringify(fields)}`).sort();
    const whole = sorted(pointsOf(telemetry({ topics, span })));
    const parts = [
      { beginNs, endNs: middleNs },
      { beginNs: middleNs, endNs: span.endNs },
    ];
    const small = parts.flatMap((part) => [...telemetry({ topics, span: part, batchBytes: 1000 })]);
    expect(sorted(pointsOf(small))).toEqual(whole);
    expect(small.length).toBeGreaterThan(20);
    expect(sorted(pointsOf(telemetry({ topics, span, seed: 2 })))).not.toEqual(whole);
  });

  it("packs a second of the auxiliary telescope's encoders into a row, with the time of its first sample in TAI", () => {
    const topic = latiss.find(({ name }) => name === "lsst.sal.ATMCS.mount_AzEl_Encoders")!;
    const rows = pointsOf(telemetry({ topics: [topic], span }));
    expect(rows).toHaveLength(seconds);
    const [signal] = signalsOf(topic);
    const samples = samplesOf(signal!, { beginNs: beginNs + 2n * second, endNs: beginNs + 7n * second });
    const { timesNs } = samples;
    const values = samples.values.get("elevationCalculatedAngle")!;
    expect(values).toHaveLength(500);
    expect(new Set(timesNs.slice(1).map((time, index) => time - timesNs[index]!))).toEqual(new Set([10_000_000n]));
    for (const { timeNs, fields } of rows) {
      expect(Object.keys(fields)).toHaveLength(201);
      // TAI is 37 s ahead; the row is sent when its last sample is there.
      const utcMs = Math.round(Number(fields.cRIO_timestamp) * 1000) - 37_000;
      const delayMs = Number(timeNs) / 1e6 - utcMs;
      expect(delayMs).toBeGreaterThan(1000);
      expect(delayMs).toBeLessThan(1200);
      const index = timesNs.indexOf(BigInt(utcMs) * 1_000_000n);
      if (index >= 0 && index + 100 <= values.length) {
        const packed = values.slice(index, index + 100);
        expect(packed.map((_, sample) => Number(fields[`elevationCalculatedAngle${sample}`]))).toEqual(packed);
      }
    }
  });
});

describe("writing telemetry", () => {
  /** Plays what stands between: answers with each status in turn, then takes everything. */
  async function server(...statuses: number[]) {
    const taken: string[] = [];
    const made = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const status = statuses.shift() ?? 204;
        const body = Buffer.concat(chunks);
        if (status === 204) taken.push(body.toString());
        if (status === 0) request.socket.destroy();
        else response.writeHead(status).end(status === 204 ? "" : "so it says");
      });
    });
    await new Promise<void>((listening) => made.listen(0, "127.0.0.1", listening));
    const url = `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
    return {
      target: { url, org: "efd", bucket: "efd", token: "top-secret" },
      taken,
      close: () => (made.closeAllConnections(), made.close()),
    };
  }
  const batches = ["a f=1 1\n", "b f=2 2\n", "c f=3 3\n"].map((line) => Buffer.from(line));

  it("sends every batch once it is taken", async () => {
    const { target, taken, close } = await server(503, 0, 429);
    expect(await writeTelemetry(target, batches, 2)).toEqual({ bytes: 24, requests: 3 });
    expect(taken.sort()).toEqual(batches.map(String));
    close();
  });
  it("ends with the server's words, without the token, when a batch is refused", async () => {
    const { target, taken, close } = await server(401);
    await expect(writeTelemetry(target, batches, 1)).rejects.toThrow(
      new Error(`InfluxDB at ${target.url} did not take telemetry (1 try): 401 so it says`),
    );
    expect(taken).toEqual([]);
    close();
  });
});
