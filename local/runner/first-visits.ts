import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { kafkaClient } from "../../workloads/src/lib/kafka";
import { cameraNamed } from "../../workloads/src/lib/cameras";
import type { Header } from "../../workloads/src/lib/fits";
import { createLogger } from "../../workloads/src/lib/log";
import { promptKey } from "../../workloads/src/lib/visits";
import { type Announcer, kafkaAnnouncer } from "../../workloads/src/upload/announce";
import { nextVisitOf } from "../../workloads/src/upload/nextVisit";
import { salIndexOf } from "../../workloads/src/upload/salIndex";
import { observedSky, taiMsOf } from "../../workloads/src/upload/skyTime";
import { type Exposure, exposureSeconds, filesOf } from "../camera";
import { CommandError } from "../exit";
import type { Progress } from "../services";
import type { LocalPrompt } from "./api";

/** Longest way of a visit, from its last file to the last commit, ms. */
const limitMs = 60_000;
const survey = "SURVEY";

/** How one visit went through prompt processing. */
export interface VisitJourney {
  readonly instrument: string;
  readonly group: string;
  /** Detectors whose raw was processed and committed, each once: all that the instrument's visits go to. */
  readonly detectors: number;
  /** From the last file in the bucket to the last commit. */
  readonly seconds: number;
}

/** Announces visits to the prompt processing of the local stack, and follows them. */
export class FirstVisits {
  private readonly redis: Redis;

  private constructor(
    private readonly prompt: LocalPrompt,
    private readonly announcer: Announcer,
  ) {
    this.redis = new Redis({ ...prompt.redis, maxRetriesPerRequest: 1 });
    this.redis.on("error", () => {}); // each command reports it
  }

  static async open(prompt: LocalPrompt): Promise<FirstVisits> {
    const log = createLogger("up", "CRITICAL");
    const kafka = kafkaClient({ clientId: "usdf-up", brokers: [...prompt.brokers] }, log);
    const { nextVisitTopic: topic, registryUrl } = prompt;
    return new FirstVisits(
      prompt,
      await kafkaAnnouncer({ kafka, topic, registryUrl, registryTimeoutMs: 10_000, register: true }),
    );
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.announcer.close();
  }

  /** Publishes the next_visit of an exposure. An instrument without a service needs none. */
  async announce(exposure: Exposure): Promise<void> {
    const { instrument, groupId: group } = exposure;
    if (!this.prompt.services[instrument.name]) return;
    const camera = cameraNamed(instrument.name)!;
    const header = JSON.parse(filesOf(exposure, instrument.detectors[0]!).sidecar.toString("utf8")) as Header;
    const sentUtcMs = Date.now();
    await this.announcer.send(
      nextVisitOf({
        ...{ instrument: camera.name, group, survey, snaps: 1, durationSeconds: exposureSeconds },
        ...{ ...observedSky(camera, header), salIndex: salIndexOf(camera), sentUtcMs, sentTaiMs: taiMsOf(sentUtcMs) },
      }),
    );
  }

  /**
   * Waits until every detector's worker has committed.
   * @throws {@link CommandError} that says how far it came.
   */
  async follow(
    instrument: string,
    group: string,
    lastPutMs: number,
    progress: Progress,
  ): Promise<VisitJourney | undefined> {
    const service = this.prompt.services[instrument];
    if (!service) return undefined;
    const { detectors, stream, namespace } = service;
    const keys = detectors.map((detector) => promptKey.unit(instrument, group, detector));
    for (const deadline = Math.max(Date.now(), lastPutMs) + limitMs; ;) {
      const units = (await this.redis.pipeline(keys.map((key) => ["hmget", key, "state", "at"])).exec())!;
      const done = units.map(([, fields]) => fields as (string | null)[]).filter(([state]) => state === "done");
      progress(`${done.length} of ${detectors.length} detectors of ${instrument} committed`);
      if (done.length === detectors.length) {
        const lastMs = Math.max(...done.map(([, at]) => Date.parse(at!)));
        return { instrument, group, detectors: done.length, seconds: Math.max(0, lastMs - lastPutMs) / 1000 };
      }
      if (Date.now() > deadline) {
        const [entries, raws, letters] = await Promise.all([
          this.redis.xlen(stream),
          this.redis.hlen(promptKey.raws(instrument, group)),
          this.redis.xlen(promptKey.deadLetters),
        ]);
        throw new CommandError(
          `${instrument} ${group}: ${limitMs / 1000} s after its last file ${done.length} of ${detectors.length} detectors are ` +
            `committed; stream ${stream} has ${entries} entries, ${raws} raws have arrived, there are ${letters} dead letters. ` +
            `See: usdf logs next-visit-fan-out, usdf logs notification-router, usdf logs ${namespace}`,
        );
      }
      await sleep(50);
    }
  }
}
