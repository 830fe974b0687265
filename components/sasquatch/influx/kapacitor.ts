import * as pulumi from "@pulumi/pulumi";
import type { KapacitorConfig } from "../../config";
import { envVars, portOf, Workload } from "../../platform";
import { type Environment, identity, influxPasswordField, secretKey } from "../environment";
import { kapacitorUser } from "./desired";
import { httpProbes, service } from "./instance";
import { influxFields, personalUser } from "./names";

const port = 9092;

/** Kapacitor: alerts that people make in Chronograf. It asks InfluxDB as a user that only reads. */
export class Kapacitor extends pulumi.ComponentResource {
  constructor(
    environment: Environment,
    settings: KapacitorConfig,
    influxUrl: string,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const component = "kapacitor";
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:Kapacitor", name, {}, opts);
    const own = identity(environment, component);
    new Workload(
      name,
      {
        ...own,
        run: {
          kind: "StatefulSet",
          replicas: 1,
          serviceName: own.metadataName,
          claims: [{ name: "data", storageClass: settings.storageClass as string, size: settings.size }],
          protect: environment.platform.protectData,
        },
        container: {
          name: component,
          image: `kapacitor:${settings.tag}`,
          command: ["kapacitord"],
          env: envVars({
            KAPACITOR_HOSTNAME: own.metadataName,
            KAPACITOR_DATA_DIR: "/var/lib/kapacitor",
            KAPACITOR_REPLAY_DIR: "/var/lib/kapacitor/replay",
            KAPACITOR_STORAGE_BOLTDB: "/var/lib/kapacitor/kapacitor.db",
            KAPACITOR_TASK_DIR: "/var/lib/kapacitor/tasks",
            KAPACITOR_REPORTING_ENABLED: false,
            KAPACITOR_INFLUXDB_0_URLS_0: influxUrl,
            KAPACITOR_INFLUXDB_0_USERNAME: kapacitorUser,
            KAPACITOR_INFLUXDB_0_PASSWORD: secretKey(influxPasswordField(kapacitorUser)),
            // A subscription is made by an administrator, and gets every point: alerts ask instead.
            KAPACITOR_INFLUXDB_0_DISABLE_SUBSCRIPTIONS: true,
            KAPACITOR_SLACK_ENABLED: settings.slack,
            KAPACITOR_SLACK_URL: settings.slack ? secretKey(influxFields.slackWebhook) : undefined,
          }),
          port: { name: "http", number: port },
          probes: httpProbes("/kapacitor/v1/ping", 5),
          resources: settings,
          volumeMounts: [{ name: "data", mountPath: "/var/lib/kapacitor" }],
          metrics: false,
          restricted: true,
          longestStepSeconds: 30,
          behindService: true,
        },
        user: personalUser,
        accepts: [{ peers: [{ pods: identity(environment, "chronograf").selector }], ports: [port] }],
        reaches: [{ peers: "anyone", ports: [...new Set([portOf(influxUrl), 443])] }],
      },
      { parent: this },
    );
    service(environment, { component, ports: { http: port } }, this);
    this.registerOutputs();
  }
}
