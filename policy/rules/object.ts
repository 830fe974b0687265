/* eslint-disable @typescript-eslint/no-explicit-any -- inputs of resources of any kind, looked into field by field */

/** One resource, as the engine or `usdf preview` hands it to a rule. */
export interface PolicyObject {
  readonly stack: string;
  /** Type token, e.g. `kubernetes:apps/v1:Deployment`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  /** What was declared; of a value that only the update will know there is {@link unknown}. */
  readonly inputs: Readonly<Record<string, any>>;
  /** Whether the value at a path of `inputs` is encrypted in the state. */
  readonly isSecret: (path: readonly string[]) => boolean;
  /** Whether the engine refuses to delete or replace it. */
  readonly protect: boolean;
}

/** Stands in {@link PolicyObject.inputs} for a value that only the update will know. */
export const unknown = "[known after the update]";

/** `Deployment summit/redis`, `NotificationTopic rubin-sts`: how findings and exceptions name an object. */
export function titleOf({ type, name, inputs }: PolicyObject): string {
  const kind = typeof inputs.kind === "string" ? inputs.kind : type.slice(type.lastIndexOf(":") + 1);
  const { name: own = inputs.name ?? name, namespace } = inputs.metadata ?? {};
  return namespace === undefined ? `${kind} ${own}` : `${kind} ${namespace}/${own}`;
}

/** Kind of a Kubernetes object; `undefined` for any other resource. */
export function kindOf({ type, inputs }: PolicyObject): string | undefined {
  return type.startsWith("kubernetes:") && typeof inputs.kind === "string" ? inputs.kind : undefined;
}

/** Whether a workload is being taken over with its pods as they are: the engine shows the pods that run. */
export function isAdopting({ inputs }: PolicyObject): boolean {
  return inputs.metadata?.annotations?.["usdf/adopting"] === "true";
}

/** Pod specs of what starts pods: workloads, a CronJob, a bare Pod, KEDA's ScaledJob. */
export function podSpecsOf(object: PolicyObject): any[] {
  const kind = kindOf(object);
  const { spec } = object.inputs;
  if (kind === undefined) return [];
  const candidates = [
    kind === "Pod" ? spec : undefined,
    spec?.template?.spec,
    spec?.jobTemplate?.spec?.template?.spec,
    spec?.jobTargetRef?.template?.spec,
  ];
  return candidates.filter((each) => Array.isArray(each?.containers));
}

/** Every container of what starts pods, init containers too. */
export function containersOf(object: PolicyObject): any[] {
  return podSpecsOf(object).flatMap((spec) => [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...(spec.ephemeralContainers ?? []),
  ]);
}

/** A text somewhere in the inputs. */
export interface Text {
  readonly path: readonly string[];
  readonly value: string;
}

/** Every text of a value that `accepts` takes, with its path. Objects hold thousands of texts: paths are made of few. */
export function textsOf(
  value: unknown,
  accepts: (text: string, key: string) => boolean,
  path: readonly string[] = [],
): Text[] {
  const found: Text[] = [];
  const steps = [...path];
  const look = (inner: unknown): void => {
    if (typeof inner === "string") {
      if (accepts(inner, steps.at(-1) ?? "")) found.push({ path: [...steps], value: inner });
    } else if (typeof inner === "object" && inner !== null) {
      for (const key of Object.keys(inner)) {
        steps.push(key);
        look((inner as Record<string, unknown>)[key]);
        steps.pop();
      }
    }
  };
  look(value);
  return found;
}

/** `spec.template.spec.containers[0].image` */
export function pathText(path: readonly string[]): string {
  return path.map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : index > 0 ? `.${step}` : step)).join("");
}
