import * as pulumi from "@pulumi/pulumi";
import { failureMonitorName } from "../config";
import type { Environment } from "./environment";
import { transformWorkload } from "./transform";

/** Tries failed tasks again, and makes tasks for exposures and visits of the Butler that have no row. */
export class FailureMonitor extends pulumi.ComponentResource {
  /** Name of the CronJob. */
  readonly cronJob: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-${failureMonitorName}`;
    super("usdf:efd:FailureMonitor", name, {}, opts);
    const { failureMonitor, butler } = environment.settings;
    const { schedule, suspend, limitMinutes, windowDays } = failureMonitor;
    this.cronJob = `${environment.efd.name}-${failureMonitorName}`;
    transformWorkload(
      name,
      environment,
      {
        metadataName: this.cronJob,
        component: failureMonitorName,
        run: { schedule, suspend, limitSeconds: limitMinutes * 60, keepsSuccessful: 3 },
        env: { MODE: "cronjob", FAILURE_MONITOR: true, MONITOR_WINDOW_DAYS: windowDays },
        chunks: failureMonitor,
        butler,
        resources: failureMonitor,
      },
      this,
    );
    this.registerOutputs({ cronJob: this.cronJob });
  }
}
