import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../support/network";
import { type ConnectorStand, encoded, salSchema } from "./stand";

const baseS = 1_764_000_000;
/** A minute of it, with more records, is test/bench/connectorStorm.bench.ts. */
const storm = { rounds: 6, sendsOfRound: 1 };
const range = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

/**
 * What the connector lives through. They are tests of connector.test.ts, whose services they restart.
 * @param theStand - The stand, once it is there.
 */
export function survives(theStand: () => ConnectorStand): void {
  let stand: ConnectorStand;
  beforeAll(() => (stand = theStand()));

  test("broker, registry, InfluxDB and members go down; schemas change; poison and clock jumps: what was sent is what is stored", async () => {
    const csc = stand.unique("Storm");
    const topics = ["a", "b"].map((topic) => `lsst.sal.${csc}.${topic}`);
    const name = stand.unique("storm");
    for (const topic of topics) await stand.createTopic(topic, 2);
    const expected = new Map(topics.map((topic) => [topic, new Map<string, object>()]));
    const poison = new Set<string>();
    let sent = 0;
    /** 500 records to each topic, by a schema of its own; each hundredth is poison. Times go back and forth. */
    const send = async (more: readonly { name: string; type: string; default: unknown }[]) => {
      const numbers = range(500, sent);
      sent += numbers.length;
      for (const topic of topics) {
        const registered = await stand.register(
          `${topic}-value`,
          salSchema(topic, [{ name: "n", type: "int" }, ...more]),
        );
        const messages = numbers.map((n) => {
          const offsetS = n % 3 ? n : -n; // the producer's clock jumps
          const fields = {
            private_efdStamp: baseS + offsetS,
            n,
            ...Object.fromEntries(more.map((field) => [field.name, n / 8])),
          };
          if (n % 100 === 50) {
            const bad =
              n % 200 === 50
                ? Buffer.from(`poison ${topic} ${n}`)
                : encoded(registered, { ...fields, private_efdStamp: n });
            poison.add(bad.toString("hex"));
            return { value: bad, partition: n % 2 };
          }
          expected.get(topic)!.set(`${BigInt(baseS + offsetS) * 1_000_000_000n}`, fields);
          return { value: encoded(registered, fields), partition: n % 2 };
        });
        await stand.producer.send({ topic, messages });
      }
    };
    const pattern = `lsst\\.sal\\.${csc}\\..*`;
    await stand.createTopic(`dead.${name}`);
    const pods = await Promise.all(
      [61, 62].map((host) => stand.connector(name, pattern, {}, { host, member: `-${host}` })),
    );
    const added = { name: "x", type: "double", default: 0 };
    await send([]);
    const influx = stand.influxdb.restart("SIGKILL");
    await send([added]); // forward
    await influx;
    await stand.kafka.restart("SIGKILL");
    await send([]); // and back
    const registry = stand.registry.restart("SIGKILL");
    const third = stand.connector(name, pattern, {}, { host: 63, member: "-63" });
    await registry;
    await send([added, { name: "y", type: "double", default: 0 }]);
    // Members come and go: every second one ends, in order or not, and is started again.
    const members = [...pods, await third];
    for (let round = 0; round < storm.rounds; round++) {
      members[round % 3]!.kill(round % 2 ? "SIGTERM" : "SIGKILL");
      const second = sleep(1_000);
      for (let sends = 0; sends < storm.sendsOfRound; sends++) await send([added]);
      await second;
    }
    await members[2]!.stop();
    await send([]);
    const good = expected.get(topics[0]!)!.size;
    for (const topic of topics) {
      const points = await stand.stored(topic, good);
      expect(new Map(points.map(({ timeNs, fields }) => [String(timeNs), fields]))).toEqual(expected.get(topic));
    }
    const dead = await stand.deadLetters(name, poison.size);
    expect(new Set([...dead.values()].map(({ message }) => message.value!.toString("hex")))).toEqual(poison);
    for (const topic of topics) await stand.committedBecomes(name, topic, await ends(stand, topic));
  });

  test("offsets that the topic has not, as after it was made anew, mean its beginning", async () => {
    const topic = `lsst.sal.${stand.unique("Anew")}.t`;
    const name = stand.unique("anew");
    await stand.createTopic(topic);
    const registered = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "int" }]));
    await stand.send(
      topic,
      range(20).map((n) => encoded(registered, { private_efdStamp: baseS + n, n })),
    );
    await stand.admin.setOffsets({ groupId: name, topic, partitions: [{ partition: 0, offset: "5000" }] });
    await stand.connector(name, topic);
    expect((await stand.stored(topic, 20)).map(({ fields }) => fields.n)).toEqual(range(20));
  });

  test("InfluxDB away: nothing is committed, the member stays, readiness says why", async () => {
    const topic = `lsst.sal.${stand.unique("Away")}.t`;
    const name = stand.unique("away");
    await stand.createTopic(topic);
    const registered = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "int" }]));
    const pod = await stand.connector(name, topic, { NOT_READY_SECONDS: "1" });
    try {
      stand.influxdb.process.kill("SIGKILL");
      await stand.send(
        topic,
        range(20_000).map((n) => encoded(registered, { private_efdStamp: baseS + n, n })),
      );
      await until("it to be not ready", async () => !(await pod.answers("/readyz")));
      const { failed } = (await (await fetch(`${pod.url}/readyz`)).json()) as {
        failed: { probe: string; reason: string }[];
      };
      expect(failed).toEqual([
        { probe: "influxdb", reason: expect.stringMatching(/^has failed for \d+ s: connect ECONNREFUSED/) },
      ]);
      expect(await stand.committed(name, topic)).toBe(0);
      expect(await pod.answers("/healthz")).toBe(true);
    } finally {
      await stand.influxdb.restart();
    }
    await stand.stored(topic, 20_000);
    await stand.committedBecomes(name, topic, 20_000);
    expect(pod.log().match(/Kafka group joined/g)).toHaveLength(1);
  });
}

/** Sum of a topic's ends. */
async function ends(stand: ConnectorStand, topic: string): Promise<number> {
  return (await stand.admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
}
