import type { Command } from "commander";

/** `usdf render`: what a stack declares, as files. */
export function register(program: Command): void {
  program
    .command("render")
    .description("Write what a stack declares to files, one an object; no secret value in any")
    .argument("<stack>", "stack: a file Pulumi.<stack>.yaml")
    .requiredOption("--out <dir>", "folder; new, empty, or made by an earlier render")
    .option("--json", "print written and removed files as JSON")
    .action(async (stack: string, options: { out: string; json?: boolean }) => {
      // Loaded here, so that other commands do not wait for it.
      /* eslint-disable @typescript-eslint/no-require-imports */
      const { recordStack } = require("../record") as typeof import("../record");
      const { declarationOf } = require("../preview/declaration") as typeof import("../preview/declaration");
      const { renderTo } = require("../preview/render") as typeof import("../preview/render");
      const { requireStacks } = require("../preview/stacks") as typeof import("../preview/stacks");
      /* eslint-enable @typescript-eslint/no-require-imports */
      requireStacks([stack]);
      const { written, removed } = await renderTo(options.out, declarationOf(await recordStack(stack)));
      if (options.json) return console.log(JSON.stringify({ stack, out: options.out, written, removed }));
      const stale = removed.length > 0 ? `, ${removed.length} of an earlier render removed` : "";
      console.log(`${written.length} objects of stack ${stack} written to ${options.out}${stale}`);
    });
}
