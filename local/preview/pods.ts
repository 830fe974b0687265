import type { DeclaredObject, Manifest } from "./model";

/** Pod template of what starts pods. */
export interface PodTemplate {
  readonly labels: Record<string, string>;
  readonly spec: {
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly PodVolume[];
  };
}

export interface Container {
  readonly name: string;
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly { secretRef?: Optional<{ name: string }>; configMapRef?: Optional<{ name: string }> }[];
  readonly ports?: readonly { name?: string; containerPort: number }[];
  readonly volumeMounts?: readonly { name: string }[];
}
export type Optional<T> = T & { optional?: boolean };
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: Optional<{ name: string; key: string }>;
    readonly configMapKeyRef?: Optional<{ name: string; key: string }>;
  };
}
export interface PodVolume {
  readonly name: string;
  readonly secret?: Optional<{ secretName: string; items?: readonly { key: string }[] }>;
  readonly configMap?: Optional<{ name: string; items?: readonly { key: string }[] }>;
  readonly persistentVolumeClaim?: { claimName: string };
}

/** Pod template of a Deployment, StatefulSet, DaemonSet, Job, CronJob, ScaledJob or Pod; `undefined` for anything else. */
export function podTemplateOf(object: DeclaredObject): PodTemplate | undefined {
  if (object.type !== "kubernetes") return undefined;
  const { kind, spec, metadata } = object.content as unknown as Manifest;
  const template =
    kind === "CronJob"
      ? spec?.jobTemplate?.spec?.template
      : kind === "ScaledJob"
        ? spec?.jobTargetRef?.template
        : kind === "Pod"
          ? { metadata, spec }
          : spec?.template;
  if (!template?.spec?.containers) return undefined;
  return { labels: template.metadata?.labels ?? {}, spec: template.spec };
}

/** Containers and init containers of what starts pods; none for anything else. */
export function containersOf(object: DeclaredObject): readonly Container[] {
  const spec = podTemplateOf(object)?.spec;
  return spec ? [...(spec.initContainers ?? []), ...(spec.containers ?? [])] : [];
}

/** Plain value of a container's variable. */
export function envOf(container: Container, name: string): string | undefined {
  return container.env?.find((variable) => variable.name === name)?.value;
}

export interface LabelSelector {
  readonly matchLabels?: Record<string, string>;
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** Whether labels fit a selector; an empty selector fits all. */
export function selects(selector: LabelSelector, labels: Record<string, string> = {}): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const has = Object.hasOwn(labels, key);
      if (operator === "Exists") return has;
      if (operator === "DoesNotExist") return !has;
      const isIn = has && values.includes(labels[key]!);
      return operator === "NotIn" ? !isIn : isIn;
    })
  );
}
