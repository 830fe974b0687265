import type { DeclaredObject } from "../model";

/** Something that a reviewer should know before the stack is applied. */
export interface Finding {
  /** An error would break what is declared; a warning asks for a look; a note says what is let pass, and why. */
  readonly level: "error" | "warning" | "note";
  readonly stack: string;
  readonly environment: string;
  /** `Deployment summit/embargo-butler-ingest` */
  readonly object: string;
  /** What is wrong, with the value, and what to do. */
  readonly message: string;
}

/** A finding before it is known of which stack. */
export type StackFinding = Omit<Finding, "stack">;

export const titleOf = ({ kind, name }: Pick<DeclaredObject, "kind" | "name">) => `${kind} ${name}`;

export function finding(level: Finding["level"], object: DeclaredObject, message: string): StackFinding {
  return { level, environment: object.environment, object: titleOf(object), message };
}
export const error = (object: DeclaredObject, message: string) => finding("error", object, message);
export const warning = (object: DeclaredObject, message: string) => finding("warning", object, message);

/** Objects by namespace of their cluster: what is in another one is out of reach. */
export function byNamespace(objects: readonly DeclaredObject[]): DeclaredObject[][] {
  const groups = new Map<string, DeclaredObject[]>();
  for (const object of objects) {
    const { namespace } = (object.content.metadata ?? {}) as { namespace?: string };
    if (object.type !== "kubernetes" || namespace === undefined) continue;
    const key = `${object.place} ${namespace}`;
    groups.set(key, [...(groups.get(key) ?? []), object]);
  }
  return [...groups.values()];
}
