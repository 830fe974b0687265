import type { Alert } from "../../platform";
import type { Environment } from "../environment";

/** Alerts of the CronJobs that keep InfluxDB as declared and back it up: they are over too soon to be scraped. */
export function influxAlerts({ settings }: Pick<Environment, "settings">): Alert[] {
  const { namespace, influxdb } = settings;
  const backup: Alert = {
    alert: "SasquatchBackupLate",
    severity: "critical",
    // A run a day; the next one makes up for one that failed.
    expr: late(namespace, "sasquatch-(influxdb|chronograf|kapacitor)-backup", 36 * 3600),
    for: "10m",
    summary:
      "{{ $labels.namespace }}: {{ $labels.cronjob }} has not succeeded for {{ $value | humanizeDuration }}; the last good backup grows old.",
    runbook: "Read the log of its last Job: it says which item failed and why. Earlier backups are kept meanwhile.",
  };
  return [
    {
      alert: "SasquatchInfluxdbNotAsDeclared",
      severity: "warning",
      expr: late(namespace, "sasquatch-influxdb.*-setup", 3600),
      for: "5m",
      summary:
        "{{ $labels.namespace }}: {{ $labels.cronjob }} has not succeeded for {{ $value | humanizeDuration }}; buckets, users or tasks are not as declared.",
      runbook:
        "Read the log of its last Job: it names each thing that it could not or would not change, such as a shorter retention or a task that fails.",
    },
    ...(influxdb.backup ? [backup] : []),
  ];
}

/** Since when CronJobs that are not suspended have had no success, or are there without one; seconds. */
function late(namespace: string, cronJobs: string, seconds: number): string {
  const of = `{namespace="${namespace}",cronjob=~"${cronJobs}"}`;
  return (
    `time() - max by (namespace, cronjob) (kube_cronjob_status_last_successful_time${of} or kube_cronjob_created${of}) ` +
    `> ${seconds} and on (namespace, cronjob) kube_cronjob_spec_suspend${of} == 0`
  );
}
