import type { Peer, PodUser } from "../../platform";
import { type Environment, identity } from "../environment";

/** Pods of the backup and of the restore. */
export const backupPods = (environment: Environment): Peer[] =>
  ["influxdb-backup", "influxdb-restore"].map((component) => ({ pods: identity(environment, component).selector }));

/** Fields of the environment's secret in Vault. */
export const influxFields = {
  adminPassword: "influxdb-password",
  adminToken: "influxdb-token",
  license: "influxdb-enterprise-license",
  sharedSecret: "influxdb-enterprise-shared-secret",
  tokenSecret: "TOKEN_SECRET",
  oidcClientId: "GENERIC_CLIENT_ID",
  oidcClientSecret: "GENERIC_CLIENT_SECRET",
  githubClientId: "GH_CLIENT_ID",
  githubClientSecret: "GH_CLIENT_SECRET",
  slackWebhook: "slack-webhook",
} as const;

/** Who Chronograf and Kapacitor are, as their images have it. */
export const personalUser: PodUser = { runAsUser: 999, runAsGroup: 999, fsGroup: 999 };
