import type { Command } from "commander";
import type { AdoptionPlan } from "../adopt";

interface Options {
  readonly stack?: string;
  readonly cwd?: string;
  readonly live?: boolean;
  readonly out?: string;
  readonly targets?: boolean;
  readonly check?: boolean;
  readonly json?: boolean;
}

const help = `
Without options it shows what the environments of today have, from the declaration alone. With --live kubectl asks the
environment's own context; nothing is ever changed by this command. A difference that would make an object anew or stop pods
is an error (exit code 1), and no file is written.

Examples:
  usdf adopt summit                            the steps and the list
  usdf adopt summit --live --out import.json   the list as the cluster has it, as a file for pulumi import
  pulumi up -s prod $(usdf adopt summit --targets)
  usdf adopt summit --check                    who else deploys its objects, and the commands that end that

docs/takeover.md tells the whole story, and the way back.`;

/** `usdf adopt`: how an environment that kustomize made is taken over. */
export function register(program: Command): void {
  program
    .command("adopt")
    .description("how a running environment that kustomize made is taken over: steps, import list, who owns its fields")
    .argument("<environment>", "environment of embargo or efd, e.g. summit or prod-lsstcam")
    .option("-s, --stack <stack>", "stack that has it; default: the first that does")
    .option("--live", "ask the cluster what exists and what differs")
    .option("--out <file>", "write the file for pulumi import --file")
    .option("--targets", "print --target options for pulumi up, of all that belongs to the environment")
    .option("--check", "after the take-over: who else manages its fields; exit 1 while anyone does")
    .option("--cwd <folder>", "folder with Pulumi.yaml; default: this checkout")
    .option("--json", "print JSON")
    .addHelpText("after", help)
    .action(async (environment: string, options: Options) => {
      const { checkAdoption, findAdoption, planAdoption, targets, writeImportFile } = await import("../adopt");
      const { stack, cwd: folder, json, out = `adopt-${environment}.json` } = options;
      if (options.targets) {
        const urns = targets(await findAdoption(environment, { stack, folder }));
        return console.log(json ? JSON.stringify(urns) : urns.map((urn) => `--target ${urn}`).join("\n"));
      }
      if (options.check) {
        const shared = await checkAdoption(await findAdoption(environment, { stack, folder }));
        if (shared.length > 0) process.exitCode = 1;
        return console.log(json ? JSON.stringify(shared) : textOfCheck(environment, shared));
      }
      const plan = await planAdoption(environment, { stack, folder, out, live: options.live ?? false });
      const failed = plan.differences.some(({ level }) => level === "error");
      if (failed) process.exitCode = 1;
      if (options.out !== undefined && !failed) await writeImportFile(plan, out);
      console.log(json ? JSON.stringify(jsonOf(plan)) : textOf(plan));
      if (options.out !== undefined && !json) console.log(failed ? `${out} was not written.` : `Wrote ${out}.`);
    });
}

function jsonOf({ adoption, imported, created, ceph, leftBehind, differences, live, steps }: AdoptionPlan) {
  const { environment, stack, kubeContext, namespace } = adoption;
  const named = (objects: typeof imported) => objects.map(({ kind, name }) => ({ kind, name }));
  const lists = { imported: named(imported), created: named(created), ceph: named(ceph), leftBehind };
  return { environment, stack, kubeContext, namespace, live, ...lists, differences, steps };
}

function textOf(plan: AdoptionPlan): string {
  const { adoption, imported, created, ceph, leftBehind, differences, live, steps } = plan;
  const { environment, stack, kubeContext, namespace } = adoption;
  const rows = (objects: typeof imported) => objects.map(({ kind, name }) => `  ${kind.padEnd(22)} ${name}`);
  const section = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : ["", title, ...lines]);
  return [
    `${environment}: stack ${stack}, context ${kubeContext}, namespace ${namespace}`,
    ...section(live ? "Exist, and are imported:" : "Exist where kustomize made the environment:", rows(imported)),
    ...section("Are made new:", rows(created)),
    ...section("Of Ceph, taken over by being created under the name that exists:", rows(ceph)),
    ...section(
      "Left behind; remove them when no pod refers to them:",
      leftBehind.map((name) => `  ${name}`),
    ),
    ...section(
      "Differences:",
      differences.map(({ level, object, message }) => `  ${level}: ${object}: ${message}`),
    ),
    ...section(
      "Steps:",
      steps.flatMap(({ title, command }, index) => [
        `  ${index + 1}. ${title}`,
        ...(command === undefined ? [] : [`     ${command}`]),
      ]),
    ),
  ].join("\n");
}

function textOfCheck(
  environment: string,
  shared: readonly { object: string; managers: readonly string[]; ours: boolean; release: string }[],
): string {
  if (shared.length === 0) return `# ${environment}: nobody else deploys its objects.`;
  const states = shared.map(({ object, managers, ours }) => {
    const who = managers.length === 0 ? "the note of kubectl apply is left" : `also by ${managers.join(", ")}`;
    return `# ${object}: ${ours ? who : "not taken over yet"}`;
  });
  const commands = shared.flatMap(({ release }) => (release === "" ? [] : [release]));
  return [...states, ...commands].join("\n");
}
