import { messageOf } from "../../lib/errors";
import type { Logger } from "../../lib/log";
import { LeaseLostError, type Task, type TaskQueue } from "../queue";

/** Keeps the lease of a task alive from its claim to its end. */
export class LeaseKeeper {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private renewedAt = Date.now();
  private renewing = false;

  constructor(
    private readonly queue: TaskQueue,
    private readonly task: Task,
    private readonly leaseSeconds: number,
    private readonly log: Logger,
  ) {
    this.timer = setInterval(() => void this.renew(), (leaseSeconds * 1000) / 3);
  }

  /** Aborted when the lease is lost, or cannot be renewed for so long that it is. */
  get lost(): AbortSignal {
    return this.controller.signal;
  }

  end(): void {
    clearInterval(this.timer);
    this.controller.abort(); // stops a renewal that is on its way
  }

  private async renew(): Promise<void> {
    if (Date.now() - this.renewedAt > this.leaseSeconds * 1000) this.lose();
    if (this.renewing || this.lost.aborted) return;
    this.renewing = true;
    try {
      const askedAt = Date.now();
      if (await this.queue.heartbeat(this.task, this.lost)) this.renewedAt = askedAt;
      else this.lose();
    } catch (error) {
      if (!this.lost.aborted)
        this.log.warn({ task_id: this.task.id, error: messageOf(error) }, "task_heartbeat_failed");
    } finally {
      this.renewing = false;
    }
  }

  private lose(): void {
    clearInterval(this.timer);
    this.controller.abort(new LeaseLostError(this.task));
  }
}
