import type { Command } from "commander";
import type { PromptOptions } from "../prompt/connection";
import type { LetterChoice } from "../prompt/deadLetters";
import type { UploadCommand } from "../prompt/upload";
import { decimal, whole } from "./numbers";

const redisHelp = `
Where it looks:
  the Redis of the local stack that npm run up started; or with --env or --redis-url another: REDIS_HOST, REDIS_PORT, REDIS_TLS
  and REDIS_PASSWORD in this shell; of a cluster after kubectl port-forward. An environment's playbook has the commands.`;

const listHelp = `
What fan-out, router or gateway could not process, newest first, with the reason. At most about 20,000 are kept.
${redisHelp}

Examples:
  usdf prompt dead-letters list
  usdf prompt dead-letters list --stage gateway --instrument LSSTCam --json`;

const retryHelp = `
Once the reason is mended. A visit that its workers gave up goes back to its stream, as a first attempt; an event or a notification is
read again by fan-out or router within seconds, and is a dead letter again if nothing has changed. What was done meanwhile is not
done twice. An event older than the environment's expirationSeconds is dropped when it is read again.
${redisHelp}

Examples:
  usdf prompt dead-letters retry 1780000000000-0
  usdf prompt dead-letters retry --code UNKNOWN_INSTRUMENT`;

const where = `
Where to:
  the local stack that npm run up started; or with --env what the variables of this shell say, as the upload workload reads them:
  BUCKET and POOL_BUCKET ([profile@]bucket, keys in LSST_RESOURCES_S3_PROFILE_<profile>=https://ACCESS:SECRET@host),
  NEXT_VISIT_TOPIC, and REST_PROXY_URL (with REST_PROXY_TOKEN) or KAFKA_BROKERS with KAFKA_USERNAME, KAFKA_PASSWORD and REGISTRY_URL.
  All of them: docs/reference/environment.md.`;

const uploadHelp = `
Plays the observatory: for each group one next_visit event, then after --slew and --interval its raw files, each after its sidecar.
Files are from a pool of earlier nights, <bucket>/unobserved/<instrument>/, with headers of a new group of today; into the local stack
without --pool the simulated camera makes them. A second upload counts on from the first.
LSST groups are 2026-06-03T00:00:00.020015: today and a number, which is the exposure's seqNum, too. HSC's are eight digits, four of
the day (days since 2025-10-01 in rounds of 2,146) and four of a counter. Today is the day of observation, which begins at 12:00 UTC.
${where}

Examples:
  usdf prompt upload LATISS 1
  usdf prompt upload LSSTCam 3 --survey BLOCK-365 --interval 30
  BUCKET=pp-dev@rubin-pp-dev POOL_BUCKET=pp-dev@rubin-pp-dev-users NEXT_VISIT_TOPIC=test.next-visit-job \\
    REST_PROXY_URL=https://usdf-rsp-dev.slac.stanford.edu/sasquatch-rest-proxy usdf prompt upload HSC 2 --env`;

const fromRepoHelp = `
The same with raw files that a Butler repository holds; they are copied while the telescope turns to their group. The YAML file:

  instrument: LSSTCam
  repo: /repo/main
  query:
    collections: [LSSTCam/raw/all]                 # one, or several
    where: "exposure.science_program = 'BLOCK-365' and exposure.day_obs = 20260603"

BUTLER_PYTHON is a Python that has lsst-daf-butler, LSST_DB_AUTH the file with the registry's password.
${where}

Examples:
  usdf prompt upload-from-repo etc/LSSTCam.yaml 10
  usdf prompt upload-from-repo etc/LATISS.yaml 3 --ordered --env`;

/** `usdf prompt`: prompt processing. */
export function register(program: Command): void {
  const group = program
    .command("prompt")
    .description("prompt processing: play the observatory, see what is in hand, look after dead letters");

  sending(group.command("upload"))
    .description("send groups of an instrument: next_visit events and raw files of a pool")
    .argument("<instrument>", "LATISS, LSSTComCam, LSSTCam, LSSTComCamSim or HSC")
    .argument("<n-groups>", "groups to send", whole(1, 9999))
    .option("--pool <bucket>", "bucket of the pool, [profile@]bucket")
    .addHelpText("after", uploadHelp)
    .action(async (instrument: string, groups: number, options: UploadCommand) =>
      (await import("../prompt/upload")).uploadCommand({ instrument }, { ...options, groups }),
    );

  sending(group.command("upload-from-repo"))
    .description("send groups that a Butler repository holds")
    .argument("<config>", "YAML file: instrument, repo, query")
    .argument("<n-groups>", "groups to send", whole(1, 9999))
    .addHelpText("after", fromRepoHelp)
    .action(async (config: string, groups: number, options: UploadCommand) =>
      (await import("../prompt/upload")).uploadCommand({ config }, { ...options, groups }),
    );

  looking(group.command("status"))
    .description("what waits, is in hand and was committed, stream by stream and visit by visit")
    .option("--visits <n>", "newest visits to show", whole(0), 10)
    .addHelpText("after", redisHelp)
    .action(async (options: PromptOptions & { visits: number }) => (await import("../prompt/status")).showStatus(options)); // prettier-ignore

  const letters = group.command("dead-letters").description("what could not be processed");
  choosing(letters.command("list"))
    .description("the newest, with the reason")
    .option("--limit <n>", "at most so many", whole(1), 100)
    .addHelpText("after", listHelp)
    .action(async (options: PromptOptions & LetterChoice & { limit: number }) =>
      (await import("../prompt/deadLetters")).listLetters(options),
    );
  for (const [action, about, help] of [
    ["retry", "have them done again", retryHelp],
    ["drop", "forget them for good", redisHelp],
  ] as const) {
    choosing(letters.command(action))
      .description(about)
      .argument("[ids...]", "as list prints them")
      .option("--all", "every one")
      .addHelpText("after", help)
      .action(async (ids: string[], options: PromptOptions & LetterChoice & { all?: boolean }) =>
        (await import("../prompt/deadLetters")).handleLetters(action, ids, options),
      );
  }
}

function looking(command: Command): Command {
  return command
    .option("--env", "connect as this shell's variables say, not to the local stack")
    .option("--redis-url <url>", "another Redis, redis[s]://host:port; its password comes from REDIS_PASSWORD")
    .option("--json", "print JSON");
}

function choosing(command: Command): Command {
  return looking(command)
    .option("--code <code>", "only those with this reason, e.g. ENUM_VALUE")
    .option("--stage <stage>", "only those of fan-out, router or gateway")
    .option("--instrument <name>", "only those of this instrument");
}

function sending(command: Command): Command {
  return command
    .option("--ordered", "the first groups in their order; default: a random choice")
    .option("--interval <s>", "time from one exposure to the next (default: 18)", decimal(0))
    .option("--slew <s>", "time from next_visit to its first exposure (default: 2)", decimal(0))
    .option("--survey <name>", "survey of the visits (default: SURVEY)")
    .option("--keep-times", "leave the files their time; an APDB takes the same sky at the same time only once")
    .option("--env", "take the variables of this shell, not those of the local stack")
    .option("--json", "print what was sent as JSON");
}
