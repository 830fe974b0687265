import * as pulumi from "@pulumi/pulumi";
import { type Alert, alertRules } from "../platform";
import { type Environment, identity } from "./environment";

/** Alerts of an environment. They read the metrics of our idle and ingest, so they are declared where those run. */
export class Alerts extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-alerts`;
    super("usdf:embargo:Alerts", name, {}, opts);
    const { settings, namespace, platform } = environment;
    const { labels } = identity(environment, "alerts");
    alertRules(
      name,
      {
        metadata: { name: `${settings.namePrefix}-alerts`, namespace, labels },
        system: "embargo",
        environment: environment.name,
        alerts: alertsOf(settings.namespace ?? environment.name, `${settings.namePrefix}-idle`),
        monitoring: platform.monitoring,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

function alertsOf(namespace: string, idleMonitor: string): Alert[] {
  const of = `{namespace="${namespace}"}`;
  return [
    {
      alert: "EmbargoQueueOld",
      severity: "critical",
      // Several idle pods publish the same gauge.
      expr: `max by (namespace, bucket) (usdf_queue_oldest_age_seconds${of}) > 300`,
      for: "5m",
      summary: "{{ $labels.bucket }}: an object has waited {{ $value | humanizeDuration }} for ingest.",
      runbook:
        "Are ingest pods ready, and does usdf_ingest_ingested_total move? If it does, load is too high: raise ingest.replicas. " +
        "If not, read the ingest log: the Butler's registry or the object store does not answer.",
    },
    {
      alert: "EmbargoDeadLetters",
      severity: "warning",
      expr: `max by (namespace, bucket) (usdf_queue_dead_objects${of}) > 0`,
      for: "5m",
      summary: "{{ $labels.bucket }}: {{ $value }} objects were given up and wait for a person.",
      runbook:
        "`usdf embargo dead list` shows each with code and reason. Mend the cause, then `usdf embargo dead retry`; " +
        "`dead drop` forgets what must not be ingested.",
    },
    {
      alert: "EmbargoIngestFailing",
      severity: "warning",
      expr:
        `sum by (namespace, bucket) (rate(usdf_ingest_failed_total${of}[10m])) > ` +
        `0.1 * sum by (namespace, bucket) (rate(usdf_ingest_ingested_total${of}[10m])) ` +
        `and sum by (namespace, bucket) (increase(usdf_ingest_failed_total${of}[10m])) > 5`,
      for: "10m",
      summary: "{{ $labels.bucket }}: more than a tenth of the attempts fail.",
      runbook: "Group usdf_ingest_failed_total by code; the ingest log has the reason of each file.",
    },
    {
      alert: "EmbargoIngestDependency",
      severity: "critical",
      expr: `sum by (namespace, code) (increase(usdf_ingest_faults_total${of}[5m])) > 0`,
      for: "10m",
      summary: "Ingest cannot work for ten minutes: {{ $labels.code }}.",
      runbook:
        "A dependency is lost: Redis, the Butler's registry or the object store. Nothing is lost meanwhile; repair it.",
    },
    {
      alert: "EmbargoNotificationsRejected",
      severity: "warning",
      expr: `sum by (namespace) (increase(usdf_enqueue_rejected_total${of}[15m])) > 0`,
      for: "0m",
      summary: "{{ $value }} notifications could not be read.",
      runbook: "The Redis list REJECTED keeps the newest 1,000 with their reason. Find who sends them.",
    },
    {
      alert: "EmbargoRedisFull",
      severity: "critical",
      expr: `max by (namespace) (redis_db_info_used_memory${of} / redis_db_info_maxmemory${of}) > 0.8`,
      for: "5m",
      summary: "Redis holds more than 80 % of what it may; when full it refuses notifications.",
      runbook: "Is the queue long (EmbargoQueueOld)? Repair ingest first. Else raise redis.maxMemoryMi.",
    },
    {
      alert: "EmbargoIdleDown",
      severity: "critical",
      expr: `absent(up{namespace="${namespace}",job="${namespace}/${idleMonitor}"} == 1)`,
      for: "10m",
      summary: "No idle pod of the environment answers: lost work is not given back, and the other alerts are blind.",
      runbook: "Look at the events and the log of the idle Deployment.",
    },
  ];
}
