import type { Command } from "commander";
import type { StatusReport } from "../runner";

/** Lengths of the queues of one bucket. */
interface QueueLengths {
  readonly bucket: string;
  readonly waiting: number;
  readonly inHand: number;
  readonly retry: number;
  readonly dead: number;
}

/** `usdf status`: what runs here. */
export function register(program: Command): void {
  program
    .command("status")
    .description("what runs here, and the length of the queues; exit code 3 unless everything is ready")
    .option("--json", "print it as JSON")
    .action(async (options: { json?: boolean }) => {
      const { existingState } = await import("../state");
      const { CommandError, exitCodes } = await import("../exit");
      const { SupervisorClient } = await import("../runner");
      const state = await existingState();
      const client = state && new SupervisorClient(state);
      const report = await client?.status();
      if (!client || !report)
        throw new CommandError("The local stack does not run; start it: npm run up", exitCodes.notRunning);
      const queues = await queueLengths(client).catch((error: Error) => error);
      if (options.json) {
        const shown = queues instanceof Error ? { queuesError: queues.message } : { queues };
        console.log(JSON.stringify({ healthy: isHealthy(report), ...report, ...shown }, null, 2));
      } else await show(report, queues);
      if (!isHealthy(report)) process.exitCode = exitCodes.notRunning;
    });
}

function isHealthy({ pods, services }: StatusReport): boolean {
  const longRunning = pods.filter(({ controller }) => !/Job /.test(controller));
  return (
    longRunning.length > 0 &&
    longRunning.every(({ ready }) => ready) &&
    services.every(({ phase }) => phase === "Running" || phase === "External")
  );
}

async function queueLengths(client: { stack(): Promise<import("../runner").LocalStack> }): Promise<QueueLengths[]> {
  const stack = await client.stack();
  const { Redis } = await import("ioredis");
  const { redisKey } = await import("../../workloads/src/lib/redisKeys");
  const redis = new Redis({ ...stack.redis, lazyConnect: true, maxRetriesPerRequest: 0, connectTimeout: 2000, retryStrategy: null }); // prettier-ignore
  redis.on("error", () => {}); // connect() reports it
  try {
    await redis.connect();
    const bucket = stack.bucket.path;
    const workers: string[] = [];
    for (let cursor = "0"; ;) {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${redisKey.worker(bucket, "*")}`, "COUNT", 1000);
      workers.push(...keys);
      if (next === "0") break;
      cursor = next;
    }
    const [waiting, retry, dead, ...inHand] = await Promise.all([
      redis.llen(redisKey.queue(bucket)),
      redis.zcard(redisKey.retry(bucket)),
      redis.hlen(redisKey.dead(bucket)),
      ...[...new Set(workers)].map((key) => redis.llen(key)),
    ]);
    return [
      { bucket, waiting: waiting!, inHand: inHand.reduce((sum, each) => sum + each, 0), retry: retry!, dead: dead! },
    ];
  } finally {
    redis.disconnect();
  }
}

async function show(report: StatusReport, queues: QueueLengths[] | Error): Promise<void> {
  const { default: colour } = await import("picocolors");
  const { default: Table } = await import("cli-table3");
  const table = (head: string[], rows: (string | number)[][]) => {
    const made = new Table({
      head: head.map((word) => colour.bold(word)),
      style: { head: [], border: [] },
      chars: plain,
    });
    made.push(...rows);
    console.log(`${made.toString()}\n`);
  };
  const state = (good: boolean, word: string) => (good ? colour.green(word) : colour.yellow(word));
  table(
    ["POD", "STATE", "READY", "RESTARTS", "AGE", "ADDRESS", ""],
    report.pods.map(({ name, namespace, phase, ready, restarts, sinceMs, address, reason, controller }) => {
      const good = ready || phase === "Succeeded" || /Job /.test(controller);
      return [
        `${namespace}/${name}`,
        phase,
        state(good, ready ? "yes" : "no"),
        restarts,
        age(sinceMs),
        address,
        good ? "" : short(reason),
      ];
    }),
  );
  table(
    ["BACKING SERVICE", "STATE", "RESTARTS", "AGE", "ADDRESS", ""],
    report.services.map(({ name, phase, restarts, sinceMs, address, reason }) => {
      const good = phase === "Running" || phase === "External";
      return [name, state(good, phase), restarts, age(sinceMs), address, good ? "" : short(reason)];
    }),
  );
  table(
    ["SERVICE", "ADDRESS", "READY PODS"],
    report.forwards.map(({ name, address, ports, ready }) => [
      name,
      ports.map((port) => `${address}:${port}`).join(" "),
      ready,
    ]),
  );
  if (report.scaled.length > 0) {
    table(
      ["SCALED JOB", "WORKERS", "MOST", "WAITING", "ENDED", "REASON"],
      report.scaled.map(({ name, namespace, running, max, waiting, succeeded, failed, reason }) => [
        ...[`${namespace}/${name}`, running, max, waiting ?? "?", `${succeeded} well, ${failed} failed`, short(reason)],
      ]),
    );
  }
  if (report.crons.length > 0) {
    table(
      ["SCHEDULE", "WHEN (UTC)", "LAST RUN", "RESULT"],
      report.crons.map(({ name, namespace, schedule, suspended, lastStartMs, lastResult }) => [
        `${namespace}/${name}`,
        suspended ? "suspended" : schedule,
        lastStartMs ? `${age(lastStartMs)} ago` : "never",
        lastResult ?? "",
      ]),
    );
  }
  if (queues instanceof Error) console.log(colour.yellow(`Queues are not known: ${queues.message}`));
  else {
    table(
      ["BUCKET", "WAITING", "IN HAND", "RETRY", "DEAD"],
      queues.map(({ bucket, waiting, inHand, retry, dead }) => [
        bucket,
        waiting,
        inHand,
        retry,
        dead ? colour.red(dead) : 0,
      ]),
    );
  }
}

/** Columns by space alone, so that the output can be cut and searched. */
const plain = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"].map((part) => [part, ""]), // prettier-ignore
);

function age(sinceMs: number): string {
  const seconds = Math.round((Date.now() - sinceMs) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

function short(reason = ""): string {
  const [line = ""] = reason.split("\n");
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
