import type { Command } from "commander";
import { whole } from "./numbers";

/** `usdf logs`: what programs and services of the local stack wrote. */
export function register(program: Command): void {
  program
    .command("logs")
    .description("what the local stack wrote; without a name: of everything")
    .argument("[name]", "a pod or part of its name (ingest), a service (rgw), or supervisor")
    .option("-f, --follow", "go on with what comes")
    .option("-n, --lines <n>", "last lines of each", whole(0), 20)
    .option("--json", "print each line as JSON: {source, line}")
    .action(async (name: string | undefined, options: { follow?: boolean; lines: number; json?: boolean }) => {
      const { existingState } = await import("../state");
      const { CommandError, exitCodes } = await import("../exit");
      const { followFile, logFiles } = await import("../runner/log-files");
      const { tail } = await import("../process");
      const state = await existingState();
      const all = state ? logFiles(state) : [];
      const files = all.filter(({ source }) => name === undefined || source.includes(name));
      if (files.length === 0) {
        const known = all.map(({ source }) => source).join(", ");
        throw new CommandError(
          known ? `No log of "${name}". There are: ${known}.` : "Nothing has run here yet; start it: npm run up",
          known ? exitCodes.usage : exitCodes.notRunning,
        );
      }
      const print = (source: string, line: string) =>
        console.log(options.json ? JSON.stringify({ source, line }) : files.length > 1 ? `${source} | ${line}` : line);
      for (const { source, file } of files) {
        const text = options.lines > 0 ? await tail(file, options.lines) : "";
        if (text) for (const line of text.split("\n")) print(source, line);
      }
      if (!options.follow) return;
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort());
      await Promise.all(files.map(({ source, file }) => followFile(file, (line) => print(source, line), stop.signal)));
    });
}
