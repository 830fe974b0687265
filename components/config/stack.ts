import { z } from "zod";
import { nearest } from "../../workloads/src/lib/contract";
import { cephSchema, type CephTopic } from "./ceph";
import { type EfdConfig, efdSchema } from "./efd";
import { type EmbargoConfig, embargoSchema } from "./embargo";
import { type PlatformConfig, platformSchema } from "./platform";
import { type PromptConfig, promptSchema } from "./prompt";
import { type SasquatchConfig, sasquatchSchema } from "./sasquatch";

/** Everything that a stack is told: one key `usdf:<system>` of `Pulumi.<stack>.yaml` each. */
export const stackSchema = z
  .strictObject({
    platform: platformSchema.prefault({}),
    ceph: cephSchema.prefault({}),
    embargo: embargoSchema.optional(),
    efd: efdSchema.optional(),
    sasquatch: sasquatchSchema.optional(),
    prompt: promptSchema.optional(),
  })
  .superRefine((stack, context) => {
    const environments = stack.embargo?.environments ?? {};
    for (const name of Object.keys(stack.efd?.environments ?? {}).filter((one) => Object.hasOwn(environments, one))) {
      const message = "is also the name of an environment of embargo: commands and namespaces go by it. Choose another";
      context.addIssue({ code: "custom", path: ["efd", "environments", name], message });
    }
    for (const [path, message] of vaultFaults(stack)) context.addIssue({ code: "custom", path, message });
    for (const [endpointName, endpoint] of Object.entries(stack.ceph.endpoints)) {
      for (const [topicName, topic] of Object.entries(endpoint.topics)) {
        if (topic.to === undefined) continue;
        const at = ["ceph", "endpoints", endpointName, "topics", topicName, "to"];
        for (const [key, message] of receiverFaults(stack, topicName, topic.to))
          context.addIssue({ code: "custom", path: [...at, key], message });
      }
    }
  });

/** Why a topic of a gateway cannot feed what it is `to`. */
function receiverFaults(
  { embargo, prompt }: { embargo?: EmbargoConfig; prompt?: PromptConfig },
  topic: string,
  to: NonNullable<CephTopic["to"]>,
): ["environment" | "prompt", string][] {
  const faults: ["environment" | "prompt", string][] = [];
  const known = (environments: object) => Object.keys(environments).join(", ") || "none";
  const environments = embargo?.environments ?? {};
  const kafka = to.environment === undefined ? undefined : environments[to.environment]?.enqueue.kafka;
  if (to.environment !== undefined && environments[to.environment] === undefined)
    faults.push(["environment", `is "${to.environment}", not an environment of embargo in this stack (${known(environments)})`]); // prettier-ignore
  else if (kafka !== undefined && kafka.topic !== topic)
    faults.push(["environment", `is "${to.environment}", whose enqueue reads Kafka topic "${kafka.topic}"; name this topic so`]); // prettier-ignore
  if (to.prompt === undefined) return faults;
  const prompts = prompt?.environments ?? {};
  const notifications = prompts[to.prompt]?.fileNotifications;
  const topics = Object.keys(notifications?.topics ?? {});
  if (prompts[to.prompt] === undefined)
    faults.push(["prompt", `is "${to.prompt}", not an environment of prompt processing in this stack (${known(prompts)})`]); // prettier-ignore
  else if (!topics.includes(topic))
    faults.push(["prompt", `is "${to.prompt}", whose fileNotifications have topics ${topics.join(", ") || "none"}; add ${topic} there`]); // prettier-ignore
  const { host, address } = notifications?.cluster.external?.bootstrap ?? {};
  const place = host ?? address;
  if (to.environment !== undefined && place !== undefined && kafka?.cluster !== `${place}:9094`)
    faults.push(["environment", `is "${to.environment}", whose enqueue reads ${kafka?.cluster ?? "no Kafka"}, not ${place}:9094 of "${to.prompt}"`]); // prettier-ignore
  return faults;
}

/** Where the declared Vault does not fit the environments. */
function vaultFaults({
  platform: { vault, secrets },
  embargo,
  efd,
  sasquatch,
  prompt,
}: {
  platform: PlatformConfig;
  embargo?: EmbargoConfig;
  efd?: EfdConfig;
  sasquatch?: SasquatchConfig;
  prompt?: PromptConfig;
}): [string[], string][] {
  if (vault === undefined) return [];
  if (secrets.kind === "value")
    return [[["platform", "vault"], "is of no use with secrets.kind value: nothing in the cluster reads Vault"]];
  const environments = Object.values(embargo?.environments ?? {});
  const contexts = new Set(environments.flatMap((one) => one.kubeContext ?? embargo?.kubeContext ?? []));
  if (efd) contexts.add(efd.kubeContext);
  const others = [...Object.values(sasquatch?.environments ?? {}), ...Object.values(prompt?.environments ?? {})];
  for (const one of others) contexts.add(one.kubeContext);
  return [...contexts]
    .filter((context) => !Object.hasOwn(vault.authMounts, context))
    .map((context) => [
      ["platform", "vault", "authMounts", context],
      "is missing: name the mount of that cluster's Kubernetes auth method",
    ]);
}

export type StackConfig = z.output<typeof stackSchema>;

/** The configuration of a stack cannot be used; the message names every fault and no secret value. */
export class StackConfigError extends Error {
  readonly code = "STACK_CONFIG";
  /** Pulumi shows the message of such an error without a stack trace. */
  readonly __pulumiRunError = true;
  constructor(
    readonly stackName: string,
    readonly faults: readonly string[],
  ) {
    super(
      `Pulumi.${stackName}.yaml has ${faults.length} fault${faults.length === 1 ? "" : "s"}.\n` +
        faults.map((fault) => `  - ${fault}`).join("\n"),
    );
    this.stack = this.message; // for a person; and Node 20 takes half a minute to colour the frames of Pulumi
  }
  override get name(): string {
    return "StackConfigError";
  }
}

/**
 * Values of the keys `usdf:<system>`, by system, from the configuration as the engine hands it over (objects as JSON).
 * Every key counts, so that a misspelt system is seen. `usdf:secrets` holds secret values and is read by itself.
 */
export function rawStackConfig(all: Readonly<Record<string, string>>): Record<string, unknown> {
  const entries = Object.entries(all).filter(([key]) => key.startsWith("usdf:") && key !== "usdf:secrets");
  return Object.fromEntries(entries.map(([key, text]) => [key.slice("usdf:".length), parsed(text)]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // the schema says that it must be an object
  }
}

/** What was checked last: a preview's program and its checks ask for the same one after the other. */
let last: { readonly text: string; readonly config: StackConfig } | undefined;

/**
 * Checks a stack's configuration and fills in defaults.
 * @param raw - Values of the keys `usdf:<system>`, by system.
 * @param stack - Name of the stack, for the message.
 * @throws {@link StackConfigError} that lists every fault: unknown keys with the nearest known one, values and reasons.
 */
export function loadStackConfig(raw: unknown, stack = "<stack>"): StackConfig {
  const text = JSON.stringify(raw);
  if (last?.text === text) return last.config;
  const result = stackSchema.safeParse(raw, { reportInput: true });
  if (result.success) {
    last = { text, config: result.data };
    return result.data;
  }
  // What is wrong in a layer of a service is wrong in the whole, too.
  throw new StackConfigError(stack, [...new Set(result.error.issues.flatMap(faultsOf))]);
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(stackSchema, issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const advice = meant === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${meant}?`;
      return `${pathText([...issue.path, key])} is unknown. ${advice}`;
    });
  }
  const where = pathText(issue.path);
  if (issue.code === "invalid_type" && issue.input === undefined) return [`${where} is missing (${issue.expected}).`];
  if (issue.code === "invalid_key")
    return issue.issues.map((inner) => `${where} is a name that is refused: it ${inner.message}.`);
  if (issue.code === "custom") return [`${where} ${issue.message}.`];
  return [`${where} is ${JSON.stringify(issue.input)}: it ${sentence(issue)}.`];
}

/** zod says "Invalid input: expected number, received string" where it was given no words of ours. */
function sentence(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith("must ")) return issue.message;
  if (issue.code === "invalid_type") return `must be a ${issue.expected === "int" ? "whole number" : issue.expected}`;
  if (issue.code === "invalid_value") return `must be one of ${issue.values.map(String).join(", ")}`;
  if (issue.code === "too_small") return `must be at least ${issue.minimum}`;
  if (issue.code === "too_big") return `must be at most ${issue.maximum}`;
  if (issue.code === "invalid_format" && issue.format === "url") return "must be a URL";
  return `is refused (${issue.message})`;
}

/** `usdf:embargo.environments.summit-new.ingest.replicas`, as `pulumi config set --path` takes it. */
function pathText(path: readonly PropertyKey[]): string {
  const [system, ...rest] = path.map(String);
  if (system === undefined) return "config";
  return `usdf:${system}${rest.map((part) => (/^[\w-]+$/.test(part) ? `.${part}` : `["${part}"]`)).join("")}`;
}

/** Keys of the object that the schema has at `path`. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.ZodType = bare(schema);
  for (const part of path) {
    if (current instanceof z.ZodObject) current = bare(current.shape[String(part)]);
    else if (current instanceof z.ZodRecord) current = bare(current.valueType as z.ZodType);
    else if (current instanceof z.ZodArray) current = bare(current.element as z.ZodType);
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

function bare(schema: z.ZodType): z.ZodType {
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType === undefined ? schema : bare(innerType);
}

/** JSON Schema of `Pulumi.<stack>.yaml`, for editors; written to `stack.schema.json`. */
export function stackJsonSchema(): Record<string, unknown> {
  const { $schema, properties, ...rest } = z.toJSONSchema(stackSchema, { io: "input" }) as Record<string, unknown>;
  return {
    $schema,
    title: "Configuration of a stack of the USDF data services",
    type: "object",
    properties: {
      config: {
        type: "object",
        ...rest,
        properties: {
          ...Object.fromEntries(
            Object.entries(properties as Record<string, unknown>).map(([system, schema]) => [`usdf:${system}`, schema]),
          ),
          "usdf:secrets": {
            type: "object",
            description: "Secret values by `<vault path>#<field>`, for secrets.kind: value.",
          },
        },
        additionalProperties: true,
      },
    },
  };
}
