import type { types } from "@pulumi/kubernetes";

/** Jobs of one pod each that KEDA starts, as many as its triggers ask for. */
export interface ScaledJobRun {
  readonly kind: "ScaledJob";
  /** Jobs that there are at all times. */
  readonly min: number;
  readonly max: number;
  readonly pollingSeconds: number;
  readonly strategy: "default" | "eager" | "accurate";
  readonly keepSuccessful: number;
  readonly keepFailed: number;
  readonly triggers: readonly Trigger[];
}

/** What KEDA looks at. */
export interface Trigger {
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Name of the TriggerAuthentication. @defaultValue none */
  readonly authentication?: string;
}

/**
 * Spec of a ScaledJob. A pod is not started again by Kubernetes: who takes its work over is the programs' own affair. A change
 * ends all its jobs, by SIGTERM and with their grace, so that none works on with what was replaced.
 */
export function scaledJobSpec(run: ScaledJobRun, template: types.input.core.v1.PodTemplateSpec) {
  return {
    jobTargetRef: { parallelism: 1, completions: 1, backoffLimit: 0, template },
    pollingInterval: run.pollingSeconds,
    minReplicaCount: run.min,
    maxReplicaCount: run.max,
    successfulJobsHistoryLimit: run.keepSuccessful,
    failedJobsHistoryLimit: run.keepFailed,
    rollout: { propagationPolicy: "foreground" },
    scalingStrategy: { strategy: run.strategy },
    triggers: run.triggers.map(({ type, metadata, authentication }) => ({
      type,
      metadata: { ...metadata },
      ...(authentication !== undefined && { authenticationRef: { name: authentication } }),
    })),
  };
}
