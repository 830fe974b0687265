import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { VaultReader } from "../../platform";
import { type Environment, influxPasswordField, labelsOf } from "../environment";
import type { InfluxdbRole } from "../plan";
import { Backup } from "./backup";
import { Chronograf } from "./chronograf";
import { desiredState } from "./desired";
import { InfluxdbEnterprise } from "./enterprise";
import { instancesOf, instanceUrl } from "./instance";
import { Kapacitor } from "./kapacitor";
import { influxFields } from "./names";
import { InfluxdbServer } from "./server";
import { InfluxdbSetup } from "./setUp";

/** InfluxDB of an environment with buckets, users and tasks; Chronograf, Kapacitor, storage classes and backups. */
export class InfluxStack extends pulumi.ComponentResource {
  /** URL inside the cluster: what connectors write to. */
  readonly url: string;
  /** URLs for users on the allow list, by what it is: influxdb, influxdb-standby, chronograf. */
  readonly externalUrls: Readonly<Record<string, string>>;

  /** @param reader - The right to read the environment's secrets, where the stack declares it. */
  constructor(environment: Environment, reader: VaultReader | undefined, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-influx`;
    super("usdf:sasquatch:InfluxStack", name, {}, opts);
    const child = { parent: this };
    const { influxdb, chronograf, kapacitor, storageClasses } = environment.settings;
    const shown: Record<string, string | undefined> = {};
    for (const [className, one] of Object.entries(storageClasses))
      new k8s.storage.v1.StorageClass(
        `${environment.prefix}-${className}`,
        {
          metadata: { name: className, labels: labelsOf(environment) },
          provisioner: one.provisioner,
          parameters: one.parameters,
          reclaimPolicy: one.reclaimPolicy,
          // A volume on a node's disk is made where its pod will run.
          volumeBindingMode: "WaitForFirstConsumer",
        },
        { ...child, protect: environment.platform.protectData },
      );
    this.url = influxUrlOf(environment);
    const instances = instancesOf(environment);
    for (const instance of instances) {
      const server =
        influxdb.edition === "enterprise"
          ? new InfluxdbEnterprise(environment, instance, reader, child)
          : new InfluxdbServer(environment, instance, child);
      shown[instance.component] = server.externalUrl;
      new InfluxdbSetup(environment, instance, instanceUrl(instance), child);
    }
    if (instances.length === 0) new InfluxdbSetup(environment, undefined, this.url, child);
    if (chronograf !== undefined) shown.chronograf = new Chronograf(environment, chronograf, child).externalUrl;
    if (kapacitor !== undefined) new Kapacitor(environment, kapacitor, this.url, child);
    if (influxdb.backup !== undefined) new Backup(environment, influxdb.backup, child);
    this.externalUrls = Object.fromEntries(
      Object.entries(shown).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    this.registerOutputs({ url: this.url, externalUrls: this.externalUrls });
  }
}

/** URL of an environment's InfluxDB inside the cluster. */
export function influxUrlOf({ settings }: Pick<Environment, "settings">, role: InfluxdbRole = "active"): string {
  if (role === "standby") return instanceUrl({ component: "influxdb-standby" });
  return settings.influxdb.url ?? instanceUrl({ component: "influxdb" });
}

/** Fields of the environment's secret in Vault that its InfluxDB and what stands around it refer to. */
export function influxSecretFields(environment: Pick<Environment, "plan" | "settings">): string[] {
  const { influxdb, chronograf, kapacitor } = environment.settings;
  const { edition } = influxdb;
  const login =
    chronograf?.login === "github"
      ? [influxFields.githubClientId, influxFields.githubClientSecret]
      : [influxFields.oidcClientId, influxFields.oidcClientSecret];
  return [
    influxFields.adminPassword,
    ...(edition === "2" ? [influxFields.adminToken] : []),
    ...(edition === "enterprise" ? [influxFields.sharedSecret] : []),
    ...desiredState(environment).users.map(({ name }) => influxPasswordField(name)),
    ...(chronograf ? [influxFields.tokenSecret, ...login] : []),
    ...(kapacitor?.slack ? [influxFields.slackWebhook] : []),
  ];
}
