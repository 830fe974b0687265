import type { Declaration } from "../model";
import type { Finding, StackFinding } from "./finding";
import { checkNetworks } from "./networks";
import { checkPolicies } from "./policies";
import { checkPrompt } from "./prompt";
import { checkQueues } from "./queues";
import { checkReferences } from "./references";
import { checkSasquatch } from "./sasquatch";
import { checkSchemas } from "./schemas";
import { checkSelectors } from "./selectors";
import { checkUniqueness } from "./uniqueness";

export type { Finding } from "./finding";

/** Everything that can be known to be wrong with what a stack declares, before any cluster sees it. Errors first. */
export function checkDeclaration(declaration: Declaration): Finding[] {
  const { stack, objects } = declaration;
  const checks: ((all: typeof objects) => StackFinding[])[] = [
    checkSchemas,
    checkReferences,
    checkSelectors,
    checkQueues,
    checkUniqueness,
  ];
  const findings = [
    ...checks.flatMap((check) => check(objects)),
    ...checkPolicies(declaration),
    ...checkNetworks(declaration),
    ...checkSasquatch(declaration),
    ...checkPrompt(declaration),
  ].map((one) => ({
    stack,
    ...one,
  }));
  const rank = ({ level }: Finding) => ["error", "warning", "note"].indexOf(level);
  return findings.sort((a, b) => rank(a) - rank(b));
}
