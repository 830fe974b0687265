import { type Command, InvalidArgumentError } from "commander";
import type { DeadLetterOptions } from "../sasquatch/deadLetters";
import type { MoveGroupOptions } from "../sasquatch/moveGroup";
import type { SizeOptions } from "../sasquatch/showSize";
import { whole } from "./numbers";

const where = `
Where it looks:
  the local stack that npm run up started; or with --brokers or --env the Kafka of KAFKA_BROKERS, KAFKA_TLS, KAFKA_CA_FILE,
  KAFKA_CERT_FILE, KAFKA_KEY_FILE, KAFKA_USERNAME and KAFKA_PASSWORD in this shell; of a cluster after kubectl port-forward.`;

const sizeHelp = `
Rates of the topics x retention x copies, against the brokers' disks and InfluxDB's volume. Rates are shares measured of each CSC,
scaled to what all of SAL is during operations (10 MB/s); a topic without a measurement shares by its number of fields.
What is kept for ever must fit for --horizon days. Nothing is asked of a cluster. Exit code 1 when a disk is full before.

Examples:
  usdf sasquatch size usdfprod
  usdf sasquatch size summit --retention 30d --replicas 2   # what if
  usdf sasquatch size usdfprod --stored 31T --horizon 730
  usdf sasquatch size summit --rates rates.csv              # lines topic,messagesPerSecond,bytesPerMessage`;

const listHelp = `
A record that a connector, aggregator or Parquet sink cannot process goes to its dead-letter topic, with the reason.
${where}

Examples:
  usdf sasquatch dead-letters list
  usdf sasquatch dead-letters list dead-letters.efd-mtmount --limit 100 --json`;

const replayHelp = `
Once the reason is mended: puts the records back at the end of the topics that they are from, with their time. Every reader of such
a topic gets them again; points that are there already stay as they are. A second call goes on where the first ended; with --code
nothing is remembered.
${where}

Examples:
  usdf sasquatch dead-letters replay dead-letters.efd-mtmount --dry-run
  KAFKA_USERNAME=… KAFKA_PASSWORD=… usdf sasquatch dead-letters replay dead-letters.efd-mtmount --brokers localhost:9094`;

const moveHelp = `
For the way back after a failover: sets the group's offsets in the topics themselves to where it was in their mirrors, by the time of
what it read last. It repeats a few records; it misses none where times in a topic only grow (kafka.logAppendTime), or --margin
covers what producers' clocks differ by. The group must not run at either site. Both sites are asked with the variables of this
shell (KAFKA_USERNAME, …).

Example:
  usdf sasquatch move-group prompt-processing --from usdf:9094 --to summit:9094 --alias summit --dry-run`;

/** `usdf sasquatch`: sizes, dead letters, consumer groups. */
export function register(program: Command): void {
  const group = program.command("sasquatch").description("look after Sasquatch: sizes, dead letters, consumer groups");

  group
    .command("size")
    .description("whether an environment's data fits its disks, and until when")
    .argument("<environment>", "environment of Sasquatch, e.g. usdfprod")
    .option("--rates <file>", "rates that win over ours")
    .option("--total <bytes>", "bytes a second of all SAL topics together, e.g. 10M")
    .option("--retention <time>", "what if every topic were kept for so long, e.g. 7d", duration)
    .option("--replicas <n>", "what if every topic had so many copies", whole(1))
    .option("--stored <size>", "what InfluxDB holds already, e.g. 31T")
    .option("--horizon <days>", "what is kept for ever must fit for so long (default: 365)", whole(1))
    .option("--json", "print JSON")
    .addHelpText("after", sizeHelp)
    .action(async (environment: string, options: SizeOptions) => (await import("../sasquatch/showSize")).showSize(environment, options)); // prettier-ignore

  const letters = group.command("dead-letters").description("records that could not be processed");
  common(letters.command("list"))
    .description("the newest of each dead-letter topic, with the reason")
    .argument("[topic]", "a dead-letter topic; default: all")
    .option("--limit <n>", "at most so many of each partition", whole(1), 20)
    .option("--code <code>", "only those with this reason")
    .addHelpText("after", listHelp)
    .action(async (topic: string | undefined, options: DeadLetterOptions) =>
      (await import("../sasquatch/deadLetters")).showDeadLetters(topic, options),
    );
  common(letters.command("replay"))
    .description("put them back where they are from")
    .argument("<topic>", "the dead-letter topic")
    .option("--code <code>", "only those with this reason")
    .option("--dry-run", "say what would be put back")
    .addHelpText("after", replayHelp)
    .action(async (topic: string, options: DeadLetterOptions) =>
      (await import("../sasquatch/deadLetters")).putBackDeadLetters(topic, options),
    );

  group
    .command("move-group")
    .description("let a consumer group go on at another site, after a failover")
    .argument("<group>", "consumer group")
    .requiredOption("--from <host:port>", "bootstrap servers of the site where it was")
    .option("--to <host:port>", "bootstrap servers of the site where it goes on")
    .requiredOption("--alias <name>", "what the mirrored topics' names begin with at the site where it was")
    .option("--margin <seconds>", "read so much again", whole(0), 0)
    .option("--env", "the other site is that of KAFKA_BROKERS in this shell")
    .option("--dry-run", "say where it would go on")
    .option("--json", "print JSON")
    .addHelpText("after", moveHelp)
    .action(async (name: string, options: MoveGroupOptions) => (await import("../sasquatch/moveGroup")).moveGroupHere(name, options)); // prettier-ignore
}

function common(command: Command): Command {
  return command
    .option("--brokers <host:port>", "bootstrap servers; user and password as in the shell")
    .option("--env", "Kafka as the variables of this shell say")
    .option("--json", "print JSON");
}

function duration(text: string): string {
  if (!/^[1-9]\d*(m|h|d|w|y)$/.test(text)) throw new InvalidArgumentError('must be a duration such as "72h" or "7d"');
  return text;
}
