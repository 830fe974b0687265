import { type RecordedStack, recordStack } from "../../local/record";

const stacks = new Map<string, Promise<RecordedStack>>();

/** A stack as its file has it, recorded once a test file. Who changes anything in it changes a copy. */
export function recorded(stack: string): Promise<RecordedStack> {
  const known = stacks.get(stack) ?? recordStack(stack);
  stacks.set(stack, known);
  return known;
}
