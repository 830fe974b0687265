import { z } from "zod";
import { objectName } from "./field";

const mountPath = z
  .string()
  .regex(/^[\w-]+(\/[\w-]+)*$/, 'must be a mount without / at the ends, e.g. "secret" or "k8s/usdf-embargo-dmz"');

const vault = z.strictObject({
  address: z.url().describe("URL of Vault, from the clusters and from where the program runs."),
  mount: mountPath.default("secret").describe("Mount of the KV engine that every Vault path of the stack begins with."),
  kvVersion: z
    .union([z.literal(1), z.literal(2)], "must be 1 or 2")
    .default(2)
    .describe("Version of that KV engine."),
  authMounts: z
    .record(z.string(), mountPath)
    .describe("Mount of the Kubernetes auth method of each cluster, by kubeContext."),
  audience: z
    .string()
    .min(1)
    .default("vault")
    .describe("externalSecret: audience of the tokens that log in, so that no other token of a pod can."),
  operator: z
    .strictObject({
      namespace: objectName.default("vault-secrets-operator").describe("Its namespace."),
      serviceAccount: objectName.default("vault-secrets-operator").describe("Its ServiceAccount."),
    })
    .prefault({})
    .describe("vaultSecret: the operator, which logs in by the role of the environment that it reads for."),
});

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
    vault: vault
      .optional()
      .describe(
        "Vault, where this stack declares who may read which secret. Default: not; `secrets.store` or the operator reads " +
          "with rights that something else gave it.",
      ),
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
    protectData: z
      .boolean()
      .default(false)
      .describe(
        "Let the engine refuse to delete or replace what holds data: namespaces, volumes, Redis, topics. What shall go is " +
          "freed first: `pulumi state unprotect <URN>`. The policy data-protected wants it in production.",
      ),
  })
  .describe("What every system of the stack stands on.");

export type PlatformConfig = z.output<typeof platformSchema>;
