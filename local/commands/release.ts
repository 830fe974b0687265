import type { Command } from "commander";
import picocolors from "picocolors";
import type { ReleasePlan } from "../release";

interface Options {
  readonly stack?: string;
  readonly instrument?: string[];
  readonly live?: boolean;
  readonly unchecked?: boolean;
  readonly up?: boolean;
  readonly json?: boolean;
}

const planHelp = `
Renders the environment as it is and as it would be, and shows what changes, which workers end and how long they have for the
visit in hand, and whether APDB, Butler, alerts and services have the versions that the release needs: usdf:prompt.releases
against the environment's versions. Exit code 1 when they have not. Nothing is asked of a cluster unless --live.

Examples:
  usdf release plan usdfprod-prompt-processing 15.3.0
  usdf release plan usdfdev-prompt-processing w_2026_40 --instrument LATISS --live`;

const applyHelp = `
Writes the tag into Pulumi.<stack>.yaml and nothing else; git shows the change, a pull request previews it. The way back is the
same command with the tag of before. --up runs pulumi up afterwards, which asks before it changes anything.

Examples:
  usdf release apply usdfprod-prompt-processing 15.3.0
  usdf release apply usdfprod-prompt-processing 15.3.0 --up`;

/** `usdf release`: which pipelines an environment of prompt processing runs. */
export function register(program: Command): void {
  const group = program.command("release").description("which pipelines an environment of prompt processing runs");
  common(group.command("plan"))
    .description("what a release changes, what it needs, and which workers end")
    .option("--live", "ask the cluster how many workers there are")
    .addHelpText("after", planHelp)
    .action(async (environment: string, tag: string, options: Options) => {
      const { obstaclesOf, textOfPlan } = await import("../release");
      const plan = await planned(environment, tag, options);
      console.log(options.json ? JSON.stringify(jsonOf(plan)) : textOfPlan(plan, picocolors));
      if (obstaclesOf(plan).length > 0) process.exitCode = 1;
    });
  common(group.command("apply"))
    .description("write a release into the stack's file")
    .option("--unchecked", "whatever it needs")
    .option("--up", "run pulumi up afterwards")
    .addHelpText("after", applyHelp)
    .action(async (environment: string, tag: string, options: Options) => {
      const { applyRelease, pulumiUp } = await import("../release");
      const plan = await planned(environment, tag, options);
      await applyRelease(plan, options.unchecked ?? false);
      if (options.json) console.log(JSON.stringify(jsonOf(plan)));
      else console.log(plan.edits.length === 0 ? "Nothing to do: it runs this release." : `Changed ${plan.file}.`);
      if (options.up) await pulumiUp(plan);
      else if (!options.json && plan.edits.length > 0) console.log(`Next: pulumi up -s ${plan.stack}`);
    });
}

function common(command: Command): Command {
  return command
    .argument("<environment>", "environment of prompt processing, e.g. usdfprod-prompt-processing")
    .argument("<tag>", "image tag of the release, e.g. 15.2.0")
    .option("-s, --stack <stack>", "stack that has it; default: the first that does")
    .option("--instrument <names...>", "only the services of these instruments; default: all of the environment")
    .option("--json", "print JSON");
}

async function planned(environment: string, tag: string, options: Options): Promise<ReleasePlan> {
  const { planRelease } = await import("../release");
  const { stack, instrument: instruments, live } = options;
  return planRelease(environment, tag, { stack, instruments, live });
}

/** The plan without the whole text of the file. */
function jsonOf({ text: _, ...plan }: ReleasePlan) {
  return plan;
}
