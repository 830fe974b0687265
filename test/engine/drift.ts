import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { type PulumiProject, root } from "../support/pulumi";

/** What the daily look for drift said. */
export interface Drift {
  readonly code: number | null;
  readonly errors: string;
  /** Text of the issue that it opened. */
  readonly issue: string | undefined;
}

/**
 * Compares a stack with what runs, by the script of the workflow. A `gh` that only knows how to create an issue stands for GitHub.
 * @param more - Environment in place of the project's own.
 */
export async function drift(project: PulumiProject, more: NodeJS.ProcessEnv = {}): Promise<Drift> {
  const bin = join(project.stateDir, "bin");
  const issue = join(project.stateDir, "issue");
  mkdirSync(bin, { recursive: true });
  rmSync(issue, { force: true });
  const gh = `#!/bin/sh\n[ "$1 $2" = "issue create" ] || exit 0\nfor word; do file=$word; done\ncp "$file" "${issue}"\n`;
  writeFileSync(join(bin, "gh"), gh);
  chmodSync(join(bin, "gh"), 0o755);
  const watch = spawn("bash", [join(root, ".github/drift.sh")], {
    cwd: project.folder,
    env: {
      ...project.environment,
      ...more,
      PATH: [bin, project.environment.PATH].join(delimiter),
      STACK: project.stack,
      RUN_URL: "https://example.org/1",
    },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 240_000,
  });
  const [errors, [code]] = await Promise.all([text(watch.stderr), once(watch, "close") as Promise<[number | null]>]);
  return { code, errors, issue: existsSync(issue) ? readFileSync(issue, "utf8") : undefined };
}
