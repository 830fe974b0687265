import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { EfdConfig, PlatformConfig } from "../config";
import type { EfdEnvironmentOutputs, Outputs } from "../outputs";
import { SecretReference, usdfImage, vaultReader, volumeClaim } from "../platform";
import { Alerts } from "./alerts";
import { environmentOf, labelsOf, secretFields, secretName } from "./environment";
import { FailureMonitor } from "./failureMonitor";
import { TransformCronJob } from "./transformCronJob";
import { TransformJob } from "./transformJob";

/** Arguments of {@link TransformedEfd}. */
export interface TransformedEfdArgs {
  /** Configuration of the system; the component is the environment of its own name in it. */
  readonly efd: EfdConfig;
  readonly platform: PlatformConfig;
}

/** One environment of the transformed EFD: an instrument's telemetry summarised into the consolidated database. */
export class TransformedEfd extends pulumi.ComponentResource {
  /** What the stack tells others of it. */
  readonly outputs: Outputs<EfdEnvironmentOutputs>;

  constructor(name: string, { efd, platform }: TransformedEfdArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:efd:TransformedEfd", name, {}, opts);
    const child = { parent: this };
    const settings = efd.environments[name];
    if (settings === undefined) throw new Error(`No environment "${name}" in usdf:efd.environments.`);
    const { instrument } = labelsOf({ settings });
    const namespace = new k8s.core.v1.Namespace(
      name,
      {
        metadata: {
          name,
          labels: {
            instrument,
            "app.kubernetes.io/part-of": "efd",
            "app.kubernetes.io/instance": name,
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
          },
        },
      },
      { ...child, protect: platform.protectData, retainOnDelete: true }, // the volumes in it outlive the declaration
    );
    const environment = environmentOf(name, efd, platform, namespace.metadata.name);
    const { path } = efd.secrets;
    const place = { namespace: environment.namespace, kubeContext: efd.kubeContext };
    const reader = vaultReader(
      `${name}-vault`,
      { ...place, system: "efd", environment: name, paths: [path], platform },
      child,
    );
    const fields = Object.fromEntries(secretFields(environment).map((field) => [field, field]));
    new SecretReference(
      `${name}-${secretName}`,
      { namespace: environment.namespace, name: secretName, path, fields, secrets: platform.secrets, reader },
      child,
    );
    for (const [claim, volume] of Object.entries(efd.volumes)) {
      const args = { namespace: environment.namespace, name: claim, labels: { instrument }, volume };
      volumeClaim(`${name}-${claim}`, { ...args, protect: platform.protectData }, this);
    }
    const { cronJob } = new TransformCronJob(environment, child);
    const monitor = new FailureMonitor(environment, child);
    const backfills = Object.keys(settings.backfills).map((backfill) => {
      return [backfill, new TransformJob(environment, backfill, child).cronJob] as const;
    });
    if (platform.monitoring.enabled) new Alerts(environment, child);
    this.outputs = {
      ...place,
      instrument: settings.instrument,
      cronJob,
      failureMonitor: monitor.cronJob,
      backfills: Object.fromEntries(backfills),
      queueTable: `efd_scheduler.${instrument}`,
      schema: `efd_${instrument}`,
      image: usdfImage.workloads,
    };
    this.registerOutputs(this.outputs);
  }
}
