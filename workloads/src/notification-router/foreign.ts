import type { Redis } from "ioredis";
import { messageOf } from "../lib/errors";
import type { Logger } from "../lib/log";
import { sleep } from "../lib/process";
import { type ForeignGroup, foreignGroups, forgetForeignGroup } from "../lib/raws";
import { type DeadLetter, parkLetters, promptKey } from "../lib/visits";
import { metrics } from "./metrics";

/** How often it is looked for groups whose time is over, ms. */
const lookMs = 2_000;

/** Reports each group that has raws and no next_visit, once, until told to stop. Several routers do no harm to each other. */
export async function reportForeignGroups(redis: Redis, log: Logger, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      for (const found of await foreignGroups(redis)) {
        const parked = await parkLetters(redis, [letterOf(found)]);
        await forgetForeignGroup(redis, found);
        if (parked > 0) metrics.deadLetters.inc({ code: "FOREIGN_GROUP" });
      }
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "Foreign groups cannot be looked for; trying again");
    }
    await sleep(lookMs, stop);
  }
}

function letterOf({ instrument, group, raws, example = "" }: ForeignGroup): DeadLetter {
  return {
    stage: "router",
    code: "FOREIGN_GROUP",
    reason:
      `No next_visit has announced group "${group}" of ${instrument}, but ${raws} of its raw files came, e.g. "${example}". ` +
      "They are published all the same; look at the fan-out and at who takes these exposures.",
    instrument,
    group,
    source: promptKey.raws(instrument, group),
    payload: Buffer.from(example),
    attempts: 0,
  };
}
