import * as pulumi from "@pulumi/pulumi";
import { brokerAlerts } from "../kafka";
import { type Alert, alertRules } from "../platform";
import { clusterName, type Environment, labelsOf } from "./environment";
import { influxAlerts } from "./influx";
import { needsConnect } from "./users";

/** Alerts of an environment: what stops data, what loses it later, and what a person decides. */
export class Alerts extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-alerts`;
    super("usdf:sasquatch:Alerts", name, {}, opts);
    const { namespace, platform } = environment;
    alertRules(
      name,
      {
        metadata: { name: `${clusterName}-alerts`, namespace, labels: labelsOf(environment) },
        system: "sasquatch",
        environment: environment.name,
        alerts: alertsOf(environment),
        monitoring: platform.monitoring,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** Messages that a connector is behind at most before a person looks. */
const lagMessages = 500_000;
const certificateDays = 14;

/** Alerts that fit what the environment has. */
export function alertsOf({ settings, plan }: Pick<Environment, "settings" | "plan">): Alert[] {
  const { namespace, kafka } = settings;
  const inNamespace = `namespace="${namespace}"`;
  const isDeclared = kafka.kind === "strimzi";
  return [
    ...(isDeclared ? brokerAlerts("Sasquatch", inNamespace) : []),
    ...(isDeclared && kafka.exporter && plan.connectors.length > 0 ? lagAlerts(inNamespace) : []),
    ...(plan.connectors.length > 0 ? [connectorDown(inNamespace)] : []),
    ...(plan.longTerm.some(({ kind }) => kind === "parquet") ? [filesLate(inNamespace)] : []),
    ...(plan.mirrors.length > 0 ? mirrorAlerts(inNamespace) : []),
    ...(needsConnect(plan) || plan.mirrors.length > 0 ? [taskFailed(inNamespace)] : []),
    ...(isDeclared ? [certificates(namespace), registryDown(inNamespace)] : []),
    ...influxAlerts({ settings }),
  ];
}

function lagAlerts(where: string): Alert[] {
  const lag = `sum by (namespace, consumergroup) (kafka_consumergroup_lag{${where},consumergroup=~"connector-.*"})`;
  return [
    {
      alert: "SasquatchConnectorLags",
      severity: "warning",
      expr: `${lag} > ${lagMessages} and ${lag} >= ${lag.replace('"})', '"} offset 15m)')}`,
      for: "15m",
      summary:
        "{{ $labels.namespace }}: group {{ $labels.consumergroup }} is {{ $value }} records behind and does not catch up.",
      runbook:
        "Its log and /metrics say whether InfluxDB is slow or fails. Raise the part's replicas or resources, or split it.",
    },
    {
      alert: "SasquatchDeadLetters",
      severity: "warning",
      expr: `sum by (namespace, topic) (increase(kafka_topic_partition_current_offset{${where},topic=~"dead-letters[.].*"}[15m])) > 0`,
      for: "1m",
      summary: "{{ $labels.namespace }}: {{ $value }} records of {{ $labels.topic }} could not be stored.",
      runbook:
        "The headers of the records in that topic hold the reason. They are kept for 90 days; mend the cause and send them again.",
    },
  ];
}

function connectorDown(where: string): Alert {
  return {
    alert: "SasquatchConnectorDown",
    severity: "critical",
    expr: `kube_deployment_status_replicas_available{${where},deployment=~"${clusterName}-(connector|telegraf|parquet-sink|aggregator)-.*"} == 0`,
    for: "10m",
    summary: "{{ $labels.namespace }}: {{ $labels.deployment }} does not run; its topics are not stored.",
    runbook:
      "Nothing is lost while Kafka keeps the records (retentionMinutes): mend it within that time. Its log names the reason.",
  };
}

function filesLate(where: string): Alert {
  return {
    alert: "SasquatchFilesLate",
    severity: "warning",
    expr: `max by (namespace, pod) (usdf_parquet_sink_oldest_seconds{${where}}) > 7200`,
    for: "15m",
    summary: "{{ $labels.namespace }}: {{ $labels.pod }} holds records of two hours ago that are in no file yet.",
    runbook:
      "Its log says what the object store answers. Nothing is lost while Kafka keeps the records (retentionMinutes).",
  };
}

function mirrorAlerts(where: string): Alert[] {
  return [
    {
      alert: "SasquatchMirrorLate",
      severity: "warning",
      expr: `max by (namespace, source) (kafka_mirror_replication_latency_ms_max{${where}}) > 60000`,
      for: "15m",
      summary: "{{ $labels.namespace }}: records of {{ $labels.source }} arrive {{ $value | humanize }} ms late.",
      runbook:
        "Look at the network to the source and the tasks of MirrorMaker (`kubectl get kafkamirrormaker2 -o yaml`).",
    },
    {
      alert: "SasquatchMirrorStands",
      severity: "critical",
      expr: `sum by (namespace, source) (kafka_mirror_record_rate{${where}}) == 0 or absent(kafka_mirror_record_rate{${where}})`,
      for: "15m",
      summary: "{{ $labels.namespace }}: no record of {{ $labels.source }} arrives.",
      runbook:
        "The source keeps records for its retention: mend it within that time. Check the source's load balancer, its allow list, the user's password and certificates.",
    },
  ];
}

function taskFailed(where: string): Alert {
  return {
    alert: "SasquatchTaskFailed",
    severity: "critical",
    expr: `sum by (namespace, connector) (kafka_connect_task_status{${where},status="failed"}) > 0`,
    for: "10m",
    summary:
      "{{ $labels.namespace }}: {{ $value }} tasks of {{ $labels.connector }} have failed and were not restarted with success.",
    runbook:
      "`kubectl get kafkaconnector,kafkamirrormaker2 -o yaml` shows the error in status; a restart is an annotation (strimzi.io/restart).",
  };
}

function registryDown(where: string): Alert {
  return {
    alert: "SasquatchRegistryDown",
    severity: "critical",
    expr: `kube_deployment_status_replicas_available{${where},deployment=~"${clusterName}-schema-registry.*"} == 0`,
    for: "10m",
    summary:
      "{{ $labels.namespace }}: {{ $labels.deployment }} does not run; producers cannot start, new schemas cannot be read.",
    runbook: "Schemas are in Kafka, nothing is lost. Look at its log: Kafka, its user's rights or memory.",
  };
}

function certificates(namespace: string): Alert {
  const soon = `< ${certificateDays * 86_400}`;
  return {
    alert: "SasquatchCertificateEnds",
    severity: "critical",
    expr:
      `strimzi_certificate_expiration_timestamp_ms{resource_namespace="${namespace}"} / 1000 - time() ${soon} or ` +
      `certmanager_certificate_expiration_timestamp_seconds{namespace="${namespace}"} - time() ${soon}`,
    for: "1h",
    summary: `${namespace}: a certificate ends in {{ $value | humanizeDuration }} and was not renewed.`,
    runbook:
      "Strimzi renews in the maintenance windows, cert-manager by DNS: look at their logs, and whether reconciliation is paused.",
  };
}
