import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { readRoutes } from "../../../workloads/src/fan-out/config";
import type { FanOutDocument } from "../../../workloads/src/fan-out/contract";
import { handleLetters } from "../../../local/prompt/deadLetters";
import { Kafka, logLevel } from "../../../workloads/src/lib/kafkajs";
import { parkedLetters, parkLetters, promptKey } from "../../../workloads/src/lib/visits";
import { kafkaAnnouncer } from "../../../workloads/src/upload/announce";
import { nextVisitOf } from "../../../workloads/src/upload/nextVisit";
import { testAddress, testFolder, until } from "../../support/network";
import { askPython } from "./fanOutOracle";
import { activeDetectors, encoded, nextVisitSchema, PromptStand, type Registered, routeOf } from "./stand";

let stand: PromptStand;
let schema: Registered;
const all = (count: number) => Array.from({ length: count }, (_, id) => id);
const document: FanOutDocument = {
  instruments: {
    LSSTCam: routeOf("lsstcam", activeDetectors),
    LATISS: routeOf("latiss", [0]),
    HSC: routeOf("hsc", all(103)),
  },
  testVisits: { "HSC-TEST-59134": [0, 4, 5], "LSSTCam-TEST-2026010100039": [30, 173] },
};

beforeAll(async () => {
  stand = await PromptStand.start("fan-out", 85);
  schema = await stand.register("nextVisit");
});
afterAll(() => stand?.stop());
beforeEach(() => stand.redis.flushdb());
afterEach(() => stand.stopPods());

const event = (visit: Record<string, unknown>) => encoded(schema, visit);
const detectorsOf = (entries: Record<string, string>[], group: unknown) =>
  entries.filter(({ groupId }) => groupId === group).map(({ detector }) => Number(detector));
const lettersByCode = async () => new Map((await parkedLetters(stand.redis)).map((letter) => [letter.code, letter]));

test("what cannot be fanned out is a dead letter with its reason, or counted, and costs no good neighbour", async () => {
  const topic = await stand.topic();
  const old = await stand.register(`${topic}-old`, nextVisitSchema("instrument", "startTime"));
  const [first, last] = [stand.visit(), stand.visit({ instrument: "LATISS", salIndex: 2, nimages: 0, filters: "SDSSi_65mm~empty" })]; // prettier-ignore
  const good = event(first);
  const now = Date.now() / 1000;
  const zero = stand.visit({ dome: 0 });
  await stand.send(topic, [
    good,
    Buffer.from("garbage"), // 0x67 first
    Buffer.concat([good.subarray(0, 5), Buffer.from([2, 3])]),
    Buffer.concat([Buffer.from([0, 0, 0, 39, 15]), good.subarray(5)]),
    event(zero),
    event(stand.visit({ position: [] })),
    encoded(old, stand.visit()),
    event(stand.visit({ instrument: "LSSTCamm" })),
    event({ ...stand.visit({ instrument: "" }), coordinateSystem: 0 }),
    event(stand.visit({ instrument: "LSSTComCam" })),
    event(stand.visit({ private_efdStamp: now - 3_700 })),
    event(stand.visit({ private_efdStamp: now - 3_500, salIndex: 2_026_010_100_039 })),
    event(stand.visit({ private_efdStamp: 0, instrument: "HSC", salIndex: 59_134 })),
    event(stand.visit({ instrument: "HSC", salIndex: 999 })),
    null,
    event(last),
    good,
  ]);
  const pod = await stand.fanOut(topic, document);
  await stand.committedBecomes(topic, 17);

  const entries = await stand.entries("instrument:lsstcam");
  expect(detectorsOf(entries, first.groupId)).toEqual(activeDetectors);
  expect(entries.slice(172).map(({ detector }) => detector)).toEqual(["30", "173"]);
  expect((await stand.entries("instrument:hsc")).map(({ detector }) => Number(detector))).toEqual([
    0,
    4,
    5,
    ...all(103),
  ]);
  const [latiss, ...more] = await stand.entries("instrument:latiss");
  expect(more).toEqual([]);
  // Python reads from the entries what was announced.
  const [asRead, latissAsRead] = askPython({ entries: [entries[0]!, latiss!] }).entries;
  const private_ = /^private_(?!sndStamp)/;
  const announced = (visit: object) => Object.fromEntries(Object.entries(visit).filter(([name]) => !private_.test(name))); // prettier-ignore
  expect(asRead).toEqual({ ...announced(first), detector: activeDetectors[0] });
  expect(latissAsRead).toEqual({ ...announced(last), detector: 0 });

  const letters = await lettersByCode();
  const url = stand.registry.url;
  expect(
    Object.fromEntries(
      [...letters].map(([code, { source, reason }]) => [code, `${source.slice(topic.length)} ${reason}`]),
    ),
  ).toEqual({
    FIELD_MISSING: "/0/6 Cannot read field instrument of next_visit: it is missing.",
    FIELD_VALUE: "/0/5 Cannot read field position of next_visit: it has 0 coordinates, not two.",
    ENUM_VALUE: "/0/4 Cannot read field dome of next_visit: 0 is none of CLOSED 1, OPEN 2, EITHER 3.",
    SCHEMA_UNKNOWN: `/0/3 The schema registry ${url} has no schema 9999. Give the registry that the producer uses, of its own cluster.`,
    MESSAGE: "/0/1 Cannot read the message: it begins with byte 103, not with the 0 of Confluent's format.",
    UNKNOWN_INSTRUMENT: '/0/7 Cannot fan out a visit of instrument "LSSTCamm": there is no such camera.',
  });
  expect(letters.get("ENUM_VALUE")).toMatchObject({ stage: "fan-out", instrument: "LSSTCam", group: zero.groupId, payload: event(zero) }); // prettier-ignore
  expect((await parkedLetters(stand.redis)).map(({ source }) => Number(source.split("/")[2])).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]); // prettier-ignore

  const text = await (await fetch(`${pod.url}/metrics`)).text();
  const outcomes = [...text.matchAll(/^usdf_fan_out_visits_total\{outcome="(\w+)",instrument="(\w*)"\} (\d+)$/gm)];
  expect(outcomes.map(([, outcome, instrument, count]) => `${instrument} ${outcome} ${count}`).sort()).toEqual([
    " empty 1",
    " no_observation 1",
    "hsc fanned_out 2",
    "latiss fanned_out 1",
    "lsstcam dead_letter 2",
    "lsstcam expired 1",
    "lsstcam fanned_out 2",
    "lsstcam repeat 1",
    "lsstcomcam not_served 1",
    "unknown dead_letter 5",
  ]);
  expect(text).toContain('usdf_fan_out_next_visit_messages_total{instrument="lsstcam"} 174\n');

  // What a person gives back is read again: done where it is right by now, a dead letter anew where nothing has changed.
  const mended = stand.visit({ instrument: "LATISS" });
  const letter = { stage: "fan-out", code: "SCHEMA_UNKNOWN", reason: "", attempts: 0 } as const;
  await parkLetters(stand.redis, [{ ...letter, source: `${topic}/0/99`, payload: event(mended) }]);
  const faulty = letters.get("ENUM_VALUE")!.id;
  const [given] = await parkedLetters(stand.redis);
  process.env.REDIS_PASSWORD = stand.password;
  const said = jest.spyOn(console, "log").mockImplementation(() => undefined);
  const where = { redisUrl: `redis://${stand.redisServer.host}:6379`, json: true };
  await handleLetters("retry", [given!.id, faulty], where);
  expect(JSON.parse(said.mock.calls[0]![0] as string)).toEqual({ retried: [given!.id, faulty], kept: [], missing: [] });
  await until("both are read again", async () => (await stand.redis.xlen(promptKey.retries("fan-out"))) === 0);
  expect(detectorsOf(await stand.entries("instrument:latiss"), mended.groupId)).toEqual([0]);
  const again = (await lettersByCode()).get("ENUM_VALUE")!;
  expect({ ...again, id: "", at: "" }).toEqual({ ...letters.get("ENUM_VALUE")!, id: "", at: "" });
  expect(again.id).not.toBe(faulty);
  await handleLetters("drop", [again.id, "1-1"], where);
  expect(JSON.parse(said.mock.calls[1]![0] as string)).toEqual({ dropped: [again.id], kept: [], missing: ["1-1"] });
  expect((await lettersByCode()).has("ENUM_VALUE")).toBe(false);
});

test("begins with what comes after it joined, and after a stop where it was; SIGTERM ends it well", async () => {
  const topic = await stand.topic();
  const group = (n: number) => `group-${n}`;
  const send = (n: number) => stand.send(topic, [event(stand.visit({ instrument: "LATISS", groupId: group(n) }))]);
  await send(1);
  const pod = await stand.fanOut(topic, document, { OFFSET: "latest" });
  expect(await stand.committed(topic)).toBe(1);
  await send(2);
  await stand.committedBecomes(topic, 2);
  expect(await pod.stop()).toBe(0);
  await send(3);
  await stand.fanOut(topic, document, { OFFSET: "latest" });
  await stand.committedBecomes(topic, 3);
  const entries = await stand.entries("instrument:latiss");
  expect(entries.map(({ groupId }) => groupId)).toEqual([group(2), group(3)]);
});

test("a full stream makes it wait until workers have read, and no visit is lost", async () => {
  const topic = await stand.topic();
  const visits = all(8).map(() => stand.visit());
  await stand.send(topic, visits.map(event));
  const pod = await stand.fanOut(topic, document, { STREAM_MAX_ENTRIES: "1000", HOUSEKEEPING_SECONDS: "600" });
  await until("the stream to be full", async () => (await pod.metric("usdf_fan_out_stream_full_total")) > 0);
  expect(await stand.redis.xlen("instrument:lsstcam")).toBe(5 * 172);
  const read: Record<string, string>[] = [];
  await until("everything to be read", async () => {
    const found = (await stand.redis.xreadgroup("GROUP", "lsstcam_consumer_group", "w", "COUNT", 500, "NOACK", "STREAMS", "instrument:lsstcam", ">")) as [string, [string, string[]][]][] | null; // prettier-ignore
    for (const [, flat] of found?.[0]?.[1] ?? []) read.push({ groupId: flat[flat.indexOf("groupId") + 1]!, detector: flat.at(-1)! }); // prettier-ignore
    return read.length >= 8 * 172;
  });
  expect(visits.map(({ groupId }) => detectorsOf(read, groupId))).toEqual(all(8).map(() => activeDetectors));
  await stand.committedBecomes(topic, 8);
});

test("a stream that stays full holds up no other instrument; what waits for it expires", async () => {
  const topic = await stand.topic();
  await stand.fanOut(topic, document, { STREAM_MAX_ENTRIES: "1000", MESSAGE_EXPIRATION: "6" });
  const unread = stand.redis.pipeline();
  for (let i = 0; i < 900; i++) unread.xadd("instrument:lsstcam", "*", "groupId", "unread");
  await unread.exec();
  const stuck = stand.visit();
  const others = all(3).map(() => stand.visit({ instrument: "LATISS" }));
  await stand.send(topic, [stuck, ...others].map(event));
  await until("the others to be fanned out", async () => (await stand.redis.xlen("instrument:latiss")) === 3);
  expect(await stand.committed(topic)).toBeLessThanOrEqual(0); // none yet, or that nothing before the stuck one is left
  await stand.committedBecomes(topic, 4);
  expect(await stand.redis.xlen("instrument:lsstcam")).toBe(900);
});

test("Redis and fan-out killed while visits come: each detector of each visit is in the stream once", async () => {
  const topic = await stand.topic();
  const count = 120;
  const visits = all(count).map(() => stand.visit());
  const values = visits.map(event);
  const pod = await stand.fanOut(topic, document, { HOUSEKEEPING_SECONDS: "600" });
  const seen = (least: number) => async () =>
    (await stand.redis.xlen("instrument:lsstcam").catch(() => 0)) >= least * 172;
  await stand.send(topic, values.slice(0, 80));
  await until("the first visits", seen(1), { pollMs: 5 });
  await stand.redisServer.restart("SIGKILL");
  await until("some more", seen(40), { pollMs: 5 });
  pod.kill("SIGKILL");
  await stand.send(topic, values.slice(80)); // those before may have been done
  await stand.committedBecomes(topic, count);
  expect(pod.restarts).toBe(1);
  const entries = await stand.entries("instrument:lsstcam");
  const byGroup = new Map<string, number[]>();
  for (const { groupId, detector } of entries) byGroup.set(groupId!, [...(byGroup.get(groupId!) ?? []), Number(detector)]); // prettier-ignore
  expect(byGroup.size).toBe(count);
  for (const [group, detectors] of byGroup) expect({ group, detectors }).toEqual({ group, detectors: activeDetectors });
});

test("looks after its streams: trims, gives entries of lost workers to others, deletes consumers that went", async () => {
  const topic = await stand.topic();
  const small = { instruments: { LATISS: routeOf("latiss", [0, 1, 2]) } };
  const pod = await stand.fanOut(topic, small, {
    HOUSEKEEPING_SECONDS: "0.2",
    MAX_PENDING_SECONDS: "1",
    CONSUMER_IDLE_SECONDS: "1",
    MAX_ATTEMPTS: "2",
  });
  await stand.send(topic, [event(stand.visit({ instrument: "LATISS" }))]);
  await stand.committedBecomes(topic, 1);
  const read = (consumer: string, count: number) => stand.redis.xreadgroup("GROUP", "latiss_consumer_group", consumer, "COUNT", count, "STREAMS", "instrument:latiss", ">"); // prettier-ignore
  await read("dies", 3);
  await until("them to be given back", async () => (await pod.metric("usdf_fan_out_stream_put_back_total")) === 3);
  expect((await stand.entries("instrument:latiss")).slice(-3).map(({ detector, attempt }) => `${detector} ${attempt}`)).toEqual(["0 2", "1 2", "2 2"]); // prettier-ignore
  await read("dies-too", 3);
  await until("them to be dead letters", async () => (await pod.metric("usdf_fan_out_stream_put_back_total")) === 6);
  await until("the consumers to be deleted", async () => ((await stand.redis.xinfo("CONSUMERS", "instrument:latiss", "latiss_consumer_group")) as unknown[]).length === 0); // prettier-ignore
  await until("the stream to be trimmed", async () => (await stand.redis.xlen("instrument:latiss")) === 0);
  const letters = await parkedLetters(stand.redis);
  expect(letters.map(({ code, detector, attempts }) => `${code} ${detector} ${attempts}`)).toEqual(["WORKER_LOST 2 2", "WORKER_LOST 1 2", "WORKER_LOST 0 2"]); // prettier-ignore
  expect(letters[0]!.reason).toMatch(/^Worker dies-too gave no sign for \d+ s\.$/);
  // A stream that somebody deleted is there again, with its group.
  await stand.redis.del("instrument:latiss");
  await until("the group", async () => ((await stand.redis.xinfo("GROUPS", "instrument:latiss").catch(() => [])) as unknown[]).length === 1); // prettier-ignore
});

describe("HTTP", () => {
  /** A worker's service: answers by the detector, and by how often it was asked for it. */
  let service: Server;
  let url: string;
  const posts: { type: string | undefined; body: string; detector: number }[] = [];
  let answer: (detector: number, time: number) => { status: number; retryAfter?: string } | undefined;

  beforeAll(async () => {
    service = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const detector = Number((JSON.parse(body) as { id: string }).id.split("/").at(-1));
        posts.push({ type: request.headers["content-type"], body, detector });
        const given = answer(detector, posts.filter((post) => post.detector === detector).length);
        if (!given) return; // never
        response.writeHead(given.status, given.retryAfter === undefined ? {} : { "retry-after": given.retryAfter });
        response.end(given.status === 500 ? "No such luck" : "");
      });
    });
    await new Promise<void>((resolve) => service.listen(0, testAddress(88), resolve));
    url = `http://${testAddress(88)}:${(service.address() as AddressInfo).port}/next-visit`;
  });
  beforeEach(() => void posts.splice(0));
  afterAll(() => {
    service.closeAllConnections();
    service.close();
  });

  test("an offset is committed when every worker has answered for good; after a restart only the others are asked again", async () => {
    const topic = await stand.topic();
    const visit = stand.visit({ instrument: "HSC" });
    const http = { instruments: { HSC: routeOf("hsc", [0, 1, 2, 3, 4, 5, 6], url) } };
    const env = { DELIVERY: "http", HTTP_MAX_RETRY_DELAY: "0.05", HTTP_RETRIES: "2" };
    let isSlow = true;
    answer = (detector, time) => {
      if (detector === 1 && time === 1) return { status: 503, retryAfter: "30" };
      if (detector === 2) return { status: 500 };
      if (detector === 3) return { status: 503, retryAfter: "0" };
      if (detector === 4) return { status: 422 };
      if (detector === 6 && isSlow) return undefined;
      return { status: 200 };
    };
    await stand.send(topic, [event(visit)]);
    const pod = await stand.fanOut(topic, http, env);
    await until("answers", async () => (await pod.metric("usdf_fan_out_in_process_requests")) === 1 && posts.length === 10); // prettier-ignore
    expect(all(7).map((detector) => posts.filter((post) => post.detector === detector).length)).toEqual([1, 2, 1, 3, 1, 1, 1]); // prettier-ignore
    expect(await stand.committed(topic)).toBe(-1);
    pod.kill("SIGKILL");
    isSlow = false;
    await stand.committedBecomes(topic, 1);
    expect(posts.slice(10).map(({ detector }) => detector)).toEqual([6]);

    const head = (await stand.redis.hgetall(`visit:HSC:${String(visit.groupId)}`)).detectors;
    expect(head).toBe("7");
    expect(posts[0]!.type).toBe("application/cloudevents+json");
    const { data, time, ...attributes } = JSON.parse(posts.find(({ detector }) => detector === 5)!.body) as Record<string, string>; // prettier-ignore
    expect(attributes).toEqual({ specversion: "1.0", id: `${topic}/0/0/5`, source: topic, type: "com.example.kafka" });
    expect(typeof data).toBe("string");
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const [asRead] = askPython({ events: [posts.find(({ detector }) => detector === 5)!.body] }).events;
    expect(asRead).toMatchObject({ groupId: visit.groupId, position: visit.position, nimages: 1, detector: 5 });
    expect(Object.keys(asRead!)).toHaveLength(17);
    const letters = await parkedLetters(stand.redis);
    expect(
      letters
        .map(({ code, detector, reason, attempts }) => ({ code, detector, reason, attempts }))
        .sort((a, b) => a.detector! - b.detector!),
    ).toEqual([
      { code: "HTTP_STATUS", detector: 2, reason: `${url} answered 500: No such luck.`, attempts: 1 },
      { code: "HTTP_STATUS", detector: 3, reason: `${url} answered 503.`, attempts: 3 },
    ]);
  });

  test("a worker that is away is waited for, one that does not answer in time is a dead letter; a stop ends waiting", async () => {
    const topic = await stand.topic();
    const away = `http://${testAddress(89)}:1/`;
    const http = { instruments: { HSC: routeOf("hsc", [0], away), LATISS: routeOf("latiss", [0], url) } };
    answer = () => undefined;
    await stand.send(
      topic,
      ["LATISS", "HSC"].map((instrument) => event(stand.visit({ instrument }))),
    );
    const pod = await stand.fanOut(topic, http, { DELIVERY: "http", HTTP_TIMEOUT: "0.3", HTTP_MAX_RETRY_DELAY: "0.1" });
    await stand.committedBecomes(topic, 1);
    await until("attempts", async () => (await pod.metric("usdf_fan_out_http_answers_total")) > 3);
    expect(await pod.stop()).toBe(0);
    expect(await stand.committed(topic)).toBe(1);
    const [letter, ...more] = await parkedLetters(stand.redis);
    expect(more).toEqual([]);
    expect(letter).toMatchObject({ code: "HTTP_TIMEOUT", instrument: "LATISS", reason: `POST to ${url} failed: no answer in 0.3 s.` }); // prettier-ignore
  });
});

test("takes what testers announce: by the newest schema of the topic, and by theirs where it has none", async () => {
  const [topic, other] = [await stand.topic(), await stand.topic("other")];
  const kafka = new Kafka({ brokers: [stand.kafka.bootstrap], logLevel: logLevel.NOTHING });
  const registryUrl = stand.registry.url;
  const target = { kafka, topic, registryUrl, registryTimeoutMs: 10_000, register: false };
  await expect(kafkaAnnouncer(target)).rejects.toThrow(
    `The registry ${registryUrl} has no schema of ${topic}-value. Correct the topic, or allow to register one (REGISTER_SCHEMA).`,
  );
  const announce = async (group: string) => {
    const announcer = await kafkaAnnouncer({ ...target, register: true });
    const [sentUtcMs, sentTaiMs] = [Date.now(), Date.now() + 37_000];
    await announcer.send(
      nextVisitOf({
        ...{ instrument: "LATISS", group, salIndex: 2, survey: "SURVEY", snaps: 1, durationSeconds: 20 },
        ...{ pointing: { position: [10.5, -30.25], rotation: null }, physicalFilter: "SDSSi_65mm~empty" },
        ...{ sentUtcMs, sentTaiMs, beginTaiMs: sentTaiMs + 2_000 },
      }),
    );
    await announcer.close();
  };
  await announce("first");
  const { fields, ...record } = nextVisitSchema() as { fields: object[] };
  await stand.register(topic, { ...record, fields: [...fields, { name: "later", type: "string", default: "" }] });
  await announce("second");
  await stand.fanOut(topic, document);
  await stand.committedBecomes(topic, 2);
  const entries = await stand.entries("instrument:latiss");
  expect(entries.map(({ groupId, position, rotationSystem }) => [groupId, position, rotationSystem]).sort()).toEqual([
    ["first", "[10.5, -30.25]", "1"],
    ["second", "[10.5, -30.25]", "1"],
  ]);
  expect(await parkedLetters(stand.redis)).toEqual([]);

  const { id } = await stand.register(other, nextVisitSchema("instrument", "survey"));
  await expect(kafkaAnnouncer({ ...target, topic: other })).rejects.toThrow(
    `The schema of ${other}-value (id ${id}) has no instrument, survey: is ${other} a topic of next_visit?`,
  );
});

test("every fault of the document is named at once", () => {
  const folder = testFolder("fan-out-config");
  const file = join(folder.dir, "instruments.yaml");
  const faults = (text: string, DELIVERY: "redis" | "http" = "redis") => {
    writeFileSync(file, text);
    try {
      readRoutes({ INSTRUMENT_CONFIG_FILE: file, DELIVERY });
    } catch (error) {
      return (error as Error).message.replaceAll(file, "FILE").split("\n").slice(1);
    }
    return [];
  };
  try {
    const latiss = "LATISS: {stream: s, consumerGroup: g, detectors: [0, 0]}";
    expect(faults(`instruments: {${latiss}}\ntestVisits: {HSC-TEST-59134: [1]}`, "http")).toEqual([
      "  - INSTRUMENT_CONFIG_FILE FILE: instruments.LATISS names detector 0 twice",
      "  - INSTRUMENT_CONFIG_FILE FILE: instruments.LATISS has no url: DELIVERY is http",
      "  - INSTRUMENT_CONFIG_FILE FILE: testVisits.HSC-TEST-59134 is of HSC, which is not among the instruments",
    ]);
    expect(faults("instruments: {LATISS: {stream: s, detectors: [-1], extra: 1}}")).toEqual([
      "  - INSTRUMENT_CONFIG_FILE FILE: instruments.LATISS.consumerGroup: Invalid input: expected string, received undefined",
      "  - INSTRUMENT_CONFIG_FILE FILE: instruments.LATISS.detectors.0: Too small: expected number to be >=0",
      '  - INSTRUMENT_CONFIG_FILE FILE: instruments.LATISS: Unrecognized key: "extra"',
    ]);
    expect(faults("instruments: {}")).toEqual(["  - INSTRUMENT_CONFIG_FILE FILE: instruments is empty"]);
  } finally {
    folder.remove();
  }
});
