import type { Command } from "commander";

interface Options {
  readonly all?: boolean;
  readonly json?: boolean;
}

const help = `
Compares the topics that are known to exist in a Sasquatch environment with the connectors that it declares. Known are all
topics of SAL, those that are declared, and what mirrors bring of both. Nothing is asked of a cluster.
  twice         stored by two connectors: exit code 1
  dead          a selector, or a name in it, that takes no known topic: exit code 1
  fields        of one name in InfluxDB, not known in \`colliding\`: exit code 1
  not stored    taken by no connector: give it one, or write it with the reason into \`unstored\`
  left out      in \`unstored\`: deliberate
The same is part of \`usdf preview\`, as counts.

Examples:
  usdf topics audit usdfprod          one environment, by CSC
  usdf topics audit --all             every environment of every stack, a line each
  usdf topics audit summit --json     all names`;

/** `usdf topics audit`: which topics are stored, by what, and which are not. */
export function register(program: Command): void {
  program
    .command("topics")
    .description("Kafka topics of Sasquatch")
    .command("audit")
    .description("List topics that no connector stores, or two; exit 1 on twice and on dead selectors")
    .argument("[environment]", "environment of Sasquatch, e.g. usdfprod")
    .option("--all", "every environment of every stack")
    .option("--json", "print what was found as JSON")
    .addHelpText("after", help)
    .action((name: string | undefined, { all, json }: Options) => {
      // Loaded here, so that other commands do not wait for it.
      /* eslint-disable @typescript-eslint/no-require-imports */
      const { auditTopics, findingsOf, showAudit, showAudits } = require("../topics") as typeof import("../topics");
      const { stackConfig } = require("../stackConfig") as typeof import("../stackConfig");
      const { stacksOf } = require("../preview/stacks") as typeof import("../preview/stacks");
      const { CommandError, exitCodes } = require("../exit") as typeof import("../exit");
      /* eslint-enable @typescript-eslint/no-require-imports */
      if ((name === undefined) === (all !== true))
        throw new CommandError("Name one environment, or say --all for every one.", exitCodes.usage);
      const environments = stacksOf().flatMap((stack) => {
        const { sasquatch } = stackConfig(stack);
        return Object.keys(sasquatch?.environments ?? {}).map((environment) => ({
          environment,
          sasquatch: sasquatch!,
        }));
      });
      const chosen = environments.filter(({ environment }) => all || environment === name);
      if (chosen.length === 0) {
        const known = environments.map(({ environment }) => environment).join(", ") || "none";
        throw new CommandError(
          name === undefined
            ? "No stack has a Sasquatch environment."
            : `No Sasquatch environment "${name}". Known: ${known}.`,
          exitCodes.usage,
        );
      }
      const audits = chosen.map(({ environment, sasquatch }) => auditTopics(environment, sasquatch));
      const findings = audits.map(findingsOf);
      if (json)
        console.log(JSON.stringify({ audits: audits.map((one, index) => ({ ...one, findings: findings[index] })) }));
      else console.log(all ? showAudits(audits) : showAudit(audits[0]!));
      if (findings.flat().some(({ level }) => level === "error")) process.exitCode = exitCodes.failed;
    });
}
