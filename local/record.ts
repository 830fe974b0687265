import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import type * as Pulumi from "@pulumi/pulumi";
import { vaultMark } from "../components/platform";
import { readStackYaml, type StackYaml } from "./stackYaml";

export { readStackYaml, type StackYaml, vaultMark };

/** What stands in a recorded input where a Pulumi secret is. Nothing of its value is kept. */
export const secretMark = "[secret]";

/** One registration of a resource. */
export interface RecordedResource {
  /** `kubernetes:apps/v1:Deployment`, `pulumi-nodejs:dynamic/ceph:NotificationTopic`, `usdf:embargo:Redis`, … */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly urn: string;
  /** URN of the parent; none for the stack. */
  readonly parent: string | undefined;
  /** False for components. */
  readonly custom: boolean;
  /** Inputs in plain JSON; a secret is {@link secretMark} or a {@link vaultMark}. */
  readonly inputs: Record<string, unknown>;
  /** Paths of the secrets in `inputs`, e.g. `["stringData", "password"]`. */
  readonly secrets: readonly (readonly string[])[];
  /** Logical name of the explicit provider. */
  readonly provider: string | undefined;
  /** Whether the engine refuses to delete or replace it. */
  readonly protect: boolean;
  /** URNs that it waits for. */
  readonly dependsOn: readonly string[];
}

/** What a stack would register. */
export interface RecordedStack {
  readonly stack: string;
  /** The configuration that it was recorded with. */
  readonly yaml: StackYaml;
  readonly resources: readonly RecordedResource[];
  /** Stack outputs; an address that only a cluster knows is the Service's DNS name. */
  readonly outputs: Record<string, unknown>;
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs the program of a stack in this process, without engine, cluster, credential or plugin, and records what it
 * registers. Pulumi's runtime is one a process, so calls run one after the other.
 * @param options.root - Checkout to run, by default this one.
 * @throws StackConfigError for a faulty `Pulumi.<stack>.yaml`; whatever the program throws.
 */
export function recordStack(
  stack: string,
  options: { root?: string; config?: StackYaml } = {},
): Promise<RecordedStack> {
  const result = last.then(() => record(stack, resolve(options.root ?? join(__dirname, "..")), options.config));
  last = result.catch(() => undefined);
  return result;
}

async function record(stack: string, root: string, yaml = readStackYaml(stack, root)): Promise<RecordedStack> {
  const load = createRequire(join(root, "index.ts"));
  const pulumi = load("@pulumi/pulumi") as typeof Pulumi;
  const resources: RecordedResource[] = [];
  await pulumi.runtime.setMocks({ call: () => ({}), newResource: () => ({ id: "", state: {} }) }, "usdf", stack, false);
  const { getMonitor, waitForRPCs } = pulumi.runtime as unknown as {
    getMonitor(): MockMonitor;
    waitForRPCs(): Promise<void>;
  };
  recordInto(resources, getMonitor());
  const restoreStructs = keepStructsPlain(createRequire(load.resolve("@pulumi/pulumi")));
  const restoreInputs = copyPlainInputs(load("@pulumi/pulumi/runtime/rpc") as Rpc);
  setConfig(pulumi, yaml);
  const program = load("./index.ts") as () => Promise<Record<string, unknown>>;
  // Pulumi takes a stack trace for each resource and promise: in full and mapped to TypeScript, they took half the time.
  const { sourceMapsEnabled } = process;
  const { stackTraceLimit, prepareStackTrace } = Error;
  process.setSourceMapsEnabled(false);
  Error.stackTraceLimit = 3;
  Error.prepareStackTrace = String; // jest maps each
  let outputs: unknown;
  let failure: { error: unknown } | undefined;
  try {
    // The stack keeps promises that nobody awaits: an error must not reach them, or the process ends.
    outputs = await pulumi.runtime.runInPulumiStack(() =>
      program().catch((error: unknown) => {
        failure = { error };
        return {};
      }),
    );
    await waitForRPCs();
  } finally {
    restoreStructs();
    restoreInputs();
    process.setSourceMapsEnabled(sourceMapsEnabled);
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
  if (failure) throw failure.error;
  const { value } = withoutSecrets(await pulumi.runtime.serializeProperties("outputs", { outputs }));
  const { "usdf:secrets": _, ...config } = yaml.config; // values stay where they are
  return {
    stack,
    yaml: { ...yaml, config },
    resources,
    outputs: (value as { outputs: Record<string, unknown> }).outputs,
  };
}

/**
 * Nothing leaves this process, so what registrations carry stays plain: putting it into protobuf's form and back, four
 * times a resource, takes a third of a preview.
 * @returns Puts back how protobuf does it.
 */
function keepStructsPlain(load: NodeJS.Require): () => void {
  type Plain = Record<string, unknown>;
  type Message = new () => { toJavaScript(): Plain };
  const { Struct } = load("google-protobuf/google/protobuf/struct_pb.js") as {
    Struct: Message & { fromJavaScript(plain: Plain): unknown };
  };
  const { fromJavaScript } = Struct;
  Struct.fromJavaScript = (plain) => Object.assign(new Struct(), { toJavaScript: () => plain });
  return () => {
    Struct.fromJavaScript = fromJavaScript;
  };
}

/**
 * Pulumi waits for every value within the inputs of a resource, one promise each; nearly all are plain, and are copied at once.
 * @returns Puts back how Pulumi does it.
 */
function copyPlainInputs(rpc: Rpc): () => void {
  const { serializeResourceProperties } = rpc;
  rpc.serializeResourceProperties = async (label, props, options) => {
    const plain = new Map(Object.entries(props).map(([key, value]) => [key, plainCopy(value)]));
    const others = Object.fromEntries(Object.entries(props).filter(([key]) => plain.get(key) === notPlain));
    const [serialized, dependencies] = await serializeResourceProperties(label, others, options);
    const result: Record<string, unknown> = {};
    for (const [key, copy] of plain) {
      const value = copy === notPlain ? serialized[key] : copy;
      if (value === undefined || key === "id" || key === "urn") continue;
      result[key] = value;
      if (copy !== notPlain) dependencies.set(key, new Set());
    }
    return [result, dependencies];
  };
  return () => {
    rpc.serializeResourceProperties = serializeResourceProperties;
  };
}

/** The part of Pulumi's serialisation that is used here: inputs, and the resources that each depends on. */
interface Rpc {
  serializeResourceProperties(
    label: string,
    props: Readonly<Record<string, unknown>>,
    options?: unknown,
  ): Promise<[Record<string, unknown>, Map<string, Set<unknown>>]>;
}

/** Stands for a value that is, or holds, an output, a promise, a resource or anything else that is not plain data. */
const notPlain = Symbol("not plain");

/** A copy as JSON has it: without keys that have no value, and null for such elements. */
function plainCopy(value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") return notPlain;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => plainCopy(item) ?? null);
    return items.includes(notPlain) ? notPlain : items;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return notPlain;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const inner = plainCopy((value as Record<string, unknown>)[key]);
    if (inner === notPlain) return notPlain;
    if (inner !== undefined) copy[key] = inner;
  }
  return copy;
}

/** Configuration as the engine hands it to a program: objects as JSON; what is encrypted as a secret mark. */
function setConfig(pulumi: typeof Pulumi, yaml: StackYaml): void {
  const entries = Object.entries(yaml?.config ?? {}).map(([key, value]) => {
    const shown = mapObjects(value, (object) => ("secure" in object ? secretMark : undefined));
    return [key, typeof shown === "string" ? shown : JSON.stringify(shown)];
  });
  pulumi.runtime.setAllConfig(Object.fromEntries(entries) as Record<string, string>, ["usdf:secrets"]);
}

/** The parts of Pulumi's mock monitor that are used here. */
interface MockMonitor {
  mocks: { newResource(args: { type: string; name: string }): { id: string; state: Record<string, unknown> } };
  newUrn(parent: string, type: string, name: string): string;
  registerResource(
    request: RegisterRequest,
    callback: (error: Error | undefined, response: unknown) => void,
  ): Promise<void>;
}
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getCustom(): boolean;
  getProvider(): string;
  getProtect(): boolean;
  getObject(): { toJavaScript(): Record<string, unknown> };
  getDependenciesList(): string[];
}

/** Each registration goes into `resources`; the program gets its inputs back, with what only a cluster would add. */
function recordInto(resources: RecordedResource[], monitor: MockMonitor): void {
  const register = monitor.registerResource.bind(monitor);
  const states = new Map<string, Record<string, unknown>>();
  monitor.mocks.newResource = ({ type, name }) => ({ id: `${name}-id`, state: states.get(`${type} ${name}`) ?? {} });
  monitor.registerResource = (request, callback) => {
    const { value, secrets } = withoutSecrets(request.getObject().toJavaScript());
    const inputs = value as Record<string, unknown>;
    const type = request.getType();
    const name = request.getName();
    const parent = request.getParent() || undefined;
    const isStack = type === "pulumi:pulumi:Stack";
    if (!isStack) {
      resources.push({
        type,
        name,
        urn: monitor.newUrn(request.getParent(), type, name),
        parent,
        custom: request.getCustom(),
        inputs: withoutProviderCode(inputs),
        secrets,
        provider: providerName(request.getProvider()),
        protect: request.getProtect(),
        dependsOn: request.getDependenciesList(),
      });
    }
    // The program reads names and what a cluster adds; a spec would be written and read twice for nothing.
    const { spec: _, data: __, ...told } = inputs;
    states.set(`${type} ${name}`, { ...(type.startsWith("kubernetes:") ? told : inputs), ...added(type, inputs) });
    return register(request, callback);
  };
}

/** What a cluster or gateway adds to a resource, in the form that people and the local runner can read. */
function added(type: string, inputs: Record<string, unknown>): Record<string, unknown> {
  if (type === "kubernetes:core/v1:Service") {
    const { name, namespace } = inputs.metadata as { name: string; namespace: string };
    return { status: { loadBalancer: { ingress: [{ ip: `${name}.${namespace}.svc.cluster.local` }] } } };
  }
  if (type.endsWith(":NotificationTopic")) {
    const { zonegroup = "default", tenant = "" } = inputs.rgw as { zonegroup?: string; tenant?: string };
    const digest = createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 16);
    return { arn: `arn:aws:sns:${zonegroup}:${tenant}:${String(inputs.name)}`, revision: digest };
  }
  return {};
}

function withoutProviderCode({ __provider: _, ...inputs }: Record<string, unknown>): Record<string, unknown> {
  return inputs;
}

/** `urn:…::name::id` of an explicit provider. */
function providerName(reference: string): string | undefined {
  return reference === "" ? undefined : reference.split("::").at(-2);
}

const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const resourceSignature = "5cf8f73096256a8f31e491e813e4eb8e";

/** Pulumi's wire form as plain JSON: secrets replaced by marks, references to resources by their URN. */
function withoutSecrets(input: unknown): { value: unknown; secrets: string[][] } {
  const secrets: string[][] = [];
  // Of a secret object the keys are kept: which keys a Secret has is no secret.
  const walk = (value: unknown, path: string[], secret: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, String(index)], secret));
    if (typeof value !== "object" || value === null) {
      if (!secret || value === "" || value === undefined) return value; // nothing to keep
      secrets.push(path);
      return typeof value === "string" && vaultMark.read(value) ? value : secretMark;
    }
    const object = value as Record<string, unknown>;
    if (object[signature] === secretSignature) return walk(object.value, path, true);
    if (object[signature] === resourceSignature) return object.urn;
    return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, walk(item, [...path, key], secret)]));
  };
  return { value: walk(input, [], false), secrets };
}

/** `value` with each object replaced for which `replace` gives something. */
function mapObjects(value: unknown, replace: (object: object) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, replace));
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapObjects(item, replace)]));
}
