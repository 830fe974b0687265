import { schemasTopic } from "../../components/sasquatch/plan";
import { deadLettersOf, replayDeadLetters } from "../../local/sasquatch/deadLetters";
import { moveGroup, placesAt } from "../../local/sasquatch/moveGroup";
import { type RunningRegistry, startRegistry } from "../../local/services";
import { DeadLetters } from "../../workloads/src/connector/deadLetters";
import { parkMessages } from "../../workloads/src/lib/deadLetters";
import { createLogger } from "../../workloads/src/lib/log";
import { testAddress, until } from "../support/network";
import { mirrorOf, salTopicNames } from "../support/mirrorOf";
import { registerSchema } from "../support/registry";
import { otherOf, ReplicationStand, sites } from "../support/replication";

/** Here both sites have so many; test/bench/replication.bench.ts takes 1,000. */
const topicsOfEach = 12;
const event = "lsst.sal.ScriptQueue.logevent_nextVisit";
const late = "lsst.sal.Late.logevent_heartbeat";
const group = "prompt-processing";
/** Set with each change of its retention. */
const kept = { "max.message.bytes": "2000000", "unclean.leader.election.enable": "true" };
const topics = [event, ...salTopicNames().filter((topic) => topic !== event).slice(0, topicsOfEach - 1)]; // prettier-ignore

const stand = new ReplicationStand(topics, mirrorOf);
const registries: RunningRegistry[] = [];

beforeAll(() => stand.startBrokers());
afterAll(async () => {
  await Promise.all(registries.map((registry) => registry.stop()));
  await stand.stop();
});

test("both ways, each site killed once: each message is at the other once, in order, and none comes back", async () => {
  const schemas = startRegistry({
    dir: `${stand.folder.dir}/registry-summit`,
    address: testAddress(5),
    journal: { bootstrap: stand.broker.summit.bootstrap, kafkaTopic: schemasTopic },
  });
  await stand.configure("summit", event, { ...kept, "retention.ms": "3600000" });
  await Promise.all([schemas, stand.startMirrors(), ...sites.map((site) => stand.send(site, topics))]);
  registries.push(await schemas);
  const first = await registerSchema(registries[0]!.url, "lsst.sal.Test.scalars-value", schemaOf("first"));

  await stand.whileWriting(topics, async () => {
    await stand.mirrored("summit");
    await stand.crash("summit");
    await stand.createTopics("summit", [late]);
    await stand.configure("summit", event, { ...kept, "retention.ms": "7200000" }); // a mirror looks when it starts, and every ten minutes
    await stand.crash("usdf");
  });
  // The last message of each topic: what a mirror repeats of earlier ones comes before it.
  await Promise.all([stand.send("summit", [...topics, late]), stand.send("usdf", topics)]);
  for (const site of sites) {
    await stand.mirrored(site);
    const [source, mirrored] = await Promise.all([stand.readAll(site, site), stand.readAll(otherOf(site), site)]);
    for (const [topic, sent] of stand.acknowledged[site]) {
      expect({ topic, messages: mirrored.get(topic) }).toEqual({ topic, messages: source.get(topic) });
      expect({ topic, values: source.get(topic)!.map(({ value }) => value) }).toEqual({ topic, values: sent });
    }
  }
  for (const site of sites) {
    const names = (await stand.admin[site].listTopics()).filter((topic) => topic.includes("lsst."));
    const fromOther = [...stand.acknowledged[otherOf(site)].keys()].map((topic) => `${otherOf(site)}.${topic}`);
    expect(names.sort()).toEqual([...stand.acknowledged[site].keys(), ...fromOther].sort());
    const states = Object.values(await stand.mirror[site].states());
    expect(states).toEqual(states.map(() => "RUNNING"));
  }

  // What the Summit says of how long a topic is kept holds for its mirror; how it is replicated does not.
  const mirroredConfig = () => stand.configOf("usdf", `summit.${event}`, ["retention.ms", ...Object.keys(kept)]);
  await until("the configuration of a mirrored topic", async () => (await mirroredConfig())["retention.ms"] === "7200000", { state: mirroredConfig }); // prettier-ignore
  expect(await mirroredConfig()).toEqual({ "retention.ms": "7200000", "max.message.bytes": "2000000", "unclean.leader.election.enable": "false" }); // prettier-ignore

  // A second registry at USDF over the mirrored topic of the schemas: ids of the Summit mean the same there.
  const remote = await startRegistry({
    dir: `${stand.folder.dir}/registry-usdf`,
    address: testAddress(6),
    journal: { bootstrap: stand.broker.usdf.bootstrap, kafkaTopic: `summit.${schemasTopic}` },
  });
  registries.push(remote);
  const second = await registerSchema(registries[0]!.url, "lsst.sal.Test.arrays-value", schemaOf("second"));
  expect(second).not.toBe(first);
  const known = [[first, "first"], [second, "second"]] as const; // prettier-ignore
  for (const [id, field] of known)
    await until(`schema ${id} at USDF`, async () => {
      expect(await schemaAt(remote.url, id)).toEqual(schemaOf(field));
      return true;
    });
});

test("a consumer fails over to the other site and back: nothing is missed, little is repeated", async () => {
  const mirrored = `summit.${event}`;
  const all = () => stand.acknowledged.summit.get(event)!;
  expect(await stand.readAsGroup("summit", group, event)).toEqual(all());

  // Failover: its place has followed it.
  const behind = await stand.committed("summit", group, event);
  await until("its offsets at USDF", async () => (await stand.committed("usdf", group, mirrored)) > 0, {
    state: () => stand.mirror.usdf.states(),
  });
  for (let turn = 0; turn < 5; turn++) await stand.send("summit", [event]);
  const atUsdf = await stand.readAsGroup("usdf", group, event);
  expect(atUsdf).toEqual(all().slice(-atUsdf.length)); // in order, without a gap
  expect(atUsdf.length).toBeGreaterThanOrEqual(5);
  expect(atUsdf.length - 5).toBeLessThanOrEqual(Math.min(100, behind)); // offset.lag.max of MirrorMaker

  // Failback: by the time of what it read last.
  for (let turn = 0; turn < 5; turn++) await stand.send("summit", [event]);
  const { usdf, summit } = stand.kafka;
  const places = await placesAt(usdf, summit, group, (topic) => (topic === mirrored ? event : undefined));
  expect(places).toMatchObject([{ fromTopic: mirrored, toTopic: event, partition: 0 }]);
  await moveGroup(summit, group, places);
  const back = await stand.readAsGroup("summit", group, event);
  expect(back).toEqual(all().slice(-back.length));
  expect(back.length).toBeGreaterThanOrEqual(5);
  expect(back.length - 5).toBeLessThanOrEqual(25);
});

test("dead letters are listed with their reason, and put back once, as they were", async () => {
  const kafka = stand.kafka.summit;
  const deadLetterTopic = "dead-letters.weather";
  await stand.createTopics("summit", ["weather.station", deadLetterTopic]);
  const producer = kafka.producer();
  await producer.connect();
  const record = (offset: string, value: string) => ({
    topic: "weather.station",
    partition: 0,
    message: {
      ...{ key: Buffer.from("key"), value: Buffer.from(value), timestamp: "1780000000000", attributes: 0, offset },
      headers: { origin: Buffer.from("mast") },
    },
  });
  const connector = new DeadLetters({
    ...{ producer, topic: deadLetterTopic, connector: "connector-weather", isAvro: false },
    log: createLogger("test", "fatal"),
    stop: new AbortController().signal,
  });
  await connector.park([{ origin: record("7", "first"), code: "MESSAGE", reason: "It is no JSON." }]);
  const lost = { ...record("8", "second"), code: "SCHEMA_UNKNOWN", reason: "The registry has no schema 5." };
  await parkMessages(producer, deadLetterTopic, "parquet", [lost]);
  await producer.disconnect();

  const letters = await deadLettersOf(kafka, undefined, 10);
  const at = {
    deadLetterTopic,
    partition: 0,
    topic: "weather.station",
    topicPartition: 0,
    time: "2026-05-28T20:26:40.000Z",
  };
  expect(letters).toEqual([
    { ...at, offset: "0", topicOffset: "7", code: "MESSAGE", reason: "It is no JSON." },
    { ...at, offset: "1", topicOffset: "8", code: "SCHEMA_UNKNOWN", reason: "The registry has no schema 5." },
  ]);
  expect(await deadLettersOf(kafka, deadLetterTopic, 1)).toEqual(letters.slice(1));

  expect(await replayDeadLetters(kafka, deadLetterTopic, { dryRun: true })).toEqual({ "weather.station": 2 });
  expect(await replayDeadLetters(kafka, deadLetterTopic)).toEqual({ "weather.station": 2 });
  expect(await replayDeadLetters(kafka, deadLetterTopic)).toEqual({});
  const original = { key: "key", headers: { origin: "mast" }, timestamp: "1780000000000" };
  expect(await stand.read("summit", "weather.station", 2)).toEqual([
    { value: "first", ...original },
    { value: "second", ...original },
  ]);
});

const schemaOf = (field: string) => ({
  type: "record",
  name: "Test",
  fields: [{ name: field, type: "double", default: 0 }],
});

async function schemaAt(url: string, id: number): Promise<unknown> {
  const answer = await fetch(`${url}/schemas/ids/${id}`);
  return answer.ok ? JSON.parse(((await answer.json()) as { schema: string }).schema) : undefined;
}
