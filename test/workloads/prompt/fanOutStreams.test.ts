import { join } from "node:path";
import fc from "fast-check";
import { Redis } from "ioredis";
import { type RunningRedis, startRedis } from "../../../local/services";
import {
  addVisit,
  announcedVisit,
  attemptOf,
  type DeadLetter,
  dropIdleConsumers,
  ensureGroup,
  isExpired,
  letterState,
  type NextVisit,
  parkedLetters,
  parkLetters,
  promptKey,
  putBack,
  recordAgeSeconds,
  removeLetters,
  reviveLetter,
  staleEntries,
  streamState,
  trimStream,
  visitAgeSeconds,
  visitFields,
  visitJson,
  visitOf,
  visitOfFields,
} from "../../../workloads/src/lib/visits";
import { pythonFloat } from "../../../workloads/src/lib/visits/pythonText";
import { testAddress, testFolder } from "../../support/network";
import { askPython, hexOf } from "./fanOutOracle";

const address = testAddress(84);
const folder = testFolder("fan-out-streams");
let server: RunningRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ dir: join(folder.dir, "redis"), address, password: "pw" });
  redis = new Redis({ host: address, password: "pw" });
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  folder.remove();
});
beforeEach(() => redis.flushdb());

const target = { stream: promptKey.stream("LSSTCam"), consumerGroup: promptKey.consumerGroup("LSSTCam") };
const visit: NextVisit = {
  salIndex: 1,
  scriptSalIndex: 200_123,
  instrument: "LSSTCam",
  groupId: "2026-01-23T23:33:14.762",
  coordinateSystem: 2,
  position: [134.5454, -65.3261],
  startTime: 1_769_211_231.5,
  rotationSystem: 2,
  cameraAngle: 135,
  filters: "i_39",
  dome: 2,
  duration: 30,
  nimages: 1,
  survey: "BLOCK-365",
  totalCheckpoints: 1,
  private_sndStamp: 1_769_211_200.25,
};
const entriesOf = async (stream = target.stream) =>
  (await redis.xrange(stream, "-", "+")).map(([id, flat]) => ({ id, fields: byName(flat) }));
const byName = (flat: string[]) => Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]!]])));
/** Reads entries as a worker does. */
async function read(consumer: string, count = 1): Promise<{ id: string; fields: Record<string, string> }[]> {
  const found = (await redis.xreadgroup("GROUP", target.consumerGroup, consumer, "COUNT", count, "STREAMS", target.stream, ">")) as [string, [string, string[]][]][] | null; // prettier-ignore
  return (found?.[0]?.[1] ?? []).map(([id, flat]) => ({ id, fields: byName(flat) }));
}
const refusal = (work: () => unknown): { code?: unknown; message?: string } => {
  try {
    work();
  } catch (error) {
    return { code: (error as { code?: unknown }).code, message: (error as Error).message };
  }
  return {};
};

describe("texts", () => {
  test("doubles, records and entries are what Python makes of them", () => {
    const special = [0, -0, 1, -1, 30, 0.1, 1e16, 9999999999999998, 1e15, 1e-4, 1e-5, 123456.789e-10, 5e-324, 1.7976931348623157e308, 1e21, 1e22, -1e-7, 2 ** 53, NaN, Infinity, -Infinity]; // prettier-ignore
    const doubles = [...special, ...fc.sample(fc.double(), { numRuns: 3_000, seed: 7 })];
    const visits: NextVisit[] = [
      visit,
      { ...visit, position: [NaN, 1e-5], cameraAngle: NaN, startTime: 0, duration: 1e16, filters: "", survey: 'a "b", c' }, // prettier-ignore
      { ...visit, salIndex: 2_026_010_100_039, position: [-0, 360], private_sndStamp: 1.5e9 },
    ];
    // Floats as Python's JSON has them, so that 30 is a float there too; the integers are the model's.
    const floats = (value: number) => (Number.isNaN(value) ? "NaN" : Object.is(value, -0) ? "-0.0" : /[.e]/.test(String(value)) ? String(value) : `${value}.0`); // prettier-ignore
    const json = (one: NextVisit) => {
      const text = (name: string, value: unknown) => {
        if (Array.isArray(value)) return `[${(value as number[]).map(floats).join()}]`;
        return ["startTime", "cameraAngle", "duration", "private_sndStamp"].includes(name) ? floats(value as number) : JSON.stringify(value); // prettier-ignore
      };
      return `{${Object.entries(one).map(([name, value]) => `"${name}":${text(name, value)}`).join()}}`; // prettier-ignore
    };
    const entries = visits.map((one) => ({ ...byName(visitFields(one)), detector: "42" }));
    const events = visits.slice(0, 1).map((one) => JSON.stringify({ data: visitJson(one, 42) }));
    const answer = askPython({ doubles: doubles.map(hexOf), records: visits.map(json), entries: entries.slice(0, 1), events }); // prettier-ignore
    expect(doubles.map(pythonFloat)).toEqual(answer.doubles);
    expect(visits.map((one) => byName(visitFields(one)))).toEqual(answer.records);
    expect(Object.keys(entries[0]!)).toHaveLength(17);
    expect(answer.entries).toEqual([{ ...visit, detector: 42 }]);
    expect(answer.events).toEqual([{ ...visit, detector: 42 }]);
  });

  test("a visit reads back from its entry, whatever its numbers", () => {
    const number = fc.double({ noDefaultInfinity: true });
    fc.assert(
      fc.property(
        number,
        fc.tuple(number, number),
        fc.maxSafeInteger(),
        fc.string(),
        (angle, position, sal, survey) => {
          const one = { ...visit, cameraAngle: angle, position, salIndex: sal, survey };
          expect(visitOfFields({ ...byName(visitFields(one)), detector: "7" })).toEqual({ ...one, detector: 7 });
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each([
    [{ nimages: "1.5" }, "FIELD_TYPE", 'Cannot read field nimages of next_visit: "1.5" is no whole number.'],
    [{ position: "[]" }, "FIELD_TYPE", 'Cannot read field position of next_visit: "[]" is no list of numbers.'],
    [{ position: "[1.0]" }, "FIELD_VALUE", "Cannot read field position of next_visit: it has 1 coordinates, not two."],
    [{ duration: "soon" }, "FIELD_TYPE", 'Cannot read field duration of next_visit: "soon" is no number.'],
    [{ duration: "nan" }, "FIELD_VALUE", "Cannot read field duration of next_visit: NaN is no number of seconds."],
    [{ dome: "0" }, "ENUM_VALUE", "Cannot read field dome of next_visit: 0 is none of CLOSED 1, OPEN 2, EITHER 3."],
    [{ detector: "-1" }, "FIELD_VALUE", "Cannot read field detector of next_visit: -1 is negative."],
    [{ survey: undefined }, "FIELD_MISSING", "Cannot read field survey of next_visit: it is missing."],
    [{ groupId: "" }, "FIELD_VALUE", "Cannot read field groupId of next_visit: it is empty."],
  ])("an entry with %j is refused: %s", (change, code, message) => {
    const fields = { ...byName(visitFields(visit)), detector: "3", ...change } as Record<string, string>;
    expect(refusal(() => visitOfFields(fields))).toEqual({ code, message });
  });

  test.each([
    [{ coordinateSystem: 0 }, "ENUM_VALUE", "Cannot read field coordinateSystem of next_visit: 0 is none of NONE 1, ICRS 2, OBSERVED 3, MOUNT 4."], // prettier-ignore
    [{ rotationSystem: 5 }, "ENUM_VALUE", "Cannot read field rotationSystem of next_visit: 5 is none of NONE 1, SKY 2, HORIZON 3, MOUNT 4."], // prettier-ignore
    [{ salIndex: 2n ** 60n }, "FIELD_TYPE", "Cannot read field salIndex of next_visit: 1152921504606846976 is no whole number."], // prettier-ignore
    [{ position: [] }, "FIELD_VALUE", "Cannot read field position of next_visit: it has 0 coordinates, not two."],
    [{ instrument: undefined }, "FIELD_MISSING", "Cannot read field instrument of next_visit: it is missing."],
    [{ nimages: -1 }, "FIELD_VALUE", "Cannot read field nimages of next_visit: -1 is negative."],
    [{ private_sndStamp: Infinity }, "FIELD_VALUE", "Cannot read field private_sndStamp of next_visit: Infinity is no time."], // prettier-ignore
  ])("a record with %p is refused: %s", (change, code, message) => {
    expect(refusal(() => visitOf({ ...visit, ...change }))).toEqual({ code, message });
  });

  test("a record's other fields are not looked at", () => {
    expect(visitOf({ ...visit, private_origin: "?", unheardOf: {} })).toEqual(visit);
  });
});

test("ages: sent 600 s ago is worth processing with 3600 and 610, not with less", () => {
  const nowMs = Date.parse("2026-01-24T00:00:00Z");
  const sent = { ...visit, private_sndStamp: nowMs / 1000 - 600 + 37 };
  const kept = [3_600, 610, 600, 599.9, 550, 510, 100].map((limit) => !isExpired(visitAgeSeconds(sent, nowMs), limit));
  expect(kept).toEqual([true, true, true, false, false, false, false]);
  expect(visitAgeSeconds({ ...sent, private_sndStamp: sent.private_sndStamp - 0.4 }, nowMs)).toBe(600);
  expect(recordAgeSeconds(nowMs / 1000 - 600.4, nowMs)).toBe(600);
  expect(recordAgeSeconds(nowMs / 1000 - 600.5, nowMs)).toBe(600);
  expect([0, undefined, NaN].map((stamp) => recordAgeSeconds(stamp, nowMs))).toEqual([undefined, undefined, undefined]);
});

describe("streams", () => {
  test("a visit is added once; another of its group takes its place when it was sent later", async () => {
    const add = (one: NextVisit) => addVisit(redis, target, one, [3, 1, 2], 1_000);
    const first = await add(visit);
    expect(first).toMatchObject({ outcome: "added", entries: 3 });
    expect((await entriesOf()).map(({ fields }) => fields.detector)).toEqual(["3", "1", "2"]);
    expect(await add(visit)).toEqual({ ...first, outcome: "repeat" });
    expect(await add({ ...visit, nimages: 2, private_sndStamp: visit.private_sndStamp + 1 })).toMatchObject({ outcome: "replaced", entries: 6 }); // prettier-ignore
    expect(await add(visit)).toMatchObject({ outcome: "older", entries: 6 });
    const entries = await entriesOf();
    expect(entries.map(({ fields }) => fields.nimages)).toEqual(["1", "1", "1", "2", "2", "2"]);
    expect(Object.keys(entries[0]!.fields)).toHaveLength(17);
    expect(await announcedVisit(redis, "LSSTCam", visit.groupId)).toMatchObject({
      sndStamp: visit.private_sndStamp + 1,
      survey: "BLOCK-365",
      detectors: 3,
      stream: target.stream,
      firstId: entries[3]!.id,
      lastId: entries[5]!.id,
    });
    expect(await announcedVisit(redis, "LSSTCam", "another")).toBeUndefined();
  });

  test("a full stream takes no part of a visit, and takes it when workers are done with others", async () => {
    await addVisit(redis, target, visit, [1, 2, 3], 5);
    const other = { ...visit, groupId: "other" };
    expect(await addVisit(redis, target, other, [1, 2, 3], 5)).toMatchObject({ outcome: "full", entries: 3 });
    expect(await announcedVisit(redis, "LSSTCam", "other")).toBeUndefined();
    expect(await trimStream(redis, target.stream)).toEqual({ removed: 0, left: 3 });
    for (const { id } of await read("w", 2)) await redis.xack(target.stream, target.consumerGroup, id);
    expect(await trimStream(redis, target.stream)).toEqual({ removed: 2, left: 1 });
    expect(await addVisit(redis, target, other, [1, 2, 3], 5)).toMatchObject({ outcome: "added", entries: 4 });
    expect(await streamState(redis, target)).toMatchObject({ entries: 4, lag: 4, pending: 0 });
  });

  test("a stream that was deleted has its group again with the next visit, so that workers get it", async () => {
    await addVisit(redis, target, visit, [1], 1_000);
    await redis.del(target.stream);
    await addVisit(redis, target, { ...visit, groupId: "next" }, [1], 1_000);
    expect((await read("w"))[0]!.fields.groupId).toBe("next");
  });

  test("a failed attempt comes again with its number, is a dead letter after the last, and is revived as the first", async () => {
    await addVisit(redis, target, visit, [5], 1_000);
    const options = { stage: "gateway", code: "CRASH", reason: "It died.", maxAttempts: 2 } as const;
    const [first] = await read("a");
    expect(await putBack(redis, target, first!, { ...options, consumer: "b" })).toMatchObject({ outcome: "not-ours" });
    expect(await putBack(redis, target, first!, { ...options, minIdleMs: 60_000 })).toMatchObject({
      outcome: "not-idle",
    });
    const handed = await putBack(redis, target, first!, { ...options, consumer: "a", countsAttempt: false });
    expect(handed).toMatchObject({ outcome: "put-back", attempt: 1 });
    const [again] = await read("b");
    expect(again).toEqual({ id: handed.newId, fields: first!.fields });
    expect(await putBack(redis, target, again!, options)).toMatchObject({ outcome: "put-back", attempt: 2 });
    expect(await putBack(redis, target, again!, options)).toMatchObject({ outcome: "not-pending" });
    const [second] = await read("c");
    expect(attemptOf(second!.fields)).toBe(2);
    expect(visitOfFields(second!.fields)).toEqual({ ...visit, detector: 5 });
    expect(await putBack(redis, target, second!, options)).toMatchObject({ outcome: "dead", attempt: 2 });
    expect(await streamState(redis, target)).toMatchObject({ lag: 0, pending: 0 });
    const [letter] = await parkedLetters(redis);
    expect(letter).toMatchObject({
      stage: "gateway",
      code: "CRASH",
      reason: "It died.",
      instrument: "LSSTCam",
      group: visit.groupId,
      detector: 5,
      source: `${target.stream}/${second!.id}`,
      attempts: 2,
    });
    expect(await reviveLetter(redis, letter!)).toBeDefined();
    expect(await reviveLetter(redis, letter!)).toBeUndefined();
    expect((await read("d"))[0]!.fields).toEqual(first!.fields);
    expect(await letterState(redis)).toMatchObject({ count: 0, added: 1 });
  });

  test("entries without a sign are found, also those that are gone; idle consumers that hold nothing are deleted", async () => {
    await addVisit(redis, target, visit, [1, 2], 1_000);
    const [kept, gone] = await read("lost", 2);
    await redis.xgroup("CREATECONSUMER", target.stream, target.consumerGroup, "idle");
    await redis.xdel(target.stream, gone!.id);
    const stale = await staleEntries(redis, target, 0, 10);
    expect(stale.map(({ id, consumer, fields }) => ({ id, consumer, n: Object.keys(fields).length }))).toEqual([
      { id: kept!.id, consumer: "lost", n: 17 },
      { id: gone!.id, consumer: "lost", n: 0 },
    ]);
    expect(await staleEntries(redis, target, 60_000, 10)).toEqual([]);
    const options = { stage: "gateway", code: "X", reason: "x", maxAttempts: 3 } as const;
    expect(await putBack(redis, target, stale[1]!, options)).toMatchObject({ outcome: "gone" });
    expect(await dropIdleConsumers(redis, target, 60_000)).toBe(0);
    expect(await dropIdleConsumers(redis, target, 0)).toBe(1);
    expect((await redis.xinfo("CONSUMERS", target.stream, target.consumerGroup)) as unknown[]).toHaveLength(1);
  });

  test("trimming removes what every group has read and ended, and nothing else", async () => {
    const groups = ["one", "two"];
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ do: fc.constant("read" as const), group: fc.constantFrom(...groups), count: fc.integer({ min: 1, max: 5 }) }), // prettier-ignore
      fc.record({
        do: fc.constant("end" as const),
        group: fc.constantFrom(...groups),
        count: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ do: fc.constant("trim" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 40, size: "max" }),
        fc.subarray(groups),
        async (steps, made) => {
          await redis.flushdb();
          const stream = "s";
          for (const name of made) await ensureGroup(redis, { stream, consumerGroup: name });
          /** Ids in order; where each group stands, and what it holds. */
          const model = { entries: [] as string[], added: [] as string[], read: new Map(made.map((name) => [name, 0])), held: new Map(made.map((name) => [name, [] as string[]])) }; // prettier-ignore
          for (const one of steps) {
            if (one.do === "add") {
              // Together, as a visit: in the same millisecond.
              const adding = redis.multi();
              for (let i = 0; i < one.count; i++) adding.xadd(stream, "*", "a", "b");
              const ids = (await adding.exec())!.map(([, id]) => id as string);
              model.entries.push(...ids);
              model.added.push(...ids);
            } else if (one.do === "trim") {
              await trimStream(redis, stream);
              const needed = (name: string) => [...model.held.get(name)!, ...model.added.slice(model.read.get(name)!)];
              const first = made.flatMap(needed).map((id) => model.added.indexOf(id));
              const keepFrom = made.length === 0 ? 0 : Math.min(model.added.length, ...first);
              model.entries = model.entries.filter((id) => model.added.indexOf(id) >= keepFrom);
              expect((await redis.xrange(stream, "-", "+")).map(([id]) => id)).toEqual(model.entries);
            } else if (made.includes(one.group)) {
              const held = model.held.get(one.group)!;
              if (one.do === "read") {
                await redis.xreadgroup("GROUP", one.group, "w", "COUNT", one.count, "STREAMS", stream, ">");
                const from = model.read.get(one.group)!;
                held.push(...model.added.slice(from, from + one.count));
                model.read.set(one.group, Math.min(model.added.length, from + one.count));
              } else if (held.length > 0) {
                // Odd ones in any order: the first is not always the first to end.
                const ended = one.count % 2 ? held.splice(-one.count) : held.splice(0, one.count);
                await redis.xack(stream, one.group, ...ended);
              }
            }
          }
          for (const name of made) {
            const lag = model.added.length - model.read.get(name)!;
            const pending = model.held.get(name)!.length;
            expect(await streamState(redis, { stream, consumerGroup: name })).toMatchObject({ lag, pending });
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("dead letters", () => {
  const letter: DeadLetter = { stage: "router", code: "JSON", reason: "r".repeat(1_500), source: "t/0/1", payload: Buffer.alloc(5_000, 1), attempts: 0 }; // prettier-ignore

  test("are kept once a source, cut to size, newest first, and removed by id", async () => {
    expect(await parkLetters(redis, [letter, { ...letter, source: "t/0/2", instrument: "LATISS", group: "g", detector: 0 }])).toBe(2); // prettier-ignore
    expect(await parkLetters(redis, [letter])).toBe(0);
    expect(await parkLetters(redis, [{ ...letter, stage: "fan-out" }])).toBe(1);
    expect(
      await parkLetters(redis, [
        { ...letter, source: "" },
        { ...letter, source: "" },
      ]),
    ).toBe(2);
    const found = await parkedLetters(redis, { count: 4 });
    expect(found.map(({ stage, source }) => `${stage} ${source}`)).toEqual(["router ", "router ", "fan-out t/0/1", "router t/0/2"]); // prettier-ignore
    expect(found[3]).toMatchObject({ instrument: "LATISS", group: "g", detector: 0, attempts: 0 });
    expect([found[3]!.reason.length, found[3]!.payload.length]).toEqual([1_000, 4_096]);
    expect((await parkedLetters(redis, { before: found[3]!.id })).map(({ source }) => source)).toEqual(["t/0/1"]);
    expect(await removeLetters(redis, [found[0]!.id, "1-1"])).toBe(1);
    expect(await letterState(redis)).toEqual({ count: 4, added: 5, limit: 20_000 });
    expect(await reviveLetter(redis, found[2]!)).toBeUndefined();
  });
});
