import { InvalidArgumentError } from "commander";

/** Reader of an option that is a whole number. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return within("whole number", /^-?\d+$/, min, max);
}

/** Reader of an option that may have a fraction. */
export function decimal(min: number, max = Number.MAX_VALUE): (text: string) => number {
  return within("number", /^-?\d+(\.\d+)?(e-?\d+)?$/i, min, max);
}

function within(kind: string, pattern: RegExp, min: number, max: number): (text: string) => number {
  const range = max >= Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (!pattern.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`It is not a ${kind} ${range}.`);
    return value;
  };
}
