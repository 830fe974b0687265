import { FacilityError } from "../../lib/errors";

/** A question to the EFD that has no answer, or none that is known to be whole. */
export class EfdError extends FacilityError {
  readonly code = "EFD_QUERY";
  /** How long the server asked to wait before the next attempt, milliseconds. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param message - What failed, on which topic, at which address; without secrets.
   * @param retryable - True when the same question may be answered later.
   */
  constructor(
    message: string,
    readonly retryable: boolean,
    { retryAfterMs, cause }: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** Why an answer cannot be used; the client adds the topic and the address. */
export class BadAnswer extends Error {
  /** @param retryable - False where the question itself is refused. */
  constructor(
    reason: string,
    readonly retryable = true,
  ) {
    super(reason);
  }
}

/** True for what a server says of the question itself, and will say again. */
export function refusesQuestion(said: string): boolean {
  return /error parsing query|unsupported|not authorized|unauthorized|forbidden|not found|invalid|schema collision|type conflict|undefined identifier/i.test(
    said,
  );
}

/** True when an aggregate was refused because a field holds text (or booleans). */
export function refusesFieldType(error: unknown): boolean {
  return (
    error instanceof EfdError &&
    /unsupported (mean|min|max|input|aggregate)|no implementation for type/i.test(error.message)
  );
}

/** The first 200 characters of what a server said, on one line, without the given secrets. */
export function excerpt(said: string, secrets: readonly string[]): string {
  let text = said.replace(/\s+/g, " ").trim();
  for (const secret of secrets) if (secret) text = text.replaceAll(secret, "***");
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
