import { spawn } from "node:child_process";
import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { CommandError } from "../exit";
import type { ReleasePlan } from "./plan";
import { obstaclesOf } from "./text";

/**
 * Writes the release into its stack's file.
 * @param unchecked - Whatever the release needs.
 * @throws CommandError that says what speaks against it; the file is as it was then.
 */
export async function applyRelease(plan: ReleasePlan, unchecked: boolean): Promise<void> {
  const obstacles = obstaclesOf(plan);
  if (obstacles.length > 0 && !unchecked)
    throw new CommandError(`${plan.file} is as it was:\n${obstacles.map((one) => `  - ${one}`).join("\n")}`);
  if (plan.edits.length === 0) return;
  const draft = `${plan.file}.new`;
  await writeFile(draft, plan.text);
  await rename(draft, plan.file);
}

/** Runs `pulumi up` for a stack, with this terminal. @throws CommandError when it fails or is not there. */
export async function pulumiUp({ stack, file }: ReleasePlan): Promise<void> {
  const child = spawn("pulumi", ["up", "-s", stack], { cwd: dirname(file), stdio: "inherit" });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new CommandError(`pulumi cannot be started (${cause.message}): install its CLI.`, undefined, { cause })),
    );
    child.once("exit", resolve);
  });
  if (code !== 0) throw new CommandError(`pulumi up -s ${stack} failed. The file has the new tag: run it again.`);
}
