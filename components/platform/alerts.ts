import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig } from "../config";
import { customResource } from "./custom";

/** Something that a person must look at. */
export interface Alert {
  readonly alert: string;
  readonly severity: "critical" | "warning";
  readonly expr: string;
  readonly for: string;
  /** What is wrong, for whom. */
  readonly summary: string;
  /** What to look at and do. */
  readonly runbook: string;
}

/** Arguments of {@link alertRules}. */
export interface AlertRulesArgs {
  readonly metadata: {
    readonly name: string;
    readonly namespace: pulumi.Input<string>;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** Labels of every alert, beside its severity. */
  readonly system: string;
  readonly environment: string;
  readonly alerts: readonly Alert[];
  readonly monitoring: PlatformConfig["monitoring"];
}

/** Alerts of an environment as an object of the Prometheus operator. */
export function alertRules(
  name: string,
  { metadata, system, environment, alerts, monitoring: { runbookUrl } }: AlertRulesArgs,
  opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
  const rules = alerts.map(({ alert, expr, for: time, severity, summary, runbook }) => ({
    alert,
    expr,
    for: time,
    labels: { severity, system, environment },
    annotations: {
      summary,
      runbook,
      ...(runbookUrl === undefined ? {} : { runbook_url: `${runbookUrl}#${alert.toLowerCase()}` }),
    },
  }));
  const spec = { groups: [{ name: `${system}-${environment}`, rules }] };
  return customResource(name, { apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule", metadata, spec }, opts);
}
