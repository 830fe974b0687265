/**
 * A failure that the facility knows by name. Callers branch on {@link code} or {@link retryable}, never on text.
 * The message says what failed, on which input, and what to do.
 */
export abstract class FacilityError extends Error {
  /** Stable name for log search, metric labels and tests, e.g. `OBJECT_PATH`. */
  abstract readonly code: string;
  /** True when the same call may succeed later with nothing changed by a person. */
  abstract readonly retryable: boolean;
  override get name(): string {
    return this.constructor.name;
  }
}

/** Text of anything that was thrown; by its looks, since an error of another realm is no instance of this one's class. */
export function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : String(error);
}
