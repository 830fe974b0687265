import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { decodeKey, isCreation, readNotification, readNotificationText } from "../../../workloads/src/lib/notification";

const record = (extra = {}, object = {}) => ({
  eventName: "ObjectCreated:Put",
  s3: {
    bucket: { name: "rubin-summit" },
    object: { key: "a/b.fits", eTag: "e", sequencer: "s", versionId: "", ...object },
  },
  ...extra,
});

it("keeps the good records of a message whose others cannot be read", () => {
  const { records, faults } = readNotification({
    Records: [record(), null, { s3: {} }, record({}, { key: "" }), record()],
  });
  expect(records).toHaveLength(2);
  expect(records[0]).toEqual({
    bucket: "rubin-summit",
    key: "a/b.fits",
    eventName: "ObjectCreated:Put",
    identity: "e/s/",
  });
  expect(faults.map((fault) => fault.index)).toEqual([1, 2, 3]);
  expect(faults[1]!.reason).toContain("s3.bucket");
});

it.each([
  ["no JSON", "{", /^is no JSON: /],
  ["a tombstone", "null", /^is null, not an object with Records$/],
  ["a list", "[]", /^is a list, not an object with Records$/],
  ["Records that are no list", '{"Records":{}}', /^Records is an object, not a list$/],
])("says what is wrong with %s", (_about, text, reason) => {
  expect(readNotificationText(text)).toEqual({
    records: [],
    faults: [{ index: -1, reason: expect.stringMatching(reason) }],
  });
});

it("takes absent or null Records as none", () => {
  expect(readNotification({})).toEqual({ records: [], faults: [] });
  expect(readNotification({ Records: null })).toEqual({ records: [], faults: [] });
});

it("tells PUTs apart by what the event has", () => {
  const identity = (object: object) => readNotification({ Records: [record({}, object)] }).records[0]!.identity;
  expect(identity({ sequencer: "t" })).not.toBe(identity({}));
  expect(identity({ eTag: undefined, sequencer: undefined, versionId: undefined })).toBe("1");
});

it.each([
  ["ObjectCreated:Put", true],
  ["s3:ObjectCreated:CompleteMultipartUpload", true],
  [undefined, true],
  ["ObjectRemoved:Delete", false],
])("D9: event %s makes an object: %s", (eventName, expected) => {
  expect(isCreation({ bucket: "b", key: "k", identity: "1", ...(eventName ? { eventName } : {}) })).toBe(expected);
});

it("B7, D9: takes a key as Ceph writes it, and decodes it only for a store that encodes", () => {
  const key = (encoding?: "raw" | "url") =>
    readNotification({ Records: [record({}, { key: "a+b%20c#?é.fits" })] }, encoding).records[0]!.key;
  expect(key()).toBe("a+b%20c#?é.fits");
  expect(key("url")).toBe("a b c#?é.fits");
});

it("decodes keys as Python's unquote_plus does", () => {
  const keys = fc.sample(
    fc.string({ unit: fc.constantFrom("%", "+", "2", "0", "C", "3", "a", "/", "é", "#", "?"), maxLength: 12 }),
    { numRuns: 300, seed: 7 },
  );
  const program =
    "import json,sys,urllib.parse as u; print(json.dumps([u.unquote_plus(k) for k in json.load(sys.stdin)]))";
  const expected = JSON.parse(
    execFileSync("python3", ["-c", program], { input: JSON.stringify(keys) }).toString(),
  ) as string[];
  expect(keys.map(decodeKey)).toEqual(expected);
});
