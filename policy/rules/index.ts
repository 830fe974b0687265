import { exceptions } from "../exceptions";
import { dataProtected } from "./data";
import { everyNetwork, openBalancer } from "./network";
import { isAdopting, type PolicyObject, titleOf } from "./object";
import { hostAccess, imageTag, podSecurity, podSecurityRestricted, probes, resources } from "./pods";
import type { Rule } from "./rule";
import { plainSecret } from "./secrets";

export type { Exception } from "../exceptions";
export { type PolicyObject, titleOf, unknown } from "./object";
export type { Rule } from "./rule";

/** Every rule, in the order of the documentation. */
export const rules: readonly Rule[] = [
  imageTag,
  probes,
  resources,
  hostAccess,
  podSecurity,
  podSecurityRestricted,
  plainSecret,
  everyNetwork,
  openBalancer,
  dataProtected,
];

/** Rules that a workload need not keep to while `adopting` keeps the pods that others made. */
const aboutPods: readonly Rule[] = [imageTag, probes, resources, hostAccess, plainSecret];

/** What a rule has against an object. */
export interface Violation {
  readonly rule: Rule;
  /** What is wrong and what to do. */
  readonly message: string;
  /** Why it is let pass; `undefined` when it is not. */
  readonly excepted: string | undefined;
}

const takenOver = "its pods are still those that it is taken over with";

/** What one rule has against an object. */
export function violationsOf(rule: Rule, object: PolicyObject, allowed = exceptions): Violation[] {
  const messages = rule.check(object);
  if (messages.length === 0) return [];
  const title = titleOf(object);
  const listed = allowed.find((one) => one.rule === rule.name && one.stack === object.stack && one.object === title);
  const adopting = aboutPods.includes(rule) && isAdopting(object) ? takenOver : undefined;
  return messages.map((message) => ({ rule, message, excepted: listed?.reason ?? adopting }));
}
