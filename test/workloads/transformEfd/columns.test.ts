/** Column files: what is read, what is refused and how it is said, and what is written from them. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import * as door from "../../../workloads/src/transform-efd/columns";

const { builtinColumns, columnsOf, faultText, felisOf, flatYaml, loadColumns, parseColumns, readColumns } = door;

const realFiles = resolve(__dirname, "../../../../shared/data/efd-config");
const families = resolve(__dirname, "../../../workloads/src/transform-efd/columns");
const instruments = ["latiss", "lsstcam", "lsstcomcam"];
const realFile = (instrument: string) => join(realFiles, `config_${instrument}.yaml`);
/** Each is read once: half a megabyte of YAML takes half a second. */
const real = new Map(instruments.map((name) => [name, parse(readFileSync(realFile(name), "utf8")) as door.ColumnFile]));
const realColumns = (instrument: string) => columnsOf(instrument, real.get(instrument));

describe("the real files", () => {
  it("load unchanged", async () => {
    const counts = instruments.map((name) => [realColumns(name).columns.length, realColumns(name).faults]);
    expect(counts).toEqual([
      [267, []],
      [491, []],
      [489, []],
    ]);
    expect((await readColumns(realFile("lsstcam"))).columns).toEqual(realColumns("lsstcam").columns);
  });

  it("keeps start_offset, in hours before the record", () => {
    const { columns } = realColumns("lsstcam");
    const offsets = columns.filter(({ startOffsetNs }) => startOffsetNs !== 0n).map((column) => column.startOffsetNs);
    expect(offsets.filter((offset) => offset === -3_600_000_000_000n)).toHaveLength(20);
    expect(offsets.filter((offset) => offset === -1_800_000_000_000n)).toHaveLength(13);
  });

  it("notes what looks like a mistake, and changes nothing", () => {
    const notes = ["latiss", "lsstcam"].flatMap((name) => realColumns(name).notes.map(faultText));
    expect(notes).toEqual([
      "latiss: column at_azimuth_mean: packed_series is False, but elevationCalculatedAngle is a packed series for at_elevation_calculated_angle: no such field, no value",
      "latiss: column at_elevation_mean: packed_series is False, but azimuthCalculatedAngle is a packed series for at_azimuth_calculated_angle: no such field, no value",
      'latiss: column at_salindex202_accelerationpsd_y_max: unit "m/s**2S" looks like "m/s**2"',
      "latiss: column at_azimuth_mean: is named after the azimuth but reads elevationCalculatedAngle",
      "latiss: column at_elevation_mean: is named after the elevation but reads azimuthCalculatedAngle",
      "lsstcam: column mt_vibration_data_stddev: fields accelerationPSDZ98 and accelerationPSDZ100: accelerationPSDZ99 is left out",
      "lsstcam: column mt_vibration_data_max: fields accelerationPSDZ98 and accelerationPSDZ101: accelerationPSDZ99 is left out",
      "lsstcam: column mt_vibration_data_min: fields accelerationPSDZ98 and accelerationPSDZ102: accelerationPSDZ99 is left out",
      'lsstcam: column mt_m1m3_fan_coil_units_temperatures: unit "dec_C" looks like "deg_C"',
    ]);
  });

  it.each(instruments)("%s is what its families expand to, key by key and in order", (instrument) => {
    expect(builtinColumns[instrument]).toEqual(real.get(instrument));
  });

  it("is written ten times shorter as families", () => {
    const sources = [
      "family.ts",
      ...readdirSync(join(families, "instruments")).map((name) => join("instruments", name)),
    ];
    const bytes = sources.reduce((sum, name) => sum + statSync(join(families, name)).size, 0);
    const flat = instruments.reduce((sum, name) => sum + statSync(realFile(name)).size, 0);
    console.info(`families ${bytes} bytes, flat files ${flat} bytes: ${((bytes / flat) * 100).toFixed(1)} %`);
    expect(bytes).toBeLessThan(flat / 10);
  });

  // Of the released schemas.
  it.each([
    ["latiss", "a0a8cd8a93da689a"],
    ["lsstcam", "e7270975ec8d9bb8"],
    ["lsstcomcam", "1ef8ebb75860a004"],
  ])("gives the released Felis schema of %s", (instrument, sha256) => {
    const felis = felisOf(instrument, realColumns(instrument));
    expect(createHash("sha256").update(felis).digest("hex").slice(0, 16)).toBe(sha256);
  });
});

describe("loadColumns", () => {
  it.each(["", "builtin"])("takes the built-in columns for %j, the instrument in any case", async (path) => {
    const { file, version, columns, faults } = await loadColumns(path, "LSSTCam");
    expect({ file, version, count: columns.length, faults }).toEqual({
      file: "builtin:lsstcam",
      version: "1.1.0",
      count: 491,
      faults: [],
    });
  });

  it("names the instruments that it knows", async () => {
    await expect(loadColumns("builtin", "LSSTComCamSim")).rejects.toThrow(
      "Cannot use the columns of builtin:lsstcomcamsim: there are none for LSSTComCamSim, only for latiss, lsstcam, lsstcomcam. Set CONFIG_FILE to a file with its columns.",
    );
  });

  it("says which file cannot be read", async () => {
    await expect(loadColumns("/nowhere.yaml", "LATISS")).rejects.toThrow(
      /^Cannot use the columns of \/nowhere\.yaml: (Error: )?ENOENT: no such file or directory, open '\/nowhere\.yaml'\. Set CONFIG_FILE to a readable file, or to "builtin"\.$/,
    );
  });
});

const good = {
  name: "at_x_mean",
  function: "mean",
  datatype: "float",
  description: "X.",
  packed_series: false,
  topics: [{ name: "lsst.sal.X", fields: [{ name: "x" }, { name: "salIndex" }] }],
};
const lines = (...entries: object[]) =>
  columnsOf("f.yaml", { version: "1", columns: [good, ...entries] }).faults.map(faultText);

describe("faults", () => {
  it.each<[string, object, string | string[]]>([
    ["an unknown key", { subset_feild: "salIndex" }, 'unknown key "subset_feild", did you mean "subset_field"?'],
    ["a far key", { zzz: 1 }, 'unknown key "zzz"'],
    [
      "an unknown function",
      { function: "meen" },
      'unknown function "meen", did you mean "mean"?; known are mean, stddev, min, max, rms_from_polynomial_fit, most_recent_value',
    ],
    [
      "a method of objects as function",
      { function: "toString" },
      'unknown function "toString"; known are mean, stddev, min, max, rms_from_polynomial_fit, most_recent_value',
    ],
    [
      "an unknown argument",
      { function: "stddev", function_args: { dof: 1 } },
      'function_args of stddev: unknown key "dof", did you mean "ddof"?',
    ],
    [
      "a bad argument",
      { function: "stddev", function_args: { ddof: -1 } },
      "function_args of stddev: ddof: Too small: expected number to be >=0",
    ],
    [
      "an unknown basis",
      {
        function: "rms_from_polynomial_fit",
        function_args: { fit_basis: "x" },
        topics: [{ name: "t", fields: [{ name: "x" }] }],
      },
      'function_args of rms_from_polynomial_fit: fit_basis: Invalid option: expected one of "index"|"time"',
    ],
    ["an unknown table", { tables: ["exposures_efd"] }, 'unknown table "exposures_efd", did you mean "exposure_efd"?'],
    ["no table", { tables: [] }, "tables is empty: name a table, or leave the key out for both"],
    [
      "an unpivoted table without store_unpivoted",
      { tables: ["visit1_efd_unpivoted"] },
      "table visit1_efd_unpivoted does not go with store_unpivoted: false; use exposure_efd or visit1_efd",
    ],
    [
      "a pivoted table with store_unpivoted",
      { store_unpivoted: true, tables: ["exposure_efd"] },
      "table exposure_efd does not go with store_unpivoted: true; use exposure_efd_unpivoted or visit1_efd_unpivoted",
    ],
    ["a long name", { name: "a".repeat(64) }, "the name has 64 characters, a name of a column at most 63"],
    [
      "a long property",
      { name: "a".repeat(65), store_unpivoted: true },
      "the name has 65 characters, a property at most 64",
    ],
    [
      "a long unpivoted field",
      { store_unpivoted: true, topics: [{ name: "t", fields: [{ name: "f".repeat(33) }] }] },
      `unpivoted fields have at most 32 characters: ${"f".repeat(33)}`,
    ],
    ["a name that is none", { name: "a b" }, '"a b" is no name of a column: use letters, digits and "_"'],
    ["a name that every table has", { name: "seq_num" }, "every table has a column seq_num already"],
    [
      "a subset field that is not read",
      { subset_field: "index", subset_value: 1 },
      "subset_field index is not among the fields of the topic",
    ],
    ["a subset without value", { subset_field: "salIndex" }, "subset_field salIndex without subset_value"],
    ["a value without subset", { subset_value: 1 }, "subset_value without subset_field"],
    [
      "a subset of text",
      { subset_field: "salIndex", subset_value: ["1", "camera"] },
      'subset_value "camera" is not a number',
    ],
    ["an empty subset", { subset_field: "salIndex", subset_value: [] }, "subset_value is an empty list"],
    ["no topics", { topics: [] }, "topics is empty: name the topic and its fields"],
    [
      "two topics",
      { topics: [...good.topics, { name: "lsst.sal.Y", fields: [{ name: "y" }] }] },
      "reads 2 topics, but a column can read one: lsst.sal.X, lsst.sal.Y",
    ],
    [
      "only the subset's field",
      { subset_field: "salIndex", subset_value: 1, topics: [{ name: "t", fields: [{ name: "salIndex" }] }] },
      "no field is left to be summarised",
    ],
    [
      "a duration without unit",
      { pre_aggregate_interval: "1" },
      'pre_aggregate_interval "1" is not a duration such as 1s, 500ms or 1m',
    ],
    [
      "buckets of a spread",
      { function: "stddev", pre_aggregate_interval: "1s" },
      "stddev cannot be computed from buckets; pre_aggregate_interval goes with mean, min, max",
    ],
    [
      "buckets of a subset",
      { pre_aggregate_interval: "1s", subset_field: "salIndex", subset_value: 1 },
      "pre_aggregate_interval does not go with a subset: the server would mix the rows before they are chosen",
    ],
    ["a fit of two fields", { function: "rms_from_polynomial_fit" }, "rms_from_polynomial_fit takes one field, not 2"],
    ["two packed fields", { packed_series: true }, "a column of packed_series takes one field, not 2"],
    [
      "an offset into the record",
      { start_offset: 1 },
      "start_offset is in hours before the record's begin, from -24 to 0, not 1",
    ],
    [
      "text as datatype",
      { datatype: "string" },
      'datatype "string" holds no number; use one of float, double, short, int, long, byte',
    ],
    [
      "a missing key",
      { packed_series: undefined },
      "packed_series: Invalid input: expected boolean, received undefined",
    ],
    [
      "a misspelt key of a field",
      { topics: [{ name: "t", fields: [{ nam: "x" }] }] },
      [
        "topics[0].fields[0].name: Invalid input: expected string, received undefined",
        'unknown key "nam" in topics[0].fields[0], did you mean "name"?',
      ],
    ],
  ])("%s", (_, change, reasons) => {
    const entry = { ...good, name: "bad", ...change };
    expect(lines(entry)).toEqual([reasons].flat().map((reason) => `f.yaml: column ${entry.name}: ${reason}`));
  });

  it("finds all of them at once, and loses no other column", () => {
    const content = {
      version: "1",
      colums: [],
      columns: [
        good,
        { ...good, name: "bad", function: "median", tables: ["exposure"], datatype: "text" },
        7,
        { ...good, name: "also_good" },
        good,
      ],
    };
    const { columns, faults } = columnsOf("f.yaml", content);
    expect(columns.map(({ name }) => name)).toEqual(["at_x_mean", "also_good"]);
    expect(faults.map(faultText)).toEqual([
      'f.yaml: unknown key "colums", did you mean "columns"?',
      'f.yaml: column bad: unknown table "exposure"',
      'f.yaml: column bad: unknown function "median", did you mean "mean"?; known are mean, stddev, min, max, rms_from_polynomial_fit, most_recent_value',
      'f.yaml: column bad: datatype "text" holds no number; use one of float, double, short, int, long, byte',
      "f.yaml: column columns[2]: Invalid input: expected object, received number",
      "f.yaml: column at_x_mean: is there twice; the first one counts",
    ]);
  });

  it.each([
    ["- 1", `it must hold "version" and "columns".`],
    ["version: 1.0.0", `"columns" must be a list of columns.`],
    ["columns: []", `"version" must be a text such as 1.1.0.`],
    ["version: 1.0.0\ncolumns: []", "no column is usable."],
    [
      "version: 1.0.0\ncolumns:\n- name: x",
      "no column is usable.\n  f.yaml: column x: function: Invalid input: expected string, received undefined\n  f.yaml: column x: datatype: Invalid input: expected string, received undefined\n  f.yaml: column x: description: Invalid input: expected string, received undefined\n  f.yaml: column x: packed_series: Invalid input: expected boolean, received undefined\n  f.yaml: column x: topics: Invalid input: expected array, received undefined",
    ],
  ])("refuses the whole file %j", (text, reason) => {
    expect(() => parseColumns("f.yaml", text)).toThrow(`Cannot use the columns of f.yaml: ${reason}`);
  });

  it("says where the YAML breaks", () => {
    expect(() => parseColumns("f.yaml", "version: [1")).toThrow(
      /^Cannot use the columns of f\.yaml: .* at line 1, column 12/,
    );
  });
});

it("reads y and n as names, True as true", () => {
  const text = flatYaml({ version: "1", columns: [{ ...good, name: "y", store_unpivoted: true }] })
    .replace("store_unpivoted: true", "store_unpivoted: True")
    .replace("name: salIndex", "name: n");
  const [column] = parseColumns("f", text).columns;
  expect(column).toMatchObject({ name: "y", fields: ["x", "n"], isUnpivoted: true });
});

it("writes a flat file that reads back the same, also as YAML 1.1", () => {
  const file = { version: "1.10", columns: [{ ...good, name: "y", description: "a: b # c", ivoa: { unit: '""' } }] };
  expect(parse(flatYaml(file))).toEqual(file);
  expect(parse(flatYaml(file), { version: "1.1" })).toEqual(file);
});

it("quotes what YAML would misread in the Felis schema", () => {
  const entry = { ...good, name: "x", description: "speed: 90 % # of it", ivoa: { ucd: "a: b", unit: '""' } };
  const felis = felisOf("LATISS", columnsOf("f", { version: "1.1", columns: [entry] }));
  const schema = parse(felis) as { version: object; tables: { columns: { name: string }[] }[] };
  expect(schema.version).toEqual({ current: "1.1" });
  expect(schema.tables[0]!.columns.find(({ name }) => name === "x")).toEqual({
    name: "x",
    "@id": "#exposure_efd.x",
    description: "speed: 90 % # of it",
    datatype: "float",
    "ivoa:ucd": "a: b",
    "ivoa:unit": "",
  });
});
