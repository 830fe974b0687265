import { runWorkload } from "../../../workloads/src/lib/process";
import { promptGatewayContract } from "../../../workloads/src/prompt-gateway/contract";
import type { Pipeline } from "../../../workloads/src/prompt-gateway/processVisit";
import type { Order } from "../../../workloads/src/prompt-gateway/protocol";
import { serveMetrics } from "../../../workloads/src/prompt-gateway/http";
import { Commits } from "../../../workloads/src/stand-in-pipeline/commits";
import { LocalWorker } from "./gatewayStand";

/**
 * Many workers in one process, each the gateway as it is, with a pipeline that is no process of its own: 189,000 visits need
 * no more programs to be started and no more lines to be written than what is looked at.
 */
class PipelineInProcess implements Pipeline {
  starts = 1;
  private raws: string[] = [];
  private end: (() => void) | undefined;

  constructor(private readonly commits: Commits) {}
  ready = () => Promise.resolve();
  abandon = () => this.end?.();

  async begin(order: Extract<Order, { type: "visit" }>, onCommit: Parameters<Pipeline["begin"]>[1]) {
    this.raws = [];
    await new Promise<void>((resolve) => (this.end = resolve));
    if (this.raws.length === 0) return { outcome: "failed", retriable: true, reason: "no raws" } as const;
    const grant = await onCommit();
    if (!grant.granted) return { outcome: "failed", retriable: false, reason: grant.reason } as const;
    const { visit, commitUncertain, attempt } = order;
    const ours = { attempt, raws: this.raws, pid: process.pid };
    const mayExist = commitUncertain || grant.uncertain;
    this.commits.commit(visit.instrument, visit.groupId, visit.detector, ours, mayExist);
    return { outcome: "committed", retriable: false, reason: "" } as const;
  }

  tell(order: Extract<Order, { type: "raw" | "rawsEnd" }>): void {
    if (order.type === "raw") this.raws.push(order.key);
    else this.end?.();
  }
}

runWorkload(promptGatewayContract, async ({ env, log, stop, closers }) => {
  const server = { host: env.REDIS_HOST, password: env.REDIS_PASSWORD };
  const settings = {
    leaseMs: env.LEASE_DURATION * 1000,
    maxAttempts: env.MAX_ATTEMPTS,
    idleTimeoutMs: env.FANNED_OUT_MSG_LISTEN_TIMEOUT * 1000,
  };
  closers.add("http", await serveMetrics(env.HTTP_HOST, env.HTTP_PORT, log, () => true), (http) => http.close());
  const commits = new Commits(process.env.STAND_IN_COMMITS!, false); // processes are killed, not the machine
  const workers = Array.from(
    { length: Number(process.env.WORKERS) },
    (_, i) => new LocalWorker(server, `${env.POD_NAME}-${i}`, new PipelineInProcess(commits), settings),
  );
  stop.addEventListener("abort", () => workers.forEach((worker) => void worker.stop()));
  await Promise.all(workers.map(({ ended }) => ended));
});
