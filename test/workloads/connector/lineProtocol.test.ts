import fc from "fast-check";
import { AvroSchema, typeOf } from "../../../workloads/src/lib/avro";
import { AvroLines } from "../../../workloads/src/connector/line/avroLines";
import { JsonLines } from "../../../workloads/src/connector/line/jsonLines";
import { LineBuffer } from "../../../workloads/src/connector/line/lineBuffer";
import { Stamps } from "../../../workloads/src/connector/line/stamp";

const nowMs = Date.UTC(2026, 10, 21);
const stampsOf = (field: string, unit: "s" | "ms" | "us" | "ns") =>
  new Stamps({ field, unit, minMs: Date.UTC(2000, 0, 1), aheadMs: 86_400_000, now: () => nowMs });
const stampField = { name: "stamp", type: "double" };
const stamp = 1_764_000_000.123457;
const time = "1764000000123457000";

/** Lines of one value by the connector; the value itself goes through avsc. */
function lineOf(fields: object[], value: object, { tags = [] as string[], name = "lsst.sal.X.t" } = {}): string {
  const definition = { type: "record", name, fields: [stampField, ...fields] };
  const lines = new AvroLines(new AvroSchema(1, definition), tags, stampsOf("stamp", "s"), "stamp");
  const into = new LineBuffer(64);
  const outcome = lines.write(messageOf(definition, { stamp, ...value }), 0, into);
  return outcome === "line" ? into.whole().toString() : JSON.stringify(outcome);
}

function messageOf(definition: object, value: object): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), typeOf(definition).toBuffer(value)]);
}

/** A reader of line protocol for these tests, by its grammar; a number stays text with its `i`. */
function parse(line: string) {
  let at = 0;
  const until = (ends: string) => {
    let text = "";
    for (; at < line.length && !ends.includes(line[at]!); at++) {
      if (line[at] === "\\" && ", =".includes(line[at + 1]!)) at++;
      text += line[at];
    }
    return text;
  };
  const measurement = until(", ");
  const tags: Record<string, string> = {};
  while (line[at] === ",") {
    at++;
    const key = until("=");
    at++;
    tags[key] = until(", ");
  }
  const fields = new Map<string, string | boolean | { text: string }>();
  do {
    at++;
    const key = until("=");
    at++;
    if (line[at] !== '"') {
      const value = until(", ");
      fields.set(key, value === "t" ? true : value === "f" ? false : value);
      continue;
    }
    let text = "";
    for (at++; at < line.length && line[at] !== '"'; at++) {
      if (line[at] === "\\" && '"\\'.includes(line[at + 1]!)) at++;
      text += line[at];
    }
    at++;
    fields.set(key, { text });
  } while (line[at] === ",");
  return { measurement, tags, fields, time: line.slice(at + 1).trimEnd() };
}

describe("Avro", () => {
  const primitive = fc.constantFrom("double", "float", "int", "long", "boolean", "string");
  const schemaOf: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    type: fc.oneof(
      { withCrossShrink: true, maxDepth: 2 },
      primitive,
      primitive.map((type) => ["null", type]),
      primitive.map((type) => [type, "null"]),
      primitive.map((items) => ({ type: "array", items })),
      tie("type").map((items) => ({ type: "array", items: Array.isArray(items) ? "int" : items })),
      tie("type").map((values) => ({ type: "map", values })),
      fc.array(tie("type"), { minLength: 1, maxLength: 3 }).map((types) => ({ type: "record", fields: types.map((type, i) => ({ name: `p${i}`, type })) })), // prettier-ignore
    ),
  })).type;
  /** Records have names; each its own. */
  const named = (type: unknown, counter = { n: 0 }): unknown => {
    if (Array.isArray(type)) return type.map((branch) => named(branch, counter));
    if (typeof type !== "object" || type === null) return type;
    const { items, values, fields, ...rest } = type as { items?: unknown; values?: unknown; fields?: { name: string; type: unknown }[] }; // prettier-ignore
    if (items !== undefined) return { ...rest, items: named(items, counter) };
    if (values !== undefined) return { ...rest, values: named(values, counter) };
    return {
      ...rest,
      name: `R${counter.n++}`,
      fields: fields!.map((field) => ({ ...field, type: named(field.type, counter) })),
    };
  };
  const valueOf = (type: unknown): fc.Arbitrary<unknown> => {
    if (Array.isArray(type)) return fc.oneof(fc.constant(null), valueOf(type.find((branch) => branch !== "null")));
    if (typeof type === "object" && type !== null) {
      const { items, values, fields } = type as {
        items?: unknown;
        values?: unknown;
        fields?: { name: string; type: unknown }[];
      };
      if (items !== undefined) return fc.array(valueOf(items), { maxLength: 12 });
      if (values !== undefined)
        return fc.dictionary(fc.stringMatching(/^[a-z é=,]{1,4}$/), valueOf(values), { maxKeys: 3 });
      return fc.record(Object.fromEntries(fields!.map((field) => [field.name, valueOf(field.type)])));
    }
    switch (type) {
      case "double":
        return fc.double();
      case "float":
        return fc.float();
      case "int":
        return fc.integer();
      case "long":
        return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
      case "boolean":
        return fc.boolean();
      default:
        return fc.string({ unit: "grapheme", maxLength: 20 });
    }
  };
  /** What a value comes to, by the plain rules; names of these schemas never meet. */
  const flat = (type: unknown, value: unknown, name: string, into: Map<string, unknown>, isElement = false): void => {
    if (value === null) return;
    if (Array.isArray(type))
      return flat(
        type.find((branch) => branch !== "null"),
        value,
        name,
        into,
        isElement,
      );
    if (typeof type === "object" && type !== null) {
      const { items, values, fields } = type as {
        items?: unknown;
        values?: unknown;
        fields?: { name: string; type: unknown }[];
      };
      if (items !== undefined)
        (value as unknown[]).forEach((item, i) => flat(items, item, `${name}${isElement ? "_" : ""}${i}`, into, true));
      else if (values !== undefined)
        for (const [key, item] of Object.entries(value as object)) flat(values, item, `${name}_${key}`, into);
      else
        for (const field of fields!)
          flat(field.type, (value as Record<string, unknown>)[field.name], `${name}_${field.name}`, into);
      return;
    }
    if (type === "int" || type === "long") into.set(name, `${value}i`);
    else if (type === "float" || type === "double") {
      const number = type === "float" ? Math.fround(value as number) : (value as number);
      if (Number.isFinite(number)) into.set(name, number + 0); // no -0: both are written 0
    } else into.set(name, type === "string" ? { text: value } : value);
  };

  test("any value of any schema: the line says what avsc decodes, flattened", () => {
    const cases = fc.array(schemaOf, { minLength: 1, maxLength: 5 }).chain((types) => {
      const fields = types.map((type, i) => ({ name: `${"abcde"[i]}x`, type: named(type, { n: 10 * i }) }));
      return fc.tuple(
        fc.constant(fields),
        fc.record(Object.fromEntries(fields.map(({ name, type }) => [name, valueOf(type)]))),
      );
    });
    fc.assert(
      fc.property(cases, ([fields, value]) => {
        const definition = { type: "record", name: "X", fields: [stampField, ...fields] };
        const decoded = typeOf(definition).fromBuffer(typeOf(definition).toBuffer({ stamp, ...value })) as Record<
          string,
          unknown
        >;
        const expected = new Map<string, unknown>([["stamp", stamp]]);
        for (const { name, type } of fields) flat(type, decoded[name], name, expected);
        const line = parse(lineOf(fields, value, { name: "X" }));
        const found = new Map([...line.fields].map(([key, text]) => [key, typeof text === "string" && !text.endsWith("i") ? Number(text) + 0 : text])); // prettier-ignore
        expect(found).toEqual(expected);
        expect(line.time).toBe(time);
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });

  test("any bytes: a line or an error, never a part of one", () => {
    const definition = { type: "record", name: "X", fields: [stampField, { name: "s", type: "string" }, { name: "a", type: { type: "array", items: "long" } }, { name: "m", type: { type: "map", values: ["null", "double"] } }] }; // prettier-ignore
    const lines = new AvroLines(new AvroSchema(1, definition), [], stampsOf("stamp", "s"), "stamp");
    const whole = messageOf(definition, { stamp, s: "text", a: [1, 2n ** 60n], m: { k: 1 } });
    const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255), cut: fc.nat(whole.length) });
    // The message lies in the middle of others, as it does in a fetch.
    const around = (bytes: Buffer) =>
      Buffer.concat([Buffer.alloc(40, 6), bytes, Buffer.alloc(40, 2)]).subarray(40, 40 + bytes.length);
    fc.assert(
      fc.property(change, ({ at, byte, cut }) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        const message = around(bytes.subarray(0, at % 2 ? whole.length : Math.max(5, cut)));
        let isValid = true;
        try {
          typeOf(definition).fromBuffer(message.subarray(5));
        } catch {
          isValid = false;
        }
        const into = new LineBuffer(64);
        let outcome: unknown = "error";
        try {
          outcome = lines.write(message, 0, into);
        } catch {
          // expected of what avsc refuses
        }
        expect([outcome === "error", into.lines]).toEqual([!isValid, outcome === "line" ? 1 : 0]);
      }),
      { numRuns: 500, endOnFailure: true },
    );
  });

  const list = (items: unknown) => ({ type: "array", items });
  const collisions: { about: string; fields: object[]; value: object; line: string }[] = [
    {
      about: "a list and a field of its element's name: the field keeps it",
      fields: [
        { name: "a", type: list("int") },
        { name: "a1", type: "int" },
      ],
      value: { a: [5, 6, 7], a1: 8 },
      line: "a0=5i,a_1=6i,a2=7i,a1=8i",
    },
    {
      about: "two lists: the longer name keeps it, however long they are",
      fields: [
        { name: "readCols", type: list("int") },
        { name: "readCols2", type: list("int") },
      ],
      value: { readCols: Array.from({ length: 22 }, (_, i) => i), readCols2: [90, 91] },
      line: [...Array.from({ length: 20 }, (_, i) => `readCols${i}=${i}i`), "readCols_20=20i,readCols_21=21i,readCols20=90i,readCols21=91i"].join(), // prettier-ignore
    },
    {
      about: "a record's part and a field; time is a name that InfluxDB keeps for itself",
      fields: [{ name: "a", type: { type: "record", name: "A", fields: [{ name: "b", type: "int" }] } }, { name: "a_b", type: "int" }, { name: "time", type: "int" }], // prettier-ignore
      value: { a: { b: 1 }, a_b: 2, time: 3 },
      line: "a__b=1i,a_b=2i,time_=3i",
    },
  ];
  test.each(collisions)("colliding names, $about", ({ fields, value, line }) =>
    expect(lineOf(fields, value)).toBe(`lsst.sal.X.t stamp=${stamp},${line} ${time}\n`),
  );

  test("what has no value, or none that a time series keeps, is left out", () => {
    const fields = [
      { name: "nan", type: "double" },
      { name: "inf", type: "float" },
      { name: "none", type: ["null", "string"] },
      { name: "blob", type: "bytes" },
      { name: "price", type: { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 } },
      { name: "kind", type: { type: "enum", name: "K", symbols: ["A", "B"] } },
    ];
    const value = {
      nan: NaN,
      inf: -Infinity,
      none: null,
      blob: Buffer.from("x"),
      price: Buffer.from([0xff, 0x85]),
      kind: "B",
    };
    expect(lineOf(fields, value)).toBe(`lsst.sal.X.t stamp=${stamp},price=-1.23,kind="B" ${time}\n`);
  });

  test("tags are no fields, sorted, escaped, and left out when empty", () => {
    const fields = [
      { name: "run", type: ["null", "string"] },
      { name: "band", type: "string" },
      { name: "det", type: "int" },
      { name: "empty", type: "string" },
    ];
    const line = lineOf(fields, { run: "a,b =c\\", band: "r\nz", det: 7, empty: "" }, { tags: ["run", "det", "empty", "band", "absent"] }); // prettier-ignore
    expect(line).toBe(`lsst.sal.X.t,band=r\\ z,det=7,run=a\\,b\\ \\=c stamp=${stamp} ${time}\n`);
    expect(lineOf(fields, { run: null, band: "é", det: 7, empty: "" }, { tags: ["run", "band"] })).toBe(
      `lsst.sal.X.t,band=é stamp=${stamp},det=7i,empty="" ${time}\n`,
    );
  });

  test("a string is cut at 64 KiB, between characters", () => {
    const line = lineOf([{ name: "s", type: "string" }], { s: `x${"é".repeat(40_000)}` });
    expect(parse(line).fields.get("s")).toEqual({ text: `x${"é".repeat(32_767)}` });
  });

  test.each([
    ["namespace and name", { name: "t", namespace: "lsst.sal.X" }, "lsst.sal.X.t"],
    ["a name with dots, as in the EFD's first years", { name: "lsst.sal.X.t", namespace: "ignored" }, "lsst.sal.X.t"],
    ["a name alone", { name: "skyFlux" }, "skyFlux"],
  ])("the measurement: %s", (_about, name, measurement) => {
    expect(new AvroSchema(1, { type: "record", ...name, fields: [] }).fullName).toBe(measurement);
  });

  test.each([
    ["is no record", "string", "its field"],
    ["has no field for the time", { type: "record", name: "X", fields: [] }, 'Cannot read by schema 1: it has no field "stamp" for the time (TIMESTAMP_FIELD).'], // prettier-ignore
    ["has text for the time", { type: "record", name: "X", fields: [{ name: "stamp", type: "string" }] }, "Cannot read by schema 1: its field for the time (TIMESTAMP_FIELD) is no number."], // prettier-ignore
    ["refers to itself", { type: "record", name: "X", fields: [stampField, { name: "x", type: ["null", "X"] }] }, "Cannot read by schema 1: it refers to itself."], // prettier-ignore
    ["refers to itself inside", { type: "record", name: "X", fields: [stampField, { name: "y", type: { type: "record", name: "Y", fields: [{ name: "y", type: list("Y") }] } }] }, "Cannot read by schema 1: it refers to itself."], // prettier-ignore
  ])("a schema that %s is refused", (_about, definition, message) => {
    const read = () => new AvroLines(new AvroSchema(1, definition), [], stampsOf("stamp", "s"), "stamp");
    if (typeof definition === "string") expect(read).toThrow();
    else expect(read).toThrow(message);
  });
});

describe("times", () => {
  test.each([
    ["s", 1_764_000_000.123457, time],
    ["s", 1_764_000_000, "1764000000000000000"],
    ["ms", 1_764_000_000_123, "1764000000123000000"],
    ["us", 1_764_000_000_123_457n, time],
    ["ns", 1_764_000_000_123_456_789n, "1764000000123456789"],
    [
      "ms",
      1_764_000_000_123_457,
      { code: "TIMESTAMP_UNIT", reason: "t is 1764000000123457: that is a time in us, not in ms" },
    ],
    ["s", 0, { code: "TIMESTAMP_RANGE", reason: "t is 0, which is not within 2000-01-01T00:00:00.000Z to 2026-11-22T00:00:00.000Z in any unit" }], // prettier-ignore
    ["s", NaN, { code: "TIMESTAMP_RANGE", reason: "t is NaN, which is not within 2000-01-01T00:00:00.000Z to 2026-11-22T00:00:00.000Z in any unit" }], // prettier-ignore
    ["s", null, { code: "TIMESTAMP_MISSING", reason: "t (TIMESTAMP_FIELD) is missing" }],
    ["s", "1764000000", { code: "TIMESTAMP_MISSING", reason: "t (TIMESTAMP_FIELD) is no number" }],
  ] as const)("%s: %p", (unit, value, expected) => expect(stampsOf("t", unit).of(value)).toEqual(expected));

  test("a double of seconds is its nearest microsecond, by exact arithmetic", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000_000_000, max: 1_790_000_000 }), fc.nat(2 ** 22 - 1), (seconds, fraction) => {
        const value = seconds + fraction / 2 ** 22; // what a double of this time can hold
        const scaled = (BigInt(seconds) * 2n ** 22n + BigInt(fraction)) * 1_000_000n;
        const nearest = (scaled + 2n ** 21n) >> 22n;
        expect(stampsOf("t", "s").of(value)).toBe(`${nearest}000`);
      }),
    );
  });
});

describe("JSON", () => {
  const write = (text: string, { topic = "lsst.example.sky", removePrefix = "" } = {}) => {
    const into = new LineBuffer(64);
    const outcome = new JsonLines(["tag"], stampsOf("", "s"), "", removePrefix).write(
      Buffer.from(text),
      topic,
      nowMs,
      into,
    );
    return outcome === "line" ? into.whole().toString() : outcome;
  };
  const at = `${nowMs}000000`;

  test("an object is a point, a list several; `measurement` names it", () => {
    expect(write('[{"a":1,"b":"x"},{"measurement":"m n","a":2e-7,"c":null}]')).toBe(
      `lsst.example.sky a=1,b="x" ${at}\nm\\ n a=2e-7 ${at}\n`,
    );
    expect(write('{"a":{"b":1},"a_b":2,"l":[1,[2,true]],"l0":"é","tag":5}')).toBe(
      `lsst.example.sky,tag=5 a__b=1,a_b=2,l_0=1,l1_0=2,l1_1=t,l0="é" ${at}\n`,
    );
    expect(write('{"a":null}')).toBe("empty");
  });

  test.each([
    ["[1]", {}, "Cannot read the message: it is no JSON object, nor a list of objects."],
    ['{"measurement":"#x","a":1}', {}, 'Cannot read the message: "#x" cannot be a measurement.'],
    ['{"a":1}', { removePrefix: "summit." }, 'Cannot read the message: its topic does not begin with "summit." (REMOVE_PREFIX).'], // prettier-ignore
  ])("%s is refused", (text, options, message) => expect(() => write(text, options)).toThrow(new Error(message)));
});
