import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "./environment";
import { transformWorkload } from "./transform";

/** A day that no calendar has: the suspended CronJob starts nothing, even if somebody resumes it. */
const never = "0 0 31 2 *";

/**
 * A span of the past, ready to be summarised: a suspended CronJob from which a person starts a Job
 * (`kubectl create job --from=cronjob/NAME NAME`). A Job among the declared objects would run at each `pulumi up` after
 * it ended and was cleared away, and again for each new image, since a Job cannot be changed. Started twice it does
 * nothing twice: the tasks of a span are there once.
 */
export class TransformJob extends pulumi.ComponentResource {
  /** Name of the CronJob, and of the Job that is usually started from it. */
  readonly cronJob: string;

  constructor(environment: Environment, backfillName: string, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-backfill-${backfillName}`;
    super("usdf:efd:TransformJob", name, {}, opts);
    const { settings, efd } = environment;
    const backfill = settings.backfills[backfillName]!;
    const { start, end, resume, workers, backoffLimit, keepSeconds, limitHours } = backfill;
    this.cronJob = `${efd.name}-${backfillName}`;
    transformWorkload(
      name,
      environment,
      {
        metadataName: this.cronJob,
        component: `backfill-${backfillName}`,
        run: {
          schedule: never,
          suspend: true,
          limitSeconds: limitHours * 3600,
          backoffLimit,
          keepSeconds,
          keepsSuccessful: 3,
          workers: workers > 1 ? workers : undefined,
        },
        env: {
          MODE: "job",
          DATETIME_START: start,
          DATETIME_END: end,
          ...(resume ? { RESUME: "--resume" } : {}),
        },
        chunks: backfill,
        butler: backfill.butler ?? settings.butler,
        resources: backfill,
      },
      this,
    );
    this.registerOutputs({ cronJob: this.cronJob });
  }
}
