import type { Command } from "commander";

/** `usdf down`: ends everything that `usdf up` started. */
export function register(program: Command): void {
  program
    .command("down")
    .description("stop everything that runs here; data stay for the next up")
    .option("--purge", "remove the data, too: bucket, queues, Butler, secrets, logs")
    .option("--json", "print what was stopped as JSON")
    .action(async (options: { purge?: boolean; json?: boolean }) => {
      const { existingState, withCommandLock } = await import("../state");
      const state = await existingState();
      const stopped = state
        ? await withCommandLock(state, async () => {
            const { bringDown } = await import("../runner/bring-down");
            return bringDown(state, options.purge === true);
          })
        : [];
      if (options.json) console.log(JSON.stringify({ stopped, purged: options.purge === true }));
      else {
        console.log(stopped.length > 0 ? `Stopped ${stopped.join(", ")}.` : "Nothing ran.");
        if (options.purge) console.log("Removed its data.");
      }
    });
}
