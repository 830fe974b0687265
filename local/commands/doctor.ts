import type { Command } from "commander";

/** `usdf doctor`: what this machine has and lacks. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description("what this machine has of what is needed, and what to do; exit code 1 when up could not run")
    .option("--json", "print it as JSON")
    .action(async (options: { json?: boolean }) => {
      const { examine } = await import("../doctor");
      const { exitCodes } = await import("../exit");
      const findings = await examine();
      const blocked = findings.some(({ state, neededFor }) => state === "missing" && neededFor === "up");
      if (blocked) process.exitCode = exitCodes.failed;
      if (options.json) {
        console.log(JSON.stringify({ canRun: !blocked, findings }, null, 2));
        return;
      }
      const { default: colour } = await import("picocolors");
      const marks = { found: colour.green("✔"), installable: colour.cyan("+"), missing: colour.dim("–") };
      const width = Math.max(...findings.map(({ name }) => name.length));
      for (const { name, state, detail, todo, neededFor } of findings) {
        const mark = state === "missing" && neededFor === "up" ? colour.red("✖") : marks[state];
        console.log(`${mark} ${name.padEnd(width)}  ${detail}`);
        if (todo) console.log(`  ${" ".repeat(width)}  ${colour.bold("to do:")} ${todo}`);
      }
      console.log(blocked ? "\nusdf up cannot run here yet." : "\nusdf up can run here.");
    });
}
