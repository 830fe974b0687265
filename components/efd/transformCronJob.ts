import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "./environment";
import { transformWorkload } from "./transform";

/** Summarises what was newly observed, every few minutes. A run that fails is made up for by the next one. */
export class TransformCronJob extends pulumi.ComponentResource {
  /** Name of the CronJob. */
  readonly cronJob: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-transform`;
    super("usdf:efd:TransformCronJob", name, {}, opts);
    const { cronJob, butler } = environment.settings;
    const { schedule, suspend, limitMinutes } = cronJob;
    this.cronJob = environment.efd.name;
    transformWorkload(
      name,
      environment,
      {
        metadataName: this.cronJob,
        component: "transform",
        run: { schedule, suspend, limitSeconds: limitMinutes * 60, keepsSuccessful: 3 },
        env: { MODE: "cronjob" },
        chunks: cronJob,
        butler,
        resources: cronJob,
      },
      this,
    );
    this.registerOutputs({ cronJob: this.cronJob });
  }
}
