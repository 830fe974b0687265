import type { Command } from "commander";

interface Options {
  readonly diff?: string;
  readonly json?: boolean;
}

/** `usdf preview`: what environments would get, checked, without engine, cluster or credential. */
export function register(program: Command): void {
  program
    .command("preview")
    .description("Show and check what each environment would get; exit 1 when something is wrong")
    .argument("[stack...]", "stacks to show in full (default: prod and dev); the others get a line an environment")
    .option("--diff <ref>", "show what changed against a git ref, object by object")
    .option("--json", "print objects, findings and changes as JSON")
    .action(async (names: string[], options: Options) => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded here: other commands do not wait for it
      const { preview } = require("../preview") as typeof import("../preview");
      const { text, json, ok } = await preview(names, options.diff);
      console.log(options.json ? JSON.stringify(json) : text);
      if (!ok) process.exitCode = 1;
    });
}
