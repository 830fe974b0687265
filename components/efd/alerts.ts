import * as pulumi from "@pulumi/pulumi";
import { failureMonitorName } from "../config";
import { type Alert, alertRules } from "../platform";
import { type Environment, labelsOf } from "./environment";

/**
 * Alerts of an environment. Its pods live for seconds, too short to be scraped, so the alerts read what kube-state-metrics
 * tells of their Jobs; a run that left something out ends as failed, and its log and the queue say what.
 */
export class Alerts extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-alerts`;
    super("usdf:efd:Alerts", name, {}, opts);
    const { namespace, platform, efd } = environment;
    alertRules(
      name,
      {
        metadata: { name: `${efd.name}-alerts`, namespace, labels: labelsOf(environment) },
        system: "efd",
        environment: environment.name,
        alerts: alertsOf(environment),
        monitoring: platform.monitoring,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** After the longest run a next one must have succeeded within this time. */
const marginSeconds = 30 * 60;

function alertsOf({ name: namespace, settings, efd: { name } }: Environment): Alert[] {
  const { cronJob, failureMonitor, backfills } = settings;
  const monitor = `${name}-${failureMonitorName}`;
  const about = `usdf efd status --stack ${pulumi.getStack()} --environment ${namespace}`;
  const alerts: Alert[] = [
    {
      alert: "EfdTransformLate",
      severity: "critical",
      expr: late(namespace, name, cronJob.limitMinutes * 60 + marginSeconds),
      for: "5m",
      summary:
        "{{ $labels.namespace }}: no run has succeeded for {{ $value | humanizeDuration }}; the queue grows old.",
      runbook:
        `Read the log of the last Job of CronJob ${name}: a database or the EFD does not answer, or no pod is started. ` +
        `\`${about}\` shows the oldest task. Nothing is lost: the next run makes up for it.`,
    },
    {
      alert: "EfdTransformFailing",
      severity: "warning",
      expr:
        `count by (namespace) (${failed(namespace, `${name}-[0-9]+`)} and on (namespace, job_name) ` +
        `time() - kube_job_created{namespace="${namespace}"} < 3600) >= 2`,
      for: "5m",
      summary: "{{ $labels.namespace }}: runs fail, {{ $value }} of the last hour.",
      runbook:
        "A run that fails has stored what it could. Its log names what needs a person: columns left out of the configuration, " +
        `tasks that failed for good, a database or EFD that does not answer. \`${about}\` shows tasks with their errors.`,
    },
    {
      alert: "EfdFailureMonitorLate",
      severity: "warning",
      expr: late(namespace, monitor, failureMonitor.limitMinutes * 60 + marginSeconds),
      for: "5m",
      summary:
        "{{ $labels.namespace }}: the failure monitor has not succeeded for {{ $value | humanizeDuration }}; failed tasks stay so.",
      runbook: `Read the log of the last Job of CronJob ${monitor}; \`usdf efd gaps\` shows what is missing meanwhile.`,
    },
  ];
  const names = Object.keys(backfills);
  if (names.length > 0)
    alerts.push({
      alert: "EfdBackfillFailed",
      severity: "warning",
      // A Job is cleared away soon after it ended.
      expr: `max by (namespace, job_name) (max_over_time(${series("kube_job_failed", namespace, `${name}-(${names.join("|")}).*`)}[1h])) == 1`,
      for: "0m",
      summary: "{{ $labels.namespace }}: back-fill {{ $labels.job_name }} failed.",
      runbook: `\`${about}\` shows failed tasks with their errors. Start it again: what is done is not done twice.`,
    });
  return alerts;
}

/** Since when a CronJob that is not suspended has had no success, or is there without one; seconds. */
function late(namespace: string, cronJob: string, seconds: number): string {
  const of = `{namespace="${namespace}",cronjob="${cronJob}"}`;
  return (
    `time() - max by (namespace, cronjob) (kube_cronjob_status_last_successful_time${of} or kube_cronjob_created${of}) ` +
    `> ${seconds} and on (namespace, cronjob) kube_cronjob_spec_suspend${of} == 0`
  );
}

function failed(namespace: string, jobs: string): string {
  return `${series("kube_job_failed", namespace, jobs)} == 1`;
}

function series(metric: string, namespace: string, jobs: string): string {
  return `${metric}{namespace="${namespace}",job_name=~"${jobs}",condition="true"}`;
}
