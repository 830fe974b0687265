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
  { environment, stack }: Adoption,
  { folder = root, out }: { readonly folder?: string; readonly out: string },
): Step[] {
  const usdf = (options: string) =>
    `npx usdf adopt ${environment} --stack ${stack} ${options}${folder === root ? "" : ` --cwd ${folder}`}`;
  const only = `$(${usdf("--targets")})`;
  return [
    { title: `In Pulumi.${stack}.yaml, set "adopting: true" and "image: upstream" on ${environment}` },
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
      title: "Take over every field that is declared, pods excepted, from whoever had it",
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
    {
      title:
        'Roll the pods, one workload at a time: "adopting: false" on redis, idle, …; at last remove "adopting" from the environment',
      command: `pulumi up --stack ${stack} ${only}`,
    },
  ];
}
