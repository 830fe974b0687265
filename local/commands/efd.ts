import { type Command, Option } from "commander";
import type { ColumnsOptions, CompareOptions, EfdOptions, ExplainOptions, GapsOptions } from "../efd";
import type { BackfillOptions } from "../efd/backfill";
import { decimal, whole } from "./numbers";

const where = `
Where it looks:
  the local stack that npm run up started; or with --stack a stack of this checkout, whose CronJob and Secrets kubectl reads
  (into memory only) and whose databases must be reachable from here; or with --env the variables of transform-efd in this shell:
  CONSDB_URL, INSTRUMENT, BUTLER_REPO, PGHOST, PGUSER, PGPASSWORD, EFD_HOST, EFD_USERNAME, EFD_PASSWORD, …`;

const gapsHelp = `
Each exposure and visit of the Butler is looked up in the consolidated database:
  filled   a row with values
  partial  a row with values, but its task failed: columns of the topics that gave an error are missing
  empty    a row without any value
  missing  no row
  waiting  no value yet, but a task will bring it, or it ended less than --min-age minutes ago
${where}

Exit code 1 while there are holes that were not queued again.

Examples:
  usdf efd gaps                                              # the last 14 days, by hour
  usdf efd gaps --since 20260101 --by day --svg coverage.svg # a calendar of the year
  usdf efd gaps --since 20261119 --only missing partial --requeue`;

const explainHelp = `
Reads the column's telemetry again for one exposure and for the visit of the same number, computes the value as the program
does now, and puts it beside what is stored; says why there is none.
${where}

Example:
  usdf efd explain mt_salindex301_temperature_0_mean 2026112000042`;

const compareHelp = `
Two values are equal when they differ by no more than --absolute, or by no more than --relative of the larger one; a NULL equals a
NULL only. Rows are read in order with cursors: a year fits memory. The password of the other database is not for the command
line: put the whole URL in AGAINST_URL, or the password in PGPASSWORD or ~/.pgpass.
${where}

Exit code 1 when a value or a row differs.

Examples:
  AGAINST_URL=postgresql://… usdf efd compare --since 20261101
  usdf efd compare --against postgresql://reader@other/consdb --relative 1e-6 --table exposure_efd`;

const columnsHelp = `
Examples:
  usdf efd columns lsstcam > config_lsstcam.yaml    # the flat form
  usdf efd columns lsstcam --felis > efd_lsstcam.yaml
  usdf efd columns --check my_config.yaml           # every fault and every doubt; exit code 78 when there is a fault
  usdf efd columns --sizes                          # of the typed and of the flat form, for each instrument`;

const runHelp = `
A back-fill is declared in Pulumi.<stack>.yaml and there as a suspended CronJob; this starts its Job by kubectl, in the context that
the stack names. Started again it does nothing twice: tasks that are done stay done, and those that are left are gone on with.

Examples:
  usdf efd run prod-latiss latiss-2024
  usdf efd run dev-lsstcomcam legacy --dry-run`;

/** `usdf efd`: looks after the transformed EFD. */
export function register(program: Command): void {
  const group = program
    .command("efd")
    .description("look after the transformed EFD: holes, queue, single values, columns");

  common(group.command("status"))
    .description("the queue of each instrument: what waits, who works on what, what failed and why")
    .addHelpText("after", where)
    .action(async (options: EfdOptions) => (await import("../efd")).showStatus(options));

  common(days(group.command("gaps"), "default: 14 days"))
    .description("which exposures and visits have no values: as a heat map, as a list, put back in the queue")
    .addOption(
      new Option("--by <unit>", "a field of the map is an hour (default up to 31 days) or a day").choices([
        "hour",
        "day",
      ]),
    )
    .option("--svg <file>", "write the map as a picture too")
    .addOption(new Option("--only <states...>", "only holes of these kinds").choices(["missing", "empty", "partial"]))
    .option("--requeue", "make tasks for the holes; twice is as once")
    .option("--all", "with --requeue: also what has its values, as after a change of columns")
    .option("--min-age <minutes>", "records that ended more recently are not missed yet", whole(0), 30)
    .option("--limit <n>", "list at most so many holes", whole(1), 50)
    .addHelpText("after", gapsHelp)
    .action(async (options: GapsOptions) => (await import("../efd")).showGaps(options));

  common(group.command("explain"))
    .description("how a value came to be: queries, samples, function; and why it is NULL")
    .argument("<column>", "of a pivoted table, or property of an unpivoted one")
    .argument("<exposure>", "id of the exposure or visit, e.g. 2026112000042", whole(1))
    .option("--columns <file>", "another column configuration than that of the environment")
    .addHelpText("after", explainHelp)
    .action(async (column: string, id: number, options: ExplainOptions) =>
      (await import("../efd")).explainValue(column, id, options),
    );

  common(days(group.command("compare"), "default: 7 days"))
    .description("values of two consolidated databases side by side")
    .option("--against <url>", "the other database, without password; default AGAINST_URL")
    .option("--absolute <tolerance>", "difference that counts as none", decimal(0), 0)
    .option("--relative <tolerance>", "the same as a part of the larger value", decimal(0), 1e-9)
    .option("--table <tables...>", "only these tables")
    .option("--column <names...>", "only these columns or properties")
    .option("--limit <n>", "list at most so many columns of each table, the worst first", whole(1), 10)
    .addHelpText("after", compareHelp)
    .action(async (options: CompareOptions) => (await import("../efd")).compareDatabases(options));

  group
    .command("run")
    .description("start a declared back-fill on its cluster")
    .argument("<environment>", "environment of efd, e.g. prod-latiss")
    .argument("<backfill>", "one of its backfills")
    .option("-s, --stack <stack>", "default: the first that has the environment")
    .option("--dry-run", "say what would be started")
    .option("--json", "print JSON")
    .addHelpText("after", runHelp)
    .action(async (environment: string, backfill: string, options: BackfillOptions) =>
      (await import("../efd/backfill")).startBackfill(environment, backfill, options),
    );

  group
    .command("columns")
    .description("the columns of an instrument as flat YAML or as a schema; check a configuration")
    .argument("[instrument]", "LATISS, LSSTCam or LSSTComCam, in any case")
    .option("--felis", "the schema of its tables as Felis YAML")
    .option("--check <file>", "report every fault of a configuration in the flat form")
    .option("--sizes", "lines and bytes of the typed and of the flat form, of all instruments or of one")
    .option("--json", "print JSON")
    .addHelpText("after", columnsHelp)
    .action(async (instrument: string | undefined, options: ColumnsOptions) =>
      (await import("../efd")).showColumns(instrument, options),
    );
}

function common(command: Command): Command {
  return command
    .option("-s, --stack <stack>", "local, or a stack of this checkout", "local")
    .option("-e, --environment <name>", "one of its environments; or give --instrument")
    .option("-i, --instrument <name>", "LATISS, LSSTCam or LSSTComCam, in any case; default: that of the environment")
    .option("--env", "take the variables of this shell")
    .option("--json", "print JSON");
}

function days(command: Command, range: string): Command {
  return command
    .option("--since <YYYYMMDD>", `first day of observation; ${range}`)
    .option("--until <YYYYMMDD>", "last one; default: today's");
}
