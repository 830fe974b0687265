import * as pulumi from "@pulumi/pulumi";
import type { ResolvedService } from "../config";
import { type Alert, alertRules } from "../platform";
import { type Environment, labelsOf } from "./environment";
import { fanOutName } from "./fanOut";
import { initCronName } from "./initOutput";
import { routedTopics } from "./router";

/** Alerts of an environment, in the namespace of its Redis. */
export class Alerts extends pulumi.ComponentResource {
  constructor(
    environment: Environment,
    services: readonly ResolvedService[],
    namespace: pulumi.Input<string>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const name = `${environment.prefix}-alerts`;
    super("usdf:prompt:Alerts", name, {}, opts);
    alertRules(
      name,
      {
        metadata: { name: "prompt-alerts", namespace, labels: labelsOf(environment, "alerts") },
        system: "prompt",
        environment: environment.name,
        alerts: alertsOf(services),
        monitoring: environment.platform.monitoring,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** A visit waits so long for a worker, and somebody should look. */
const waitSeconds = 120;

function alertsOf(services: readonly ResolvedService[]): Alert[] {
  const fanOut = `{namespace="${fanOutName}"}`;
  const crons = services.filter(({ standIn }) => !standIn);
  const alerts: Alert[] = [
    {
      alert: "PromptFanOutDown",
      severity: "critical",
      expr: `absent(up${fanOut} == 1)`,
      for: "2m",
      summary: "No fan-out answers: visits stay in Kafka, and the other alerts of streams are blind.",
      runbook:
        "Look at events and log of the Deployment. Nothing is lost: it goes on where it was, but visits grow old.",
    },
    {
      alert: "PromptVisitsWait",
      severity: "critical",
      expr: `min_over_time(usdf_fan_out_stream_lag_entries${fanOut}[${waitSeconds}s]) > 0`,
      for: "1m",
      summary: "{{ $labels.stream }}: {{ $value }} detectors of visits wait for a worker.",
      runbook:
        "Do Jobs start? Look at the ScaledJob, the log of KEDA, and free nodes; scaling.max may be reached. Workers that fail " +
        "show in PromptAttemptsFail.",
    },
    {
      alert: "PromptStreamFull",
      severity: "critical",
      expr: `usdf_fan_out_stream_entries${fanOut} / on (namespace, pod) group_left usdf_fan_out_stream_max_entries${fanOut} > 0.8`,
      for: "5m",
      summary: "{{ $labels.stream }} is filled by more than 80 %; a full one takes no visit more.",
      runbook: "Workers do not end visits, see PromptVisitsWait. Kafka keeps what does not fit, until it expires.",
    },
    {
      alert: "PromptDeadLetters",
      severity: "warning",
      expr: `max by (namespace) (increase(usdf_prompt_dead_letters_added${fanOut}[15m])) > 0`,
      for: "0m",
      summary: "{{ $value }} messages or visits were given up and wait for a person.",
      runbook:
        "`usdf prompt dead-letters` shows each with stage, code and reason. Mend the cause, then put it back or drop it.",
    },
    {
      alert: "PromptHousekeepingFails",
      severity: "warning",
      expr: `sum by (stream) (increase(usdf_fan_out_housekeeping_failures_total${fanOut}[15m])) > 3`,
      for: "15m",
      summary: "{{ $labels.stream }} is not trimmed, and what lost workers had is not given to others.",
      runbook: "The log of fan-out says why; most often Redis does not answer or is full.",
    },
    {
      alert: "PromptFanOutStuck",
      severity: "critical",
      expr: `min_over_time(usdf_fan_out_visits_in_hand${fanOut}[5m]) > 0`,
      for: "1m",
      summary: "{{ $value }} visits that were read have not reached their workers for five minutes.",
      runbook:
        "Redis does not answer or is full (redis.maxMemoryMi), or a stream is (PromptStreamFull): the log of fan-out says which.",
    },
  ];
  const gateways = services.filter(({ driver }) => driver === "gateway");
  if (gateways.length > 0) {
    const workers = `{namespace=~"${gateways.map(({ fullName }) => fullName).join("|")}"}`;
    alerts.push(
      {
        alert: "PromptAttemptsFail",
        severity: "warning",
        expr:
          `sum by (namespace) (increase(usdf_prompt_worker_failures_total${workers}[15m])) > ` +
          `0.1 * sum by (namespace) (increase(usdf_prompt_worker_visits_total${workers}[15m])) and ` +
          `sum by (namespace) (increase(usdf_prompt_worker_failures_total${workers}[15m])) > 5`,
        for: "5m",
        summary: "{{ $labels.namespace }}: more than a tenth of the attempts at visits fail.",
        runbook: "Group usdf_prompt_worker_failures_total by code; the workers' logs have the reason of each.",
      },
      {
        alert: "PromptVisitsIncomplete",
        severity: "warning",
        expr: `sum by (namespace) (increase(usdf_prompt_worker_incomplete_total${workers}[15m])) > 5`,
        for: "5m",
        summary: "{{ $labels.namespace }}: {{ $value }} detectors had fewer raws than announced.",
        runbook: "Does the router work, and do raws and sidecars reach the bucket? See PromptRouterBehind.",
      },
    );
  }
  if (routedTopics(services).length > 0)
    alerts.push({
      alert: "PromptRouterBehind",
      severity: "critical",
      expr: "max by (namespace, pod) (usdf_notification_router_lag_messages) > 5000",
      for: "2m",
      summary: "{{ $labels.pod }} is {{ $value }} file notifications behind: workers wait for raws that are there.",
      runbook:
        "Does the object store answer for sidecars (usdf_notification_router_store_failures_total)? Else raise router.replicas.",
    });
  if (crons.length > 0) {
    const jobs = `{namespace=~"${crons.map(({ fullName }) => fullName).join("|")}",job_name=~"(${crons.map(initCronName).join("|")})-.*"}`;
    alerts.push({
      alert: "PromptInitOutputFailed",
      severity: "critical",
      expr: `max by (namespace, job_name) (kube_job_failed${jobs}) > 0`,
      for: "0m",
      summary: "{{ $labels.namespace }}: init-outputs of the day of observation are missing; no worker can work.",
      runbook:
        "Read the log of {{ $labels.job_name }}, mend the cause, and start it again: kubectl create job --from=cronjob/cron-…",
    });
    alerts.push({
      alert: "PromptInitOutputMissing",
      severity: "critical",
      expr: `time() - max by (namespace, cronjob) (kube_cronjob_status_last_successful_time{namespace=~"${crons.map(({ fullName }) => fullName).join("|")}"}) > 25 * 3600`,
      for: "5m",
      summary: "{{ $labels.namespace }}: {{ $labels.cronjob }} has not succeeded for {{ $value | humanizeDuration }}.",
      runbook:
        "Is the CronJob suspended, or does no node take its pod? Start it by hand: kubectl create job --from=cronjob/…",
    });
  }
  return alerts;
}
