import { z } from "zod";
import { objectName } from "./field";

/** What every system of a stack stands on. */
export const platformSchema = z
  .strictObject({
    secrets: z
      .strictObject({
        kind: z
          .enum(["externalSecret", "vaultSecret", "value"])
          .default("externalSecret")
          .describe(
            "Who brings a secret from Vault into the cluster: externalSecret = External Secrets Operator; " +
              "vaultSecret = the ricoberger Vault Secrets Operator; value = nobody, the value is a secret of this stack " +
              "(`pulumi config set --secret --path 'usdf:secrets[\"<vault path>#<field>\"]'`).",
          ),
        store: z.string().default("vault").describe("externalSecret: name of the ClusterSecretStore that reads Vault."),
        refreshInterval: z
          .string()
          .regex(/^\d+[smh]$/, 'must be a duration such as "15m"')
          .default("15m")
          .describe("externalSecret: how often the operator looks for a changed value."),
      })
      .prefault({})
      .describe("How secrets reach the pods. They are always references; no value is in configuration or state."),
    monitoring: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe("Declare PodMonitor and PrometheusRule objects. False where the Prometheus operator is missing."),
        namespace: objectName
          .default("monitoring")
          .describe("Namespace of the Prometheus that may read the metrics ports."),
        runbookUrl: z
          .url()
          .optional()
          .describe("Page that alerts link to; the alert's name in small letters is the anchor. Default: no link."),
      })
      .prefault({})
      .describe("Metrics and alerts."),
  })
  .describe("What every system of the stack stands on.");

export type PlatformConfig = z.output<typeof platformSchema>;
