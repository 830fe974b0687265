import type { Command } from "commander";
import type { Audit } from "../secrets/audit";

interface Options {
  readonly environment?: string;
  readonly cluster?: boolean;
  readonly json?: boolean;
}

const help = `
Compares, by name only: no value, length or hash is read out, kept or printed.
  missing     needed, but not there: exit code 1
  unreadable  could not be looked at, with the reason: exit code 1
  unexpected  a field of an environment's own path, or a live Secret or key, that nothing declares
  unused      a path beside the environments' own that nothing reads; a declared key that no pod refers to

Vault is asked when VAULT_ADDR (or usdf:platform.vault.address) and VAULT_TOKEN (or \`vault login\`) say where and who;
when it does not answer, the declaration is compared with itself. For a certificate of your own: NODE_EXTRA_CA_CERTS.
To see unused paths the token must be allowed to list; to see names it needs \`subkeys\`, else \`data\`, of KV version 2.

Examples:
  usdf secrets audit                          prod and dev against Vault
  usdf secrets audit prod --environment lfa   one environment
  usdf secrets audit dev --cluster            and the keys of the live Secret objects, by kubectl`;

/** `usdf secrets audit`: which secrets are missing, which are too many. */
export function register(program: Command): void {
  program
    .command("secrets")
    .description("Secrets of a stack, by name only")
    .command("audit")
    .description("List missing, unexpected and unused secret keys; exit 1 when one is missing")
    .argument("[stack...]", "stacks (default: prod and dev)")
    .option("--environment <name>", "one environment only")
    .option("--cluster", "look at the live Secret objects too")
    .option("--json", "print what was found as JSON")
    .addHelpText("after", help)
    .action(async (names: string[], options: Options) => {
      // Loaded here, so that other commands do not wait for it.
      /* eslint-disable @typescript-eslint/no-require-imports */
      const { auditStack } = require("../secrets/audit") as typeof import("../secrets/audit");
      const { environmentNames } = require("../secrets/need") as typeof import("../secrets/need");
      const { stackConfig } = require("../stackConfig") as typeof import("../stackConfig");
      const { requireStacks, stacksOf } = require("../preview/stacks") as typeof import("../preview/stacks");
      const { CommandError, exitCodes } = require("../exit") as typeof import("../exit");
      /* eslint-enable @typescript-eslint/no-require-imports */
      const known = stacksOf();
      const asked = names.length > 0 ? [...new Set(names)] : ["prod", "dev"].filter((name) => known.includes(name));
      requireStacks(asked, known);
      const { environment, cluster } = options;
      const having = asked.filter((stack) => {
        return environment === undefined || environmentNames(stackConfig(stack)).includes(environment);
      });
      if (having.length === 0) {
        const all = asked.flatMap((stack) => environmentNames(stackConfig(stack)));
        throw new CommandError(
          `No environment "${environment}" in ${asked.join(", ")}: ${all.join(", ")}.`,
          exitCodes.usage,
        );
      }
      const others = known.map((stack) => stackConfig(stack));
      const audits: Audit[] = [];
      for (const stack of having) audits.push(await auditStack(stack, { environment, cluster, others }));
      console.log(options.json ? JSON.stringify({ audits }) : audits.map(textOf).join("\n\n"));
      const bad = audits.some(({ findings }) =>
        findings.some(({ level }) => level === "missing" || level === "unreadable"),
      );
      if (bad) process.exitCode = exitCodes.failed;
    });
}

const levels = ["missing", "unreadable", "unexpected", "unused"] as const;

function textOf({ stack, against, notVault, findings }: Audit): string {
  const lines = levels.flatMap((level) =>
    findings
      .filter((one) => one.level === level)
      .map(({ environment, name, message }) => `  ${level.padEnd(10)}  ${environment ?? "-"}  ${name}: ${message}`),
  );
  const counts = levels.map((level) => `${findings.filter((one) => one.level === level).length} ${level}`).join(", ");
  const without = notVault === undefined ? [] : [`  Vault was not asked: ${notVault}.`];
  return [`${stack}, compared with ${against.join(", ")}`, ...without, ...lines, `  ${counts}`].join("\n");
}
