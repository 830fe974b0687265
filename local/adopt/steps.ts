import { root } from "../preview/stacks";
import type { Adoption } from "./importList";

/** One step of a take-over. */
export interface Step {
  readonly title: string;
  /** To be typed as it is, in the folder with `Pulumi.yaml`; none where the step is an edit. */
  readonly command?: string;
}

/** What to do, in this order. After each step the environment serves as before. */
export function stepsOf(
  { system, environment, stack }: Adoption,
  { folder = root, out }: { readonly folder?: string; readonly out: string },
): Step[] {
  const usdf = (options: string) =>
    `npx usdf adopt ${environment} --stack ${stack} ${options}${folder === root ? "" : ` --cwd ${folder}`}`;
  const only = `$(${usdf("--targets")})`;
  const isEmbargo = system === "embargo";
  const before = isEmbargo
    ? `In Pulumi.${stack}.yaml, set "adopting: true" and "image: upstream" on ${environment}`
    : "Wait until Jobs that were started by hand have ended; from here on start none but from a declared CronJob";
  const steps: Step[] = [
    { title: before },
    {
      title:
        "Ask the cluster what exists; what would be made anew, or stop pods, is an error here, before anything is done",
      command: usdf(`--live --out ${out}`),
    },
    {
      title: "Take what exists into the state, protected; nothing in the cluster changes",
      command: `pulumi import --stack ${stack} --file ${out} --yes --generate-code=false --protect=true`,
    },
    {
      title: "Look: updates and creations only, no replacement, no deletion",
      command: `pulumi preview --stack ${stack} --diff ${only}`,
    },
    {
      title: isEmbargo
        ? "Take over every field that is declared, pods excepted, from whoever had it"
        : "Take over every field that is declared from whoever had it; a run that goes on ends as it began",
      command: `pulumi up --stack ${stack} --yes ${only}`,
    },
    {
      title: "See that nobody else deploys the objects; for who still does it prints commands that end that",
      command: usdf("--check"),
    },
    {
      title: "See that nothing is left to do",
      command: `pulumi preview --stack ${stack} --expect-no-changes ${only}`,
    },
  ];
  if (!isEmbargo) return steps;
  return [
    ...steps,
    {
      title:
        'Roll the pods, one workload at a time: "adopting: false" on redis, idle, …; at last remove "adopting" from the environment',
      command: `pulumi up --stack ${stack} ${only}`,
    },
  ];
}
