import { FluxDecoder } from "../../../workloads/src/transform-efd/influx/fluxAnswer";
import { InfluxqlDecoder } from "../../../workloads/src/transform-efd/influx/influxqlAnswer";
import * as numbers from "../../../workloads/src/transform-efd/influx/number";
import type { Decoder } from "../../../workloads/src/transform-efd/influx/samples";

const origin = 1_727_835_300_000_000_000n;
const fields = ["a", "b", "c"];

/** Feeds an answer in pieces of a size, and gives rows as plain arrays. */
function decode(make: () => Decoder, answer: string | Buffer, pieceBytes = Infinity) {
  const decoder = make();
  const bytes = Buffer.from(answer);
  for (let at = 0; at < bytes.length; at += pieceBytes) decoder.push(bytes.subarray(at, at + pieceBytes));
  return [...decoder.end()].map(([tags, { rows, times, columns, text }]) => ({
    tags,
    times: [...times.subarray(0, rows)],
    columns: columns.map((column) => [...column.subarray(0, rows)]),
    text: [...text],
  }));
}

const influxql = () => new InfluxqlDecoder(fields, origin);
const flux = () => new FluxDecoder(fields, origin);

const chunk = (values: string, more: boolean) =>
  `{"results":[{"statement_id":0,"series":[{"name":"t\\"]}","columns":["time","a","b","c"],"values":${values}${more ? ',"partial":true' : ""}}]${more ? ',"partial":true' : ""}}]}\n`;
const chunked =
  chunk("[[1727835300000000001,1.5,null,true],[1727835300999999999,-0,7,false]]", true) +
  chunk('[[1727835301000000000,1e+308,5e-324,null],[1727835301000000001,null,"12.5","a \\"b\\\\"]]', false);

const csv = [
  "#datatype,string,long,dateTime:RFC3339,boolean,double,string,string",
  "#group,false,false,false,false,false,false,true",
  "#default,_result,,,,,,",
  ",result,table,_time,c,a,b,tag",
  ",,0,2024-10-02T02:15:00.000000001Z,true,1.5,,x",
  ',,0,2024-10-02T02:15:00.999999999Z,false,-0,"7",x',
  ',,1,2024-10-02T02:15:01Z,,100000,"say ""hi"",',
  'twice",y',
  "",
  "",
].join("\r\n");

const expected = [
  {
    tags: "",
    times: [1, 999_999_999, 1_000_000_000, 1_000_000_001],
    columns: [
      [1.5, -0, 1e308, NaN],
      [NaN, 7, 5e-324, 12.5],
      [1, 0, NaN, NaN],
    ],
    text: [0, 1, 2],
  },
];
const expectedCsv = [
  { tags: '[["tag","x"]]', times: [1, 999_999_999], columns: [[1.5, -0], [NaN, 7], [1, 0]], text: [0, 1, 0] }, // prettier-ignore
  { tags: '[["tag","y"]]', times: [1_000_000_000], columns: [[100_000], [NaN], [NaN]], text: [0, 2, 0] },
];

describe("pieces of an answer may end anywhere", () => {
  test("InfluxQL", () => {
    for (let bytes = 1; bytes < 30; bytes++) expect(decode(influxql, chunked, bytes)).toEqual(expected);
    expect(decode(influxql, chunked)).toEqual(expected);
    expect(Object.is(decode(influxql, chunked)[0]!.columns[0]![1], -0)).toBe(true);
  });

  test("Flux", () => {
    for (let bytes = 1; bytes < 30; bytes++) expect(decode(flux, csv, bytes)).toEqual(expectedCsv);
    expect(decode(flux, csv)).toEqual(expectedCsv);
  });
});

describe("an answer that is cut off at any byte is no answer", () => {
  // What is left may lack the newline at its end only: that says nothing.
  test.each([
    ["InfluxQL", influxql, chunked, 1],
    ["Flux", flux, csv, 2],
  ] as const)("%s", (_, make, answer, blank) => {
    for (let length = 0; length < answer.length - blank; length++) {
      // The first chunk of two says itself that more follows.
      expect(() => decode(make, answer.slice(0, length))).toThrow();
    }
  });

  test("InfluxQL, not chunked: a limit of the server cut rows off", () => {
    const limited = chunk("[[1727835300000000001,1,2,3]]", false).replace(/]}]}\n$/, '],"partial":true}]}');
    expect(() => decode(influxql, limited)).toThrow("partial: true");
  });
});

test("an answer of another form is refused", () => {
  const refusals: [string, RegExp][] = [
    ["<html>busy</html>", /not the JSON/],
    ["[]", /not the JSON/],
    ["{}", /0 results/],
    ['{"results":[]}', /0 results/],
    ['{"error":"engine is down"}', /^engine is down$/],
    ['{"results":[{"statement_id":0,"error":"timeout"}]}', /^timeout$/],
    [chunk("[[1727835300000000001,1,2,3]]", false).replace('"a","b"', '"b","a"'), /columns are not those/],
    [chunk("[[1727835300000000001,1,2]]", false), /not the JSON/],
    [chunk("[[1727835300000000001,1,2,3,4]]", false), /not the JSON/],
    [chunk('[["2024-10-02T02:15:00Z",1,2,3]]', false), /not the JSON/],
    [chunk("[[1727835300000000001,1,2,[3]]]", false), /not the JSON/],
    [chunk("[[1727835300000000001,1,2,NaN]]", false), /not the JSON/],
    [chunk("[[1727835300000000002,1,2,3],[1727835300000000001,1,2,3]]", false), /do not ascend/],
    [chunk("[[1827835300000000002,1,2,3]]", false), /104 days/],
  ];
  for (const [answer, message] of refusals) expect(() => decode(influxql, answer)).toThrow(message);
  const error =
    "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,out of memory,897\r\n";
  expect(() => decode(flux, csv + error)).toThrow(/^out of memory$/);
  expect(() => decode(flux, csv.replace(",-0,", ",x,"))).toThrow("a number is no number");
  expect(() => decode(flux, csv.replace(",1.5,,", ",1.5,"))).toThrow("a row is shorter than its header");
  expect(() => decode(flux, csv.replace(",1.5,,", ",1.5,,,"))).toThrow("a row is longer than its header");
});

test("no series and no rows are no data", () => {
  expect(decode(influxql, '{"results":[{"statement_id":0}]}\n')).toEqual([]);
  expect(decode(flux, "\r\n")).toEqual([]);
});

test("many rows grow the columns", () => {
  const rows = Array.from(
    { length: 2000 },
    (_, i) => `[${origin + BigInt(i)},${i},null,${i % 7 === 0 ? 0 - i : "null"}]`,
  );
  const [{ columns, times }] = decode(influxql, chunk(`[${rows.join(",")}]`, false), 777) as [
    ReturnType<typeof decode>[0],
  ];
  expect(times).toEqual(rows.map((_, i) => i));
  expect(columns[0]).toEqual(rows.map((_, i) => i));
  expect(columns[2]).toEqual(rows.map((_, i) => (i % 7 === 0 ? 0 - i : NaN)));
});

test("every number is the double nearest to its text", () => {
  const double = new Float64Array(1);
  const bits = new BigUint64Array(double.buffer);
  const texts = ["0", "-0", "-0.0", "1e308", "1.7976931348623157e+308", "5e-324", "2.2250738585072014e-308", "1e400"];
  texts.push("9007199254740993", "123456789012345678901234567890", "18446744073709551615", "1E5", "0.000001");
  let seed = 12345n;
  const random = (below: bigint) => {
    seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return (seed >> 11n) % below;
  };
  for (let i = 0; i < 4000; i++) {
    bits[0] = ((1023n - 30n + random(60n)) << 52n) | random(1n << 52n);
    const value = double[0]!;
    texts.push(String(value), String(-value), value.toPrecision(1 + (i % 21)), String(Math.fround(value)));
    // Halfway between two doubles, where one digit more or less decides.
    const odd = 2n ** 53n + 2n * random(2n ** 50n) + 1n;
    texts.push(String(odd), String(odd).replace(/(.{4})$/, ".$1"), `${odd}.000001`);
  }
  const bytes = Buffer.from(`${texts.join(",")},`);
  let at = 0;
  const wrong: string[] = [];
  for (const text of texts) {
    if (!Object.is(numbers.readNumber(bytes, at), Number(text)) || numbers.numberEnd !== at + text.length)
      wrong.push(text);
    at += text.length + 1;
  }
  expect(wrong).toEqual([]);
});
