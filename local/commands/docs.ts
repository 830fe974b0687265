import type { Command } from "commander";

/** `usdf docs`: makes the reference pages anew from the code. */
export function register(program: Command): void {
  program
    .command("docs")
    .description("Generate docs/reference from contracts and schemas")
    .option("--check", "change nothing; exit 1 when a page is stale")
    .option("--json", "print the paths as JSON")
    .action(async (options: { check?: boolean; json?: boolean }) => {
      const { staleDocs, writeDocs } = await import("../docs");
      const changed = options.check ? staleDocs(process.cwd()) : writeDocs(process.cwd());
      const verb = options.check ? "stale" : "written";
      if (options.json) console.log(JSON.stringify({ [verb]: changed }));
      else
        console.log(
          changed.length ? changed.map((path) => `${verb}: ${path}`).join("\n") : "All pages are up to date.",
        );
      if (options.check && changed.length > 0) process.exitCode = 1;
    });
}
