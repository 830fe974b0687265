import type { RecordedStack } from "../../local/record";

// Itself: a test file may have put this function in its place.
const { recordStack } = jest.requireActual("../../local/record") as typeof import("../../local/record");

/** Test files of one process share them: recording a stack takes seconds. */
const shared = globalThis as { recordedStacks?: Map<string, Promise<RecordedStack>> };

/** A stack as its file has it, recorded once a process and frozen. Who changes anything in it changes a copy. */
export function recorded(stack: string): Promise<RecordedStack> {
  const stacks = (shared.recordedStacks ??= new Map());
  const known = stacks.get(stack) ?? recordStack(stack).then(frozen);
  stacks.set(stack, known);
  return known;
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}
