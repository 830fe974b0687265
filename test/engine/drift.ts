import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
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
export function drift(project: PulumiProject, more: NodeJS.ProcessEnv = {}): Drift {
  const bin = join(project.stateDir, "bin");
  const issue = join(project.stateDir, "issue");
  mkdirSync(bin, { recursive: true });
  rmSync(issue, { force: true });
  const gh = `#!/bin/sh\n[ "$1 $2" = "issue create" ] || exit 0\nfor word; do file=$word; done\ncp "$file" "${issue}"\n`;
  writeFileSync(join(bin, "gh"), gh);
  chmodSync(join(bin, "gh"), 0o755);
  const { status, stderr } = spawnSync("bash", [join(root, ".github/drift.sh")], {
    cwd: project.folder,
    env: {
      ...project.environment,
      ...more,
      PATH: [bin, project.environment.PATH].join(delimiter),
      STACK: project.stack,
      RUN_URL: "https://example.org/1",
    },
    encoding: "utf8",
    timeout: 120_000,
  });
  return { code: status, errors: stderr, issue: existsSync(issue) ? readFileSync(issue, "utf8") : undefined };
}
