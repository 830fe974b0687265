import { execFile } from "node:child_process";
import { join } from "node:path";
import type { StackVerified } from "../../local/verify";
import { root } from "../support/pod";
import type { PulumiProject } from "../support/pulumi";

/** How a run of `usdf verify` ended. */
export interface VerifyRun {
  readonly code: number;
  /** What it printed as JSON; `undefined` when it could not begin. */
  readonly verified: StackVerified | undefined;
  readonly stderr: string;
}

/** Longest run of the command. */
const limitMs = 120_000;

/**
 * Runs `usdf verify` as an operator does, against what `pulumi up` of this project made.
 * @param options.stack - Name of the project's stack.
 * @param options.environment - The one environment to verify.
 * @param options.args - More words of the command line, e.g. `--timeout 5`.
 */
export function verifyInCluster(
  project: Pick<PulumiProject, "folder" | "environment">,
  options: { stack: string; environment: string; args?: readonly string[] },
): Promise<VerifyRun> {
  const { stack, environment, args = [] } = options;
  const words = ["verify", stack, "--environment", environment, "--cwd", project.folder, "--json", ...args];
  return new Promise((resolve) => {
    const settings = { cwd: root, env: project.environment, timeout: limitMs, maxBuffer: 16 << 20 };
    execFile(process.execPath, [join(root, "local/usdf.mjs"), ...words], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      const json = stdout.startsWith("{") ? (JSON.parse(stdout) as StackVerified) : undefined;
      resolve({ code, verified: json?.journeys === undefined ? undefined : json, stderr });
    });
  });
}
