import type { PolicyObject } from "./object";

/** One thing that every object keeps to. */
export interface Rule {
  /** Name in messages and exceptions, e.g. `image-tag`. */
  readonly name: string;
  /** Whether a violation stops the update (mandatory) or only asks for a look (advisory). */
  readonly level: "mandatory" | "advisory";
  /** What must hold, as a sentence. */
  readonly about: string;
  /** What happens where it does not hold. */
  readonly why: string;
  /** What is wrong with an object and what to do; never with a value that could be secret. */
  readonly check: (object: PolicyObject) => string[];
}
