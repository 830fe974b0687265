import { PolicyPack, type ResourceValidationArgs, type ResourceValidationPolicy } from "@pulumi/policy";
import { type PolicyObject, type Rule, rules, titleOf, unknown, violationsOf } from "./rules";

/** The rules of this folder for Pulumi's engine: `pulumi preview --policy-pack policy`. */
new PolicyPack("usdf", { policies: [...rules.map(policyOf), shownExceptions()] });

function policyOf(rule: Rule): ResourceValidationPolicy {
  return {
    name: rule.name,
    description: rule.about,
    enforcementLevel: rule.level,
    validateResource: (args, report) => {
      const object = objectOf(args);
      for (const { message, excepted } of violationsOf(rule, object))
        if (excepted === undefined) report(`${titleOf(object)}: ${message}`);
    },
  };
}

/** What is let pass is said, as a policy of its own: a violation has the level of its policy. */
function shownExceptions(): ResourceValidationPolicy {
  return {
    name: "exceptions",
    description: "An object need not keep to a rule: policy/exceptions.ts names it, or it is being taken over.",
    enforcementLevel: "advisory",
    validateResource: (args, report) => {
      const object = objectOf(args);
      for (const { rule, excepted } of rules.flatMap((each) => violationsOf(each, object)))
        if (excepted !== undefined) report(`${titleOf(object)}, ${rule.name}: ${excepted}.`);
    },
  };
}

function objectOf({ type, name, urn, props, opts }: ResourceValidationArgs): PolicyObject {
  return {
    type,
    name,
    stack: urn.split(":")[2] ?? "",
    inputs: known(props) as Record<string, unknown>,
    protect: opts.protect,
    // The engine hands secrets over in plain and unmarked. Its Kubernetes SDK encrypts the fields of each Secret.
    isSecret: ([field]) =>
      (type === "kubernetes:core/v1:Secret" && (field === "data" || field === "stringData")) ||
      opts.additionalSecretOutputs.includes(field!),
  };
}

/** The inputs as plain JSON, with a mark where the SDK would throw because only the update will know the value. */
function known(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.keys(value).map((key) => {
    try {
      return [key, known((value as Record<string, unknown>)[key])] as const;
    } catch (error) {
      if ((error as Error).constructor.name !== "UnknownValueError") throw error;
      return [key, unknown] as const;
    }
  });
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}
