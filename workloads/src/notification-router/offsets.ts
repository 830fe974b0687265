import { messageOf } from "../lib/errors";
import type { GroupConsumer } from "../lib/groupConsumer";
import type { Logger } from "../lib/log";
import { sleep } from "../lib/process";
import { metrics } from "./metrics";
import type { Progress } from "./progress";

/** Time between two commits; after a crash so much comes again, and is known as a repeat. */
const commitMs = 1_000;

/** Tells the group what is done. */
export class Offsets {
  constructor(
    private readonly group: Pick<GroupConsumer, "commit">,
    private readonly progress: Progress,
    private readonly log: Logger,
  ) {}

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.commit();
      metrics.lag.set(this.progress.lag);
      await sleep(commitMs, stop);
    }
  }

  async commit(): Promise<void> {
    const positions = this.progress.commitable;
    if (positions.length === 0) return;
    try {
      await this.group.commit(...positions);
      this.progress.committed(positions);
    } catch (error) {
      // The next commit takes them along, or they come again after the partitions were shared out anew.
      this.log.info({ reason: messageOf(error) }, "Offsets were not committed");
    }
  }
}
