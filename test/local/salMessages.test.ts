import { readFileSync } from "node:fs";
import { Type } from "avsc";
import { simulatedTopics } from "../../local/efd/fillTelemetry";
import { SalMessages } from "../../local/efd/salMessages";
import { signalsOf, telemetry, type Topic } from "../../local/efd/telemetry";

const second = 1_000_000_000n;
const beginNs = BigInt(Date.parse("2026-06-03T02:00:00Z")) * 1_000_000n;
const span = { beginNs, endNs: beginNs + 2n * second };

describe("messages of simulated SAL topics", () => {
  const topics = new Map<string, Topic>();

  beforeAll(async () => {
    for (const instrument of ["LATISS", "LSSTCam"])
      for (const topic of await simulatedTopics(instrument)) topics.set(topic.name, topic);
  });

  it("have the names of the real topics, in Avro too", () => {
    const facts = JSON.parse(readFileSync("../shared/data/sal/sal_topic_facts.json", "utf8")) as Record<
      string,
      { avro_ns: string; avro_name: string }
    >;
    for (const topic of topics.values()) {
      const { namespace, name } = new SalMessages(topic).schema;
      expect([namespace, name]).toEqual([facts[topic.name]!.avro_ns, facts[topic.name]!.avro_name]);
    }
  });

  it("have SAL's own fields first, and one array for what is numbered", () => {
    const fieldsOf = (name: string) =>
      new SalMessages(topics.get(name)!).schema.fields.map((field) => `${field.name} ${JSON.stringify(field.type)}`);
    const own = [
      'private_sndStamp "double"',
      'private_rcvStamp "double"',
      'private_efdStamp "double"',
      'private_kafkaStamp "double"',
      'private_seqNum "int"',
      'private_revCode "string"',
      'private_identity "string"',
      'private_origin "int"',
    ];
    const floats = '{"type":"array","items":"float"}';
    expect(fieldsOf("lsst.sal.ESS.pressure")).toEqual(['salIndex "int"', ...own, `pressureItem ${floats}`]);
    expect(fieldsOf("lsst.sal.MTM1M3.appliedForces")).toEqual([...own, `zForces ${floats}`]);
    expect(fieldsOf("lsst.sal.ATMCS.mount_AzEl_Encoders")).toEqual([
      ...own,
      'cRIO_timestamp "double"',
      `azimuthCalculatedAngle ${floats}`,
      `elevationCalculatedAngle ${floats}`,
    ]);
    // Numbered from 1, and a name with a number beside one without: no array.
    expect(fieldsOf("lsst.sal.MTM1M3TS.glycolLoopTemperature").slice(own.length)).toEqual([
      'aboveMirrorTemperature "float"',
      'insideCellTemperature1 "float"',
      'insideCellTemperature2 "float"',
      'insideCellTemperature3 "float"',
    ]);
    expect(fieldsOf("lsst.sal.MTAOS.logevent_wavefrontError").slice(own.length)).toEqual([
      `annularZernikeCoeff ${floats}`,
      'nollZernikeIndices {"type":"array","items":"int"}',
    ]);
  });

  it("hold the values and times of the line protocol, flattened", () => {
    for (const topic of topics.values()) {
      const messages = new SalMessages(topic);
      const type = Type.forSchema(JSON.parse(JSON.stringify(messages.schema)));
      const points = new Map(
        [...telemetry({ topics: [topic], span })]
          .flatMap((batch) => batch.toString().trimEnd().split("\n"))
          .map((line) => {
            const [, fields, timeNs] = line.split(" ");
            const pairs = fields!.split(",").map((pair) => pair.split("=") as [string, string]);
            const values = pairs.map(([name, text]) => [name, Number(text.replace(/i$/, ""))] as const);
            return [timeNs!, Object.fromEntries(values)] as const;
          }),
      );
      let seen = 0;
      for (const signal of signalsOf(topic)) {
        for (let row = signal.firstRow(span.beginNs); row < signal.firstRow(span.endNs); row++, seen++) {
          const message = messages.encode(signal, row, 4711);
          expect([message[0], message.readInt32BE(1)]).toEqual([0, 4711]);
          const record = type.fromBuffer(message.subarray(5)) as Record<string, number | number[]>;
          const timeNs = BigInt(Math.round((record.private_efdStamp as number) * 1e6)) * 1000n;
          // TAI is 37 s ahead since 2017.
          expect((record.private_sndStamp as number) - (record.private_efdStamp as number)).toBeCloseTo(37, 6);
          const flat = Object.entries(record)
            .filter(([name]) => !name.startsWith("private_"))
            .flatMap(([name, value]) =>
              Array.isArray(value) ? value.map((one, at) => [`${name}${at}`, one] as const) : [[name, value] as const],
            );
          expect(Object.fromEntries(flat)).toEqual(points.get(String(timeNs)));
        }
      }
      expect(seen).toBe(points.size);
    }
  });
});
