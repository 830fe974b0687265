import { setTimeout as sleep } from "node:timers/promises";
import { ConnectorStand, encoded, salSchema } from "../workloads/connector/stand";
import type { BenchResult } from "./harness";

const backlog = 100_000;
const rounds = 40;
/** Sent in each round, beside the backlog. */
const sentInRound = 500;
const partitions = 4;
const baseS = 1_764_000_000;
const isPoison = (n: number) => n % 1000 === 500;

/**
 * A backlog that three members of a group read, of which one ends each second for as long as the storm goes on, in order or by
 * SIGKILL, and comes back half a second later. Afterwards each record is a point, and the dead letters are the poisoned ones.
 */
export async function bench(): Promise<BenchResult[]> {
  const stand = await ConnectorStand.start("bench-storm", 76);
  try {
    return await measure(stand);
  } finally {
    await stand.stop();
  }
}

async function measure(stand: ConnectorStand): Promise<BenchResult[]> {
  const topic = `lsst.sal.${stand.unique("Storm")}.t`;
  const name = stand.unique("storm");
  await stand.createTopic(topic, partitions);
  const registered = await stand.register(`${topic}-value`, salSchema(topic, [{ name: "n", type: "int" }]));
  let sent = 0;
  const send = async (count: number) => {
    const messages = Array.from({ length: count }, (_, i) => sent + i).map((n) => ({
      value: isPoison(n) ? Buffer.from(`poison ${n}`) : encoded(registered, { private_efdStamp: baseS + n, n }),
      partition: n % partitions,
    }));
    sent += count;
    await stand.producer.send({ topic, messages });
  };
  while (sent < backlog) await send(5_000);
  await stand.createTopic(`dead.${name}`);
  const pods = await Promise.all(
    [61, 62, 63].map((host) => stand.connector(name, topic, { LOG_CONFIG: "WARN" }, { host, member: `-${host}` })),
  );
  for (let round = 0; round < rounds; round++) {
    pods[round % pods.length]!.kill(round % 2 ? "SIGTERM" : "SIGKILL");
    const second = sleep(1_000);
    await send(sentInRound);
    await second;
  }
  const endMs = performance.now();
  await stand.committedBecomes(name, topic, sent);
  const seconds = (performance.now() - endMs) / 1000;
  const numbers = Array.from({ length: sent }, (_, n) => n);
  const stored = new Set((await stand.points(topic)).map(({ fields }) => fields.n));
  const dead = await stand.deadLetters(name, numbers.filter(isPoison).length);
  const parked = new Set([...dead.values()].map(({ message }) => String(message.value)));
  const isMissing = (n: number) => (isPoison(n) ? !parked.has(`poison ${n}`) : !stored.has(n));
  const restarts = pods.reduce((sum, pod) => sum + pod.restarts, 0);
  const about = `connector, ${rounds} s of members that come and go, ${sent.toLocaleString("en-US")} records`;
  return [
    { name: `${about}: restarts`, unit: "restarts", figure: restarts, bound: { atLeast: rounds / 4 } },
    { name: `${about}: records in neither bucket nor dead letters`, unit: "records", figure: numbers.filter(isMissing).length, bound: { atMost: 0 } }, // prettier-ignore
    { name: `${about}: points and dead letters of no record`, unit: "records", figure: stored.size + parked.size - sent, bound: { atMost: 0, atLeast: 0 } }, // prettier-ignore
    { name: `${about}: everything stored after its end`, unit: "s", figure: seconds, bound: { atMost: 60 } },
  ];
}
