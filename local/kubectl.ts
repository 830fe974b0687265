import { execFile } from "node:child_process";
import { CommandError } from "./exit";

/** Longest wait for one answer of kubectl, ms. */
export const kubectlAnswerMs = 20_000;

/** Most bytes of one answer. */
const maxAnswerBytes = 64 << 20;

/** Where kubectl looks; the current context of the kubeconfig is never used. */
export interface KubePlace {
  readonly context: string;
  /** Default: the words of the command say. */
  readonly namespace?: string;
}

/** kubectl did not do what it was asked. */
export class KubectlError extends CommandError {
  /** @param reason - kubectl's own last line. */
  constructor(
    { context, namespace }: KubePlace,
    what: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    const where = namespace === undefined ? context : `${context}, namespace ${namespace}`;
    super(`kubectl ${what} in ${where}, failed: ${reason}`, undefined, options);
  }
}

/** Words that come before those of a command. */
export function placeWords({ context, namespace }: KubePlace): string[] {
  return ["--context", context, ...(namespace === undefined ? [] : ["--namespace", namespace])];
}

/** The error for a run of kubectl that failed. */
export function kubectlFault(place: KubePlace, what: string, error: Error, stderr: string): KubectlError {
  if ((error as NodeJS.ErrnoException).code === "ENOENT")
    return new KubectlError(place, what, "kubectl is not on the PATH", { cause: error });
  return new KubectlError(place, what, stderr.trim().split("\n").at(-1) || error.message.split("\n")[0]!);
}

/**
 * Runs kubectl to its end and gives what it wrote.
 * @param args - Its words; the first two name the run in an error.
 * @throws KubectlError
 */
export function kubectl(place: KubePlace, ...args: string[]): Promise<string> {
  const all = [...placeWords(place), `--request-timeout=${kubectlAnswerMs}ms`, ...args];
  const options = { timeout: kubectlAnswerMs + 5_000, maxBuffer: maxAnswerBytes, env: process.env };
  return new Promise((resolve, reject) => {
    execFile("kubectl", all, options, (error, stdout, stderr) => {
      if (error) reject(kubectlFault(place, args.slice(0, 2).join(" "), error, stderr));
      else resolve(stdout);
    });
  });
}
