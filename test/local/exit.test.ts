import { StackConfigError } from "../../components/config";
import { CommandError, exitCodeOf, exitCodes } from "../../local/exit";
import { ConfigError } from "../../workloads/src/lib/contract";

it.each([
  ["a stack's configuration", new StackConfigError("prod", ["x is unknown."]), exitCodes.badConfig],
  ["a program's environment", new ConfigError("ingest", ["BUCKET is missing"]), exitCodes.badConfig],
  ["a wrong command line", new CommandError("no such stack", exitCodes.usage), exitCodes.usage],
  ["anything else", new Error("lost"), exitCodes.failed],
])("ends with the exit code of the help for %s", (_about, error, code) => expect(exitCodeOf(error)).toBe(code));
