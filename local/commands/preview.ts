import type { Command } from "commander";

interface Options {
  readonly diff?: string;
  readonly markdown?: boolean;
  readonly json?: boolean;
}

/** `usdf preview`: what environments would get, checked, without engine, cluster or credential. */
export function register(program: Command): void {
  program
    .command("preview")
    .description("Show and check what each environment would get; exit 1 when something is wrong")
    .argument("[stack...]", "stacks to show in full (default: prod and dev); the others get a line an environment")
    .option("--diff <ref>", "show what changed against a git ref, object by object")
    .option("--markdown", "print the comparison as a page for a pull request, of at most 60,000 bytes")
    .option("--json", "print objects, findings and changes as JSON")
    .addHelpText(
      "after",
      `
Nothing is asked but this checkout: no engine, cluster or credential. Findings are errors (exit code 1), warnings, and
notes: what policy/exceptions.ts lets pass. Rules: docs/reference/policies.md.

  usdf preview prod                                  every object of production
  usdf preview --diff main                           what this checkout changes in prod and dev
  usdf preview --diff HEAD^1 --markdown >> "$GITHUB_STEP_SUMMARY"`,
    )
    .action(async (names: string[], options: Options) => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded here: other commands do not wait for it
      const { preview } = require("../preview") as typeof import("../preview");
      if (options.markdown && (options.diff === undefined || options.json)) {
        const { CommandError, exitCodes } = await import("../exit");
        throw new CommandError("--markdown shows a comparison: give --diff <ref>, and no --json.", exitCodes.usage);
      }
      const { text, json, markdown, ok } = await preview(names, options.diff);
      console.log(options.json ? JSON.stringify(json) : options.markdown ? markdown : text);
      if (!ok) process.exitCode = 1;
    });
}
