import { CommandError, exitCodes } from "../exit";
import { kubectl, KubectlError } from "../kubectl";
import { requireStacks, stacksOf } from "../preview/stacks";
import { stackConfig } from "../stackConfig";

/** Options of {@link startBackfill}. */
export interface BackfillOptions {
  /** Default: the one that has the environment. */
  readonly stack?: string;
  /** Show what would be started. */
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/**
 * Starts the Job of a declared back-fill from its suspended CronJob.
 * @throws CommandError for a name that is not declared, or while the Job of an earlier start is still there.
 */
export async function startBackfill(environment: string, name: string, options: BackfillOptions): Promise<void> {
  const { stack, efd } = stackOf(environment, options.stack);
  const { backfills } = efd.environments[environment]!;
  const backfill = backfills[name];
  if (backfill === undefined) {
    const known = Object.keys(backfills).join(", ") || "none";
    throw new CommandError(
      `${environment} of stack ${stack} has no back-fill "${name}". Declared: ${known}. Declare it under backfills in ` +
        `Pulumi.${stack}.yaml and run \`pulumi up\`.`,
      exitCodes.usage,
    );
  }
  const place = { context: efd.kubeContext, namespace: environment };
  const job = `${efd.name}-${name}`;
  const { start, end, workers } = backfill;
  if (!options.dryRun) {
    await kubectl(place, "create", "job", `--from=cronjob/${job}`, job).catch((error: unknown) => {
      if (!(error instanceof KubectlError)) throw error;
      throw new CommandError(adviceOn(error.reason, job, stack), exitCodes.failed, { cause: error });
    });
  }
  const words = ["kubectl", "--context", place.context, "--namespace", place.namespace];
  const follow = [...words, "logs", "--follow", "--prefix", `job/${job}`].join(" ");
  const found = { stack, environment, backfill: name, job, start, end, workers, started: !options.dryRun, follow };
  if (options.json) return console.log(JSON.stringify(found));
  const pods = workers === 1 ? "" : ` by ${workers} workers`;
  console.log(`${options.dryRun ? "Would start" : "Started"} Job ${environment}/${job}: ${start} to ${end}${pods}.`);
  console.log(`Its log: ${follow}\nIts tasks: usdf efd status --stack ${stack} --environment ${environment}`);
}

function adviceOn(reason: string, job: string, stack: string): string {
  if (/already exists/i.test(reason))
    return `Job ${job} runs, or ended a short while ago and is kept to be looked at. Wait, or delete it: its tasks stay.`;
  if (/not ?found/i.test(reason))
    return `CronJob ${job} is not in the cluster: ${reason}. It is declared; run \`pulumi up --stack ${stack}\` first.`;
  return `Job ${job} was not started: ${reason}`;
}

/** The stack on a cluster that has an environment, with its configuration of efd. */
function stackOf(environment: string, asked: string | undefined) {
  const known = stacksOf().filter((name) => name !== "local");
  if (asked !== undefined) requireStacks([asked], known);
  const stacks = asked === undefined ? known : [asked];
  const configured = stacks.map((stack) => ({ stack, efd: stackConfig(stack).efd }));
  for (const { stack, efd } of configured)
    if (efd && Object.hasOwn(efd.environments, environment)) return { stack, efd };
  const all = configured.flatMap(({ efd }) => Object.keys(efd?.environments ?? {})).join(", ") || "none";
  throw new CommandError(`No environment "${environment}" of efd in ${stacks.join(", ")}: ${all}.`, exitCodes.usage);
}
