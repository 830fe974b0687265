import { type PolicyObject, rules, titleOf, violationsOf } from "../../../policy/rules";
import type { RecordedResource } from "../../record";
import type { Declaration } from "../model";
import type { StackFinding } from "./finding";

/** Each resource against the rules of the policy pack, which Pulumi's engine runs too. */
export function checkPolicies({ stack, objects, recorded }: Declaration): StackFinding[] {
  const environments = new Map(
    objects.flatMap(({ environment, resources }) => resources.map(({ urn }) => [urn, environment] as const)),
  );
  return recorded.resources
    .filter(({ custom }) => custom)
    .flatMap((resource) => {
      const object = policyObject(stack, resource);
      return rules
        .flatMap((rule) => violationsOf(rule, object))
        .map(({ rule, message, excepted }) => ({
          level: excepted ? ("note" as const) : rule.level === "mandatory" ? ("error" as const) : ("warning" as const),
          environment: environments.get(resource.urn) ?? stack,
          object: titleOf(object),
          message: `${message} (${rule.name}${excepted ? `, excepted: ${excepted}` : ""})`,
        }));
    });
}

function policyObject(stack: string, { type, name, inputs, secrets, protect }: RecordedResource): PolicyObject {
  const encrypted = new Set(secrets.map((path) => path.join("\0")));
  return { stack, type, name, inputs, protect, isSecret: (path) => encrypted.has(path.join("\0")) };
}
