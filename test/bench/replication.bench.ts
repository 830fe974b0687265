import { mirrorOf, salTopicNames } from "../support/mirrorOf";
import { otherOf, ReplicationStand, sites } from "../support/replication";
import { type BenchResult, timedMs } from "./harness";

/** Both sites have so many. */
const topicsOfEach = 500;

/**
 * 1,000 topics, 500 of each of two sites that mirror each other by MirrorMaker 2; each site is killed (kill -9 of broker and
 * MirrorMaker) while producers write to both.
 */
export async function bench(): Promise<BenchResult[]> {
  const topics = salTopicNames().slice(0, topicsOfEach);
  const stand = new ReplicationStand(topics, mirrorOf);
  try {
    await stand.startBrokers();
    await Promise.all(sites.map((site) => stand.send(site, topics)));
    const firstMs = await timedMs(async () => {
      await stand.startMirrors();
      await Promise.all(sites.map((site) => stand.mirrored(site)));
      await Promise.all(sites.map((site) => stand.readAll(otherOf(site), site)));
    });
    await stand.whileWriting(topics, async () => {
      for (const site of sites) await stand.crash(site);
    });
    await Promise.all(sites.map((site) => stand.send(site, topics)));
    const counts = { sent: 0, lost: 0, repeated: 0, cameBack: 0 };
    const againMs = await timedMs(async () => {
      for (const site of sites) {
        const mirrored = await stand.readAll(otherOf(site), site);
        for (const [topic, sent] of stand.acknowledged[site]) {
          const values = mirrored.get(topic)!.map(({ value }) => value);
          const there = new Set(values);
          counts.sent += sent.length;
          counts.lost += sent.filter((value) => !there.has(value)).length;
          counts.repeated += values.length - there.size;
        }
      }
    });
    for (const site of sites) {
      const names = await stand.admin[site].listTopics();
      counts.cameBack += names.filter((name) => /^(summit|usdf)\.(summit|usdf)\.|^(summit|usdf)\.lsst/.test(name) && !name.startsWith(`${otherOf(site)}.lsst`)).length; // prettier-ignore
    }
    const name = (what: string) => `replication, 1,000 topics both ways, each site killed: ${what}`;
    return [
      { name: name("until all are mirrored first"), unit: "s", figure: firstMs / 1000, bound: {} },
      { name: name("until all are read after the last kill"), unit: "s", figure: againMs / 1000, bound: {} },
      { name: name("messages sent"), unit: "messages", figure: counts.sent, bound: { atLeast: 2 * 2 * topicsOfEach } },
      { name: name("messages lost"), unit: "messages", figure: counts.lost, bound: { atMost: 0 } },
      { name: name("messages repeated"), unit: "messages", figure: counts.repeated, bound: { atMost: 0 } },
      { name: name("topics mirrored back"), unit: "topics", figure: counts.cameBack, bound: { atMost: 0 } },
    ];
  } finally {
    await stand.stop();
  }
}
