import type { Command } from "commander";
import type { EmbargoOptions } from "../embargo";

/** Connection options that every command of the group takes. */
interface Options extends EmbargoOptions {
  json?: boolean;
}

/** `usdf embargo`: looks after the queues of embargo ingest. */
export function register(program: Command): void {
  const group = program
    .command("embargo")
    .description("look after embargo ingest: queues, dead letters, missed objects");

  common(group.command("queue"))
    .description("what waits, is in hand, is tried again or is dead, bucket by bucket")
    .action(async (options: Options) => {
      const { showQueues } = await import("../embargo");
      await showQueues(options);
    });

  common(group.command("reconcile"))
    .description("list the bucket, compare it with what is queued, dead or ingested, and queue what was missed")
    .option("--prefix <prefix>", "only keys that begin so")
    .option("--since <YYYYMMDD>", "only objects of this day of observation and later")
    .option("--min-age <seconds>", "only objects at least so old; default 600, or MIN_AGE")
    .option("--dry-run", "count and list the missed objects, change nothing")
    .action(async (options: Options & { prefix?: string; since?: string; minAge?: string; dryRun?: boolean }) => {
      const { reconcileBucket } = await import("../embargo");
      await reconcileBucket(options);
    });

  const dead = group.command("dead").description("objects, and work after ingest, that ingest gave up on");
  common(dead.command("list"))
    .description("dead letters with their reasons")
    .option("--code <code>", "only those of this code, e.g. METADATA")
    .option("--limit <n>", "at most so many", "1000")
    .action(async (options: Options & { code?: string; limit: string }) => {
      const { listDead } = await import("../embargo");
      await listDead(options);
    });
  for (const [name, about] of [
    ["retry", "put dead letters back, first in the queue, with a clean record"],
    ["drop", "forget dead letters for good; the objects stay in the bucket, and reconcile will queue them again"],
  ] as const) {
    common(dead.command(name))
      .description(about)
      .argument("[paths...]", "[profile@]bucket/key of each, as `dead list` prints them")
      .option("--all", "every dead letter")
      .option("--code <code>", "every dead letter of this code")
      .action(async (paths: string[], options: Options & { all?: boolean; code?: string }) => {
        const { handleDead } = await import("../embargo");
        await handleDead(name, paths, options);
      });
  }

  common(group.command("rejected"))
    .description("notifications that could not be read, newest first")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: Options & { limit: string }) => {
      const { listRejected } = await import("../embargo");
      await listRejected(options);
    });
}

function common(command: Command): Command {
  return command
    .option(
      "--env",
      "connect as this shell's variables say (REDIS_HOST, REDIS_PASSWORD, BUCKET, …), not to the local stack",
    )
    .option("--redis-url <url>", "another Redis, redis[s]://host:port; its password comes from REDIS_PASSWORD")
    .option("--bucket <bucket>", "another bucket, [profile@]bucket")
    .option("--json", "print JSON");
}
