import { Command, CommanderError } from "commander";
import { version } from "../package.json";
import { exitCodeOf, exitCodes } from "./exit";
import * as adopt from "./commands/adopt";
import * as bench from "./commands/bench";
import * as camera from "./commands/camera";
import * as docs from "./commands/docs";
import * as doctor from "./commands/doctor";
import * as down from "./commands/down";
import * as efd from "./commands/efd";
import * as embargo from "./commands/embargo";
import * as logs from "./commands/logs";
import * as preview from "./commands/preview";
import * as release from "./commands/release";
import * as prompt from "./commands/prompt";
import * as render from "./commands/render";
import * as sasquatch from "./commands/sasquatch";
import * as secrets from "./commands/secrets";
import * as status from "./commands/status";
import * as test from "./commands/test";
import * as topics from "./commands/topics";
import * as up from "./commands/up";
import * as verify from "./commands/verify";

/** In the order of the help: first what a newcomer types first. */
const commands = [
  up,
  status,
  logs,
  down,
  verify,
  doctor,
  preview,
  render,
  adopt,
  secrets,
  camera,
  embargo,
  efd,
  sasquatch,
  prompt,
  topics,
  release,
  test,
  bench,
  docs,
];

const exitHelp = `
Exit codes:
  ${exitCodes.ok}   done
  ${exitCodes.failed}   failed; the message says why
  ${exitCodes.usage}   wrong command line
  ${exitCodes.notRunning}   the local stack does not run, or a part of it is not healthy
  ${exitCodes.badConfig}  the configuration of a stack or of a program has faults

Every command takes --json. NO_COLOR switches colours off, USDF_DEBUG=1 shows the stack of an error.`;

/** The program with all its commands. */
export function program(): Command {
  const root = new Command("usdf")
    .description("The data services of the Rubin US Data Facility: see what each environment gets, run them here.")
    .version(version)
    .showSuggestionAfterError()
    .addHelpText("after", exitHelp);
  for (const { register } of commands) register(root);
  overrideExit(root);
  return root;
}

/** Runs one command line and sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
      return;
    }
    report(error, argv.includes("--json"));
    process.exitCode = exitCodeOf(error);
  }
}

function report(error: unknown, json: boolean): void {
  const { message, stack, cause, code } = error as Error & { code?: unknown };
  if (json) console.log(JSON.stringify({ error: { code: code ?? "FAILED", message } }));
  console.error(`usdf: ${message}`);
  for (let inner = cause; inner instanceof Error; inner = inner.cause) console.error(`  because: ${inner.message}`);
  if (process.env.USDF_DEBUG) console.error(stack);
}

/** Makes commander throw instead of ending the process, in every subcommand. */
function overrideExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(overrideExit);
}
