import { readdirSync } from "node:fs";
import { join } from "node:path";
import { CommandError, exitCodes } from "../exit";

/** The checkout that this command line belongs to. */
export const root = join(__dirname, "..", "..");

/** Names of the stacks of a checkout, from its files `Pulumi.<stack>.yaml`. */
export function stacksOf(folder: string = root): string[] {
  return readdirSync(folder)
    .flatMap((file) => /^Pulumi\.([\w-]+)\.yaml$/.exec(file)?.[1] ?? [])
    .sort();
}

/** @throws CommandError, exit code 2, for a stack that is not there. */
export function requireStacks(names: readonly string[], known: readonly string[] = stacksOf()): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new CommandError(`No stack "${unknown.join('", "')}". Stacks here: ${known.join(", ")}.`, exitCodes.usage);
}
