/** Exit codes of `usdf`, as its help says. */
export const exitCodes = {
  ok: 0,
  /** The command failed; the message says why. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The local stack does not run, or a part of it is not healthy. */
  notRunning: 3,
  /** The configuration of a stack or of a program has faults. */
  badConfig: 78,
} as const;

/** An error that a person can act on: shown without a stack, ends with its own exit code. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Exit code of anything that was thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  const { code } = error as { code?: unknown };
  return code === "CONFIG" || code === "STACK_CONFIG" ? exitCodes.badConfig : exitCodes.failed;
}
